// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// A proxy, a login page or a server that starts can answer in Vault's place. No answer
// may cost a client the token that it has, or make it read Vault without a pause.
//
// The cases wait for the clients' pauses of ten seconds, so all of them run at the same
// time. The test has no time limit that a slow machine could miss, only the clients have
// theirs: it requires that a client waits long enough, and what it does between two reads.
func TestClientsKeepTheirTokenWhenVaultAnswersOddly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	examples, err := filepath.Abs("../../examples/clients")
	if err != nil {
		t.Fatal(err)
	}
	commands, err := clientCommands(examples, filepath.Join(dir, "goclient"), 500*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	var clients sync.WaitGroup
	for name, command := range commands {
		path, err := clientRuntime(name, command[0], t.Logf)
		if err != nil {
			t.Error(err)
		}
		if path == "" {
			continue
		}
		command[0] = path
		clients.Go(func() {
			if name == "java" { // Otherwise each process would compile the client.
				compile := exec.CommandContext(t.Context(), path, "-m", "jdk.compiler/com.sun.tools.javac.Main", "-d", dir, command[1])
				if out, err := compile.CombinedOutput(); err != nil {
					t.Errorf("compiling the client in Java: %v\n%s", err, out)
					return
				}
				command = slices.Concat([]string{path, "-Xmx64m", "-cp", dir, "Client"}, command[2:])
			}
			for _, s := range oddServices() {
				clients.Go(func() {
					if err := s.serve(t.Context(), command); err != nil {
						t.Errorf("the client in %s: %v", name, err)
					}
				})
			}
		})
	}
	clients.Wait()
}

// oddAnswer is an answer that is not a token of Vault.
type oddAnswer struct {
	name  string
	write func(rw http.ResponseWriter, r *http.Request)
}

func says(status int, body string) func(http.ResponseWriter, *http.Request) {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, body) // The client may have disconnected.
	}
}

// stalls sends the headers and the start of a body. It then waits until the client has
// enough of it. A byte per minute is too slow for a time limit of an example, and too
// fast for that of a library, with which a client would only seem to have one.
func stalls(rw http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // Otherwise, a disconnect would not be noticed.
	rw.Header().Set("Content-Length", "100")
	for part := `{"data":{"app_key":`; ; part = " " {
		_, _ = io.WriteString(rw, part) // The client may have disconnected.
		_ = http.NewResponseController(rw).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(time.Minute):
		}
	}
}

func oddAnswers() []oddAnswer {
	return []oddAnswer{
		{"a web page", says(200, "<html><body>Log in</body></html>")},
		{"an empty body", says(200, "")},
		{"an empty object", says(200, "{}")},
		{"no data", says(200, `{"data":null}`)},
		{"empty data", says(200, `{"data":{}}`)},
		{"an empty token", says(200, `{"data":{"app_key":"key","token":"","ttl":3600}}`)},
		{"an empty app key", says(200, `{"data":{"app_key":"","token":"odd","ttl":3600}}`)},
		{"a ttl of 0", says(200, `{"data":{"app_key":"key","token":"odd","ttl":0}}`)},
		{"no ttl", says(200, `{"data":{"app_key":"key","token":"odd","ttl":null}}`)},
		{"a redirect", nil}, // See redirect.
		{"HTTP 429", says(429, `{"errors":["rate limit quota exceeded"]}`)},
		{"HTTP 503", says(503, `{"errors":["Vault is sealed"]}`)},
		{"a body that stalls", stalls},
	}
}

// oddServices returns the cases of one client.
func oddServices() []*oddService {
	ok := func(int) (status int) { return 200 }
	var services []*oddService
	for some := range slices.Chunk(oddAnswers(), 3) { // The client pauses after each answer.
		services = append(services, &oddService{answers: some, finicity: ok})
	}
	return append(services,
		&oddService{finicity: func(int) int { return 401 }, fails: true},
		&oddService{finicity: func(int) int { return 307 }, fails: true},
		&oddService{finicity: func(call int) int { return []int{401, 200}[call%2] }, rereads: true},
	)
}

// oddService is Vault and Finicity for one client. Vault first returns token-1, which is
// due for a refresh after a second. It then gives the odd answers, and finally token-2.
type oddService struct {
	answers  []oddAnswer
	finicity func(call int) (status int) // The status of Finicity's answer to each call, from 0.
	fails    bool                        // The client must end with an error, because of Finicity.
	rereads  bool                        // The client must read a third time, because Finicity refuses its token again.

	elsewhere string // Where a redirect leads.

	mu        sync.Mutex
	reads     int
	calls     int       // Of Finicity.
	callsThen int       // At the last read.
	paused    time.Time // The earliest start of the client's pause.
	done      chan struct{}
	outcome   error
}

// clientPause is how long a client waits after an odd answer and between two reads because of
// a 401, less the rounding of its clock.
const clientPause = 9900 * time.Millisecond

// serve runs the client until it has done everything, or has made a mistake.
func (s *oddService) serve(ctx context.Context, command []string) error {
	s.done = make(chan struct{})
	elsewhere := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s.end(fmt.Errorf("it follows a redirect to another server, with %d headers", len(r.Header)))
		s.vault(rw, "elsewhere", 3600)
	}))
	defer elsewhere.Close()
	s.elsewhere = elsewhere.URL
	server := httptest.NewServer(s)
	defer server.Close()

	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.Env = []string{"VAULT_ADDR=" + server.URL, "FINICITY_URL=" + server.URL, "VAULT_TOKEN=vault-token"}
	for _, variable := range []string{"HOME", "PATH"} {
		cmd.Env = append(cmd.Env, variable+"="+os.Getenv(variable))
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	var exit error
	go func() {
		exit = cmd.Wait()
		close(ended)
	}()
	select {
	case <-s.done:
		cancel()
		<-ended
	case <-ended:
		s.mu.Lock()
		calls, reads, last := s.calls, s.reads, s.lastAnswer()
		s.mu.Unlock()
		switch {
		case ctx.Err() != nil:
			s.end(fmt.Errorf("it has not done everything within %s", patience))
		case !s.fails:
			s.end(fmt.Errorf("after %s, it has ended: %w", last, exit))
		case exit == nil || calls == 0:
			s.end(fmt.Errorf("it ends as if Finicity had accepted one of its %d calls", calls))
		case calls > 2 || reads > 2:
			s.end(fmt.Errorf("it makes %d calls and %d reads for one call of the app", calls, reads))
		default:
			s.end(nil)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.outcome; err != nil {
		return fmt.Errorf("%w\n%s", err, output.Bytes())
	}
	return nil
}

// end ends the case. Without an error, the client has done everything.
func (s *oddService) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(err)
}

func (s *oddService) endLocked(err error) {
	select {
	case <-s.done: // The first mistake is the cause of the others.
	default:
		s.outcome = err
		close(s.done)
	}
}

func (s *oddService) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/v1/finicity/static-token":
		s.read()(rw, r)
	case fakefinicity.PathCustomers:
		if status := s.call(r.Header); status == http.StatusTemporaryRedirect {
			s.redirect(rw, r)
		} else {
			says(status, `{"customers":[]}`)(rw, r)
		}
	default:
		s.end(fmt.Errorf("it requests %s", r.URL.Path))
	}
}

// read counts a read of Vault, and returns the answer to it.
func (s *oddService) read() func(http.ResponseWriter, *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, last := s.reads, s.lastAnswer()
	s.reads++
	if n > 0 && s.calls == s.callsThen {
		// Also what a library does that repeats a request after a timeout.
		s.endLocked(fmt.Errorf("after %s, it reads Vault again before it calls Finicity", last))
	}
	if waited := time.Since(s.paused); n > 1 && waited < clientPause {
		s.endLocked(fmt.Errorf("after %s, it reads Vault again within %s", last, waited))
	}
	s.callsThen = s.calls
	if !s.rereads {
		s.paused = time.Now() // The client starts its pause after it gets the answer.
	} else if n == 2 {
		s.endLocked(nil)
	}
	switch ttl := 3600; {
	case n == 0:
		if len(s.answers) > 0 {
			ttl = 1
		}
		return func(rw http.ResponseWriter, _ *http.Request) { s.vault(rw, "token-1", ttl) }
	case n <= len(s.answers) && s.answers[n-1].write == nil:
		return s.redirect
	case n <= len(s.answers):
		return s.answers[n-1].write
	default:
		return func(rw http.ResponseWriter, _ *http.Request) { s.vault(rw, "token-2", ttl) }
	}
}

// lastAnswer names what the client got last.
func (s *oddService) lastAnswer() string {
	switch n := s.reads - 2; {
	case n < 0:
		return "token-1"
	case n >= len(s.answers):
		return "token-2"
	default:
		return s.answers[n].name
	}
}

func (s *oddService) redirect(rw http.ResponseWriter, r *http.Request) {
	http.Redirect(rw, r, s.elsewhere, http.StatusTemporaryRedirect)
}

// vault answers as Vault does.
func (*oddService) vault(rw http.ResponseWriter, token string, ttl int) {
	says(200, `{"data":{"app_key":"key-of-`+token+`","token":"`+token+`","ttl":`+strconv.Itoa(ttl)+`}}`)(rw, nil)
}

// call checks and counts a call of Finicity, and returns the status of its answer.
func (s *oddService) call(header http.Header) (status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	status = s.finicity(s.calls)
	s.calls++
	if s.rereads && s.paused.IsZero() {
		s.paused = time.Now() // The client starts its pause after it gets this 401.
	}
	want := "token-1"
	if s.reads > len(s.answers)+1 {
		want = "token-2"
	}
	token, appKey := header.Get("Finicity-App-Token"), header.Get("Finicity-App-Key")
	switch {
	case token != want || appKey != "key-of-"+want:
		s.endLocked(fmt.Errorf("after %s, it calls Finicity with the token %q and the app key %q instead of %s", s.lastAnswer(), token, appKey, want))
	case len(s.answers) > 0 && want == "token-2":
		s.endLocked(nil)
	}
	return status
}
