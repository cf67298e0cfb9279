// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// receiver is a running example of examples/webhook.
type receiver struct {
	name, url string
	cmd       *exec.Cmd
	exited    chan struct{}
	events    map[string]string // The eventIds of the webhooks that Finicity has sent to it, by the script's names for them.

	mu     sync.Mutex
	output bytes.Buffer
}

// Write collects the output of the receiver.
func (r *receiver) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.output.Write(p)
}

func (r *receiver) printed() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.output.String()
}

// done returns how often the receiver has done its work.
func (r *receiver) done() int { return strings.Count("\n"+r.printed(), "\ndone: ") }

// cmdReceivers runs the receivers of examples/webhook, all at the same time:
//
//	receivers start   with the script's Vault token, and nothing else that is confidential
//	receivers done 3  each of them has done its work 3 times since then
//	receivers stop
func cmdReceivers(ts *testscript.TestScript, neg bool, args []string) {
	w := fixtureOf(ts)
	usage(ts, !neg && len(args) > 0, "receivers start | done N | stop")
	switch args[0] {
	case "start":
		ts.Check(w.startReceivers(ts))
	case "done":
		usage(ts, len(args) == 2, "receivers done N")
		n, err := count(args[1])
		ts.Check(err)
		for _, r := range w.receivers {
			// It prints before it answers, but a pipe takes some time.
			err := poll(func() (bool, error) {
				if r.done() > n {
					return false, fmt.Errorf("%s has worked %d times, want %d", r.name, r.done(), n)
				}
				return r.done() == n, nil
			}, func() error { return fmt.Errorf("%s has worked %d times, want %d", r.name, r.done(), n) })
			ts.Check(w.explained(err))
		}
	case "stop":
		w.stopReceivers()
	default:
		ts.Fatalf("unknown: receivers %s", args[0])
	}
}

// startReceivers starts the receivers whose interpreter is installed. Go must be, or
// nothing would be tested. A machine without one of the others does not fail, except in
// CI, where the example would never run at all.
func (w *fixture) startReceivers(ts *testscript.TestScript) error {
	examples := filepath.Join(w.repository, "examples", "webhook")
	binary := filepath.Join(w.dir, "receiver")
	build := exec.Command(cmp.Or(os.Getenv("GO"), "go"), "build", "-o", binary, "./go") //nolint:noctx // It ends soon.
	build.Dir = examples
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the receiver: %w\n%s", err, out)
	}
	commands := map[string][]string{
		"go":     {binary},
		"node":   {"node", "--require", collector(examples), filepath.Join(examples, "node", "receiver.js")},
		"python": {"python3", filepath.Join(examples, "python", "receiver.py")},
	}
	for name, command := range commands {
		switch path, err := exec.LookPath(command[0]); {
		case err == nil:
			command[0] = path
		case inCI():
			return fmt.Errorf("%s is not on PATH, so examples/webhook/%s would not be run, and this is CI: install it", command[0], name)
		default:
			ts.Logf("NOT RUN: examples/webhook/%s, because %s is not on PATH", name, command[0])
			continue
		}
		if err := w.startReceiver(ts, name, command); err != nil {
			return w.explained(err)
		}
	}
	return nil
}

var listening = regexp.MustCompile(`(?m)^listening on (http://127\.0\.0\.1:\d+)$`)

func (w *fixture) startReceiver(ts *testscript.TestScript, name string, command []string) error {
	r := &receiver{name: name, exited: make(chan struct{}), events: map[string]string{}}
	r.cmd = exec.Command(command[0], command[1:]...) //nolint:noctx // A server, ended by stopReceivers.
	r.cmd.Dir = w.dir
	r.cmd.Stdout, r.cmd.Stderr = r, r
	for _, variable := range []string{"HOME", "PATH", "VAULT_ADDR", "VAULT_TOKEN"} {
		r.cmd.Env = append(r.cmd.Env, variable+"="+ts.Getenv(variable))
	}
	r.cmd.Env = append(r.cmd.Env, "FINICITY_MOUNT=finicity", "LISTEN=127.0.0.1:0")
	if err := r.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = r.cmd.Wait() // A signal ends it.
		close(r.exited)
	}()
	w.receivers = append(w.receivers, r)
	return poll(func() (bool, error) {
		select {
		case <-r.exited:
			return false, fmt.Errorf("%s has ended", name)
		default:
		}
		if found := listening.FindStringSubmatch(r.printed()); found != nil {
			r.url = found[1] + "/webhook"
		}
		return r.url != "", nil
	}, func() error { return fmt.Errorf("%s does not listen", name) })
}

func (w *fixture) stopReceivers() {
	for _, r := range w.receivers {
		_ = r.cmd.Process.Signal(syscall.SIGTERM) // It may have ended already.
		select {
		case <-r.exited:
		case <-time.After(10 * time.Second):
			_ = r.cmd.Process.Kill() // It may have ended already.
			<-r.exited
		}
		w.overheard(r.printed())
	}
	w.receivers = nil
}

// explained adds the output of the receivers to an error.
func (w *fixture) explained(err error) error {
	if err == nil {
		return nil
	}
	for _, r := range w.receivers {
		err = fmt.Errorf("%w\n%s has printed:\n%s", err, r.name, r.printed())
	}
	return err
}

// Spaces, an escaped letter, a number and a slash, which change when they are parsed
// and encoded again.
const oddBody = "{ \"eventId\" :\"odd-1\",\n\t\"eventType\":\"done\", \"payload\":{\"b\":1.10,\"a\":\"\\u00e9é\\/&<\"} }\r\n"

// cmdWebhook sends each receiver a webhook, and checks the status of the answer:
//
//	webhook new NAME 200     Finicity signs a new one and sends it
//	webhook again NAME 200   the same bytes with the same signature, several times at the same time
//	webhook stranger 401     another partner's
//	webhook odd 200          bytes that no JSON library would write, as signed
//	webhook tidied 401       the same JSON, parsed and encoded again
//	webhook forged 401       with another eventId
//	webhook unsigned 401
//	webhook ping 200         without an eventId
//	webhook large 200        the longest that Vault accepts: 1 MiB of base64 in one string
//	webhook toolarge 413     longer than the engine accepts
func cmdWebhook(ts *testscript.TestScript, neg bool, args []string) {
	w := fixtureOf(ts)
	usage(ts, !neg && len(args) >= 2, "webhook KIND [NAME] STATUS")
	usage(ts, len(w.receivers) > 0, "receivers start")
	kind, name := args[0], args[1]
	want, err := count(args[len(args)-1])
	ts.Check(err)
	for _, r := range w.receivers {
		refused := r.refused()
		got, err := w.webhook(r, kind, name)
		if err == nil && got != want {
			err = fmt.Errorf("%s answers %d to webhook %s, want %d", r.name, got, strings.Join(args, " "), want)
		}
		ts.Check(w.explained(err))
		if want == http.StatusUnauthorized { // Otherwise an app with a wrong secret would be silent.
			ts.Check(w.explained(poll(func() (bool, error) { return r.refused() > refused, nil },
				func() error { return fmt.Errorf("%s does not say that it has refused a webhook", r.name) })))
		}
	}
}

func (r *receiver) refused() int { return strings.Count(r.printed(), "refused: ") }

func (w *fixture) webhook(r *receiver, kind, name string) (status int, err error) {
	partner := partners[0].ID
	switch kind {
	case "new":
		r.events[name], status, err = w.order(map[string]any{
			"partnerId": partner, "url": r.url, "eventType": "added", "customerId": "5",
			"payload": map[string]any{"institutionId": "101732"},
		})
		return status, err
	case "stranger":
		_, status, err = w.order(map[string]any{"partnerId": partners[1].ID, "url": r.url, "eventType": "added"})
		return status, err
	case "again":
		return w.again(r.events[name])
	}
	body := []byte(oddBody)
	switch kind {
	case "ping":
		body = []byte(`{"eventType":"ping","payload":{}}`)
	case "large":
		body = padded(786_432)
	case "toolarge":
		body = padded(1<<20 + 1)
	}
	signature, err := w.fake.SignWebhook(partner, body)
	if err != nil {
		return 0, err
	}
	switch kind {
	case "odd", "ping", "large", "toolarge":
	case "tidied":
		var value any
		if err := json.Unmarshal(body, &value); err != nil {
			return 0, err
		}
		if body, err = json.Marshal(value); err != nil {
			return 0, err
		}
	case "forged":
		body = bytes.Replace(body, []byte("odd-1"), []byte("odd-2"), 1)
	case "unsigned":
		signature = ""
	default:
		return 0, fmt.Errorf("unknown: webhook %s", kind)
	}
	return post(r.url, body, signature)
}

// padded returns a webhook of that length.
func padded(length int) []byte {
	head, tail := `{"eventId":"large-1","eventType":"added","payload":"`, `"}`
	return []byte(head + strings.Repeat("x", length-len(head)-len(tail)) + tail)
}

// again sends the same webhook four times at the same moment, and returns the status of
// all four answers.
func (w *fixture) again(eventID string) (int, error) {
	if eventID == "" {
		return 0, errors.New("there was no such webhook")
	}
	var statuses [4]int
	var errs [4]error
	var deliveries sync.WaitGroup
	for i := range statuses {
		deliveries.Go(func() { _, statuses[i], errs[i] = w.order(map[string]any{"retry": eventID}) })
	}
	deliveries.Wait()
	for _, status := range statuses {
		if status != statuses[0] {
			errs[0] = errors.Join(errs[0], fmt.Errorf("the same webhook was answered with %v", statuses))
		}
	}
	return statuses[0], errors.Join(errs[:]...)
}

// order makes the mock server sign a webhook and send it.
func (w *fixture) order(order map[string]any) (eventID string, status int, err error) {
	text, err := json.Marshal(order)
	if err != nil {
		return "", 0, err
	}
	resp, err := send(w.plain.URL+"/_fake/webhooks", text, "")
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = resp.Body.Close() }() // Read to its end below.
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", 0, err
	}
	var sent struct {
		EventID string `json:"eventId"`
		Status  int    `json:"status"`
	}
	if err := json.Unmarshal(answer, &sent); err != nil || sent.Status == 0 {
		return "", 0, fmt.Errorf("the mock server answers HTTP %d: %s", resp.StatusCode, answer)
	}
	return sent.EventID, sent.Status, nil
}

func post(url string, body []byte, signature string) (int, error) {
	resp, err := send(url, body, signature)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func send(url string, body []byte, signature string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if signature != "" {
		req.Header.Set(fakefinicity.SignatureHeader, signature)
	}
	return (&http.Client{Timeout: patience}).Do(req)
}
