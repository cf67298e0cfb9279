// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// start runs the command on a free port. It returns the URL and the error with which
// the command ends.
func start(ctx context.Context, t *testing.T, args ...string) (string, <-chan error) {
	t.Helper()
	return startAt(ctx, t, `http://127\.0\.0\.1`, append([]string{"-listen", "127.0.0.1:0"}, args...)...)
}

// startAt expects the command to listen on an address that matches the pattern.
func startAt(ctx context.Context, t *testing.T, address string, args ...string) (string, <-chan error) {
	t.Helper()
	return startWith(t, address, func(stdout io.Writer) error { return run(ctx, args, stdout, io.Discard) })
}

func startWith(t *testing.T, address string, serve func(stdout io.Writer) error) (string, <-chan error) {
	t.Helper()
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := serve(writer)
		ended <- errors.Join(err, writer.Close())
	}()
	line, err := bufio.NewReader(reader).ReadString('\n')
	if err != nil {
		t.Fatal(err, <-ended)
	}
	url := regexp.MustCompile(`^fake-finicity listens on (` + address + `:[1-9][0-9]*)\n$`).FindStringSubmatch(line)
	if url == nil {
		t.Fatalf("first line %q", line)
	}
	return url[1], ended
}

// send returns the status and the body of the answer, or 0 if there was none.
func send(t *testing.T, method, url, body string, header map[string]string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	answer, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Error(err)
	}
	return response.StatusCode, string(answer)
}

func authenticate(t *testing.T, url, partner string) int {
	t.Helper()
	parts := strings.Split(partner, ":")
	body := `{"partnerId":"` + parts[0] + `","partnerSecret":"` + parts[1] + `"}`
	status, _ := send(t, http.MethodPost, url+fakefinicity.PathAuthentication, body, map[string]string{
		"Finicity-App-Key": parts[2], "Content-Type": "application/json", "Accept": "application/json",
	})
	return status
}

func TestServesTheDefaultPartnerUntilSIGTERM(t *testing.T) {
	url, ended := start(t.Context(), t)
	if status := authenticate(t, url, defaultPartner); status != http.StatusOK {
		t.Fatalf("authenticate: %d", status)
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func TestServesThePartnersOfItsFlags(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const one, two = "1:Fake-Secret-One-1:key-one", "2:Fake-Secret-Two-2:key-two"
	url, ended := start(ctx, t, "-partner", one, "-partner="+two, "-token-lifetime", "1m",
		"-success-keeps-count", "-tokens-die-with-secret", "-app-key-rate-limited")
	for partner, want := range map[string]int{one: 200, two: 200, defaultPartner: 429} {
		if status := authenticate(t, url, partner); status != want {
			t.Errorf("%s: %d, want %d", partner, status, want)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func TestContinuesWithItsStateAfterARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	const changed = "1000000000001:Portal-Secret-9:fake-sandbox-app-key"
	for _, round := range []struct {
		partner string
		want    int
	}{{defaultPartner, 200}, {changed, 200}, {defaultPartner, 401}} {
		ctx, cancel := context.WithCancel(t.Context())
		url, ended := start(ctx, t, "-state", file)
		if status := authenticate(t, url, round.partner); status != round.want {
			t.Errorf("%s: %d, want %d", round.partner, status, round.want)
		}
		if round.partner == defaultPartner {
			send(t, http.MethodPost, url+"/_fake/partners/1000000000001/secret", `{"secret":"Portal-Secret-9"}`, nil)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the secrets: %v", err)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"-listen", "127.0.0.1:0", "-state", file}, io.Discard, io.Discard); err == nil {
		t.Error("the server starts with a state file that it cannot read")
	}
	missing := filepath.Join(t.TempDir(), "missing", "state.json")
	if err := run(t.Context(), []string{"-listen", "127.0.0.1:0", "-state", missing}, io.Discard, io.Discard); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("with a state file that the server cannot write: %v", err)
	}
}

func TestStoresALateChangeWhenItEnds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	o, err := parseOptions([]string{"-listen", "127.0.0.1:0", "-state", file}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	fake := fakefinicity.New(o.config)
	url, ended := startWith(t, `http://127\.0\.0\.1`, func(stdout io.Writer) error { return serve(ctx, o, fake, stdout) })
	send(t, http.MethodPost, url+"/_fake/faults", `{"kind":"late","delay":"1ms"}`, nil)
	if status := authenticate(t, url, defaultPartner); status != 0 {
		t.Fatalf("the late call was answered %d", status)
	}
	const changed = `"authentications":1`
	for !strings.Contains(string(fake.State()), changed) { // A request would store the state.
		if ctx.Err() != nil {
			t.Fatal("the late call is never applied")
		}
		<-time.After(time.Millisecond)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	state, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(state), changed) {
		t.Errorf("the file does not have the late call (%v): %s", err, state)
	}
}

// A reader of the file, such as a server that starts, must never find half of a state.
func TestReplacesTheStateFileInOneStep(t *testing.T) {
	dir := t.TempDir()
	file, open := filepath.Join(dir, "state.json"), filepath.Join(dir, "link")
	for _, content := range []string{"first", "second"} {
		if err := replace(file, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if content == "first" {
			if err := os.Link(file, open); err != nil {
				t.Fatal(err)
			}
		}
	}
	for path, want := range map[string]string{file: "second", open: "first"} {
		if content, err := os.ReadFile(path); err != nil || string(content) != want {
			t.Errorf("%s has %q (%v), want %q: the first file was written again", filepath.Base(path), content, err, want)
		}
	}
	if err := replace(dir, nil); err == nil {
		t.Error("a folder is replaced by a file")
	}
	if err := replace(filepath.Join(dir, "missing", "state.json"), nil); err == nil {
		t.Error("a file is written to a folder that does not exist")
	}
	for _, folder := range []string{dir, filepath.Dir(dir)} {
		if left, err := filepath.Glob(filepath.Join(folder, "*.tmp")); err != nil || len(left) > 0 {
			t.Errorf("temporary files are left behind (%v): %v", err, left)
		}
	}
}

func TestEndsPromptlyWithCallsHeld(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	url, ended := start(ctx, t)
	if status, answer := send(t, http.MethodPost, url+"/_fake/faults", `{"kind":"hold_before"}`, nil); status != http.StatusOK {
		t.Fatalf("ordering a fault: %d %s", status, answer)
	}
	held := make(chan int, 1)
	go func() { held <- authenticate(t, url, defaultPartner) }()
	for answer := ""; answer != "{\"held\":1}\n"; {
		var status int
		if status, answer = send(t, http.MethodGet, url+"/_fake/held", "", nil); status != http.StatusOK {
			t.Fatalf("held: %d %s", status, answer)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if status := <-held; status != 0 {
		t.Fatalf("the held call was answered %d", status)
	}
}

func TestRefusesWhatItCannotServe(t *testing.T) {
	const secret = "Fake-Secret-One-1"
	for name, args := range map[string][]string{
		"every address":       {"-listen", ":0"},
		"a public address":    {"-listen", "192.0.2.1:0"},
		"all of IPv4":         {"-listen", "0.0.0.0:0"},
		"no port":             {"-listen", "127.0.0.1"},
		"no app key":          {"-partner", "1:" + secret},
		"colon in a secret":   {"-partner", "1:" + secret + ":x:key"},
		"no ID":               {"-partner", ":" + secret + ":key"},
		"partner twice":       {"-partner", "1:" + secret + ":key", "-partner", "1:" + secret + ":key"},
		"unknown flag":        {"-prot", "1"},
		"argument":            {"serve"},
		"negative lifetime":   {"-token-lifetime", "-1s"},
		"no lifetime":         {"-token-lifetime", "0"},
		"unreadable duration": {"-token-lifetime", "soon"},
	} {
		var stdout, stderr bytes.Buffer
		// If the command serves after all, it soon ends without an error.
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		err := run(ctx, args, &stdout, &stderr)
		cancel()
		if err == nil || stdout.Len() > 0 {
			t.Errorf("%s: %v %q", name, err, stdout.String())
		} else if strings.Contains(err.Error()+stderr.String(), secret) {
			t.Errorf("%s: the secret is in %q or %q", name, err, stderr.String())
		}
	}
}

func TestVersionAndHelpServeNothing(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if err := run(t.Context(), []string{"-version"}, &stdout, &stderr); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(stdout.String(), "fake-finicity ") {
		t.Errorf("version %q", stdout.String())
	}
	if err := run(t.Context(), []string{"-help"}, &stdout, &stderr); !errors.Is(err, flag.ErrHelp) {
		t.Fatal(err)
	}
	for _, named := range []string{defaultPartner, "POST /_fake/faults", "slow_answer"} {
		if !strings.Contains(stderr.String(), named) {
			t.Errorf("help does not name %s: %s", named, stderr.String())
		}
	}
}
