// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// cmdVault runs the vault command line. Scripts do not use exec, because leaks searches
// the output of cmdVault.
//
//	vault read finicity/token
//	vault write -f finicity/rotate-root &      in the background; it may fail
//	! vault write -f finicity/rotate-root &    in the background; it must fail
func cmdVault(ts *testscript.TestScript, neg bool, args []string) {
	w := fixtureOf(ts)
	if last := len(args) - 1; last > 0 && args[last] == "&" {
		w.vaultAside(ts, neg, args[:last])
		return
	}
	err := ts.Exec(w.vaultBin, args...)
	w.overheard(ts.ReadFile("stdout") + ts.ReadFile("stderr"))
	check(ts, neg, err)
}

// aside is a vault command in the background.
type aside struct {
	command  string
	mustFail bool
	cancel   context.CancelFunc
	ended    chan struct{} // Closed once err is set.
	err      error
}

func (w *fixture) vaultAside(ts *testscript.TestScript, mustFail bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	a := &aside{command: strings.Join(args, " "), mustFail: mustFail, cancel: cancel, ended: make(chan struct{})}
	w.asides = append(w.asides, a)
	cmd := exec.CommandContext(ctx, w.vaultBin, args...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"HOME", "PATH", "VAULT_ADDR", "VAULT_MAX_RETRIES", "VAULT_TOKEN"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	go func() {
		defer close(a.ended)
		defer cancel()
		out, err := cmd.CombinedOutput()
		w.overheard(string(out))
		a.err = err
	}()
}

// cmdAwait waits for the vault commands in the background: await
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 0, "await")
	w := fixtureOf(ts)
	for _, a := range w.asides {
		<-a.ended
		if a.mustFail && a.err == nil {
			ts.Fatalf("vault %s succeeded, and should not have", a.command)
		}
		ts.Logf("vault %s ended: %v", a.command, a.err)
	}
	w.asides = nil
}

// cmdServer starts, stops or kills the Vault server, or starts another, unrelated one
// at $OTHER_ADDR with $OTHER_TOKEN: server start
//
// FINICITY_E2E_OTHER_VAULT names another program for the other server, such as OpenBao,
// to test a move between them.
func cmdServer(ts *testscript.TestScript, neg bool, args []string) {
	w := fixtureOf(ts)
	usage(ts, !neg && len(args) == 1, "server start|stop|kill|other")
	switch args[0] {
	case "start":
		ts.Check(w.server.start())
		ts.Setenv("VAULT_TOKEN", w.server.RootToken)
	case "stop":
		ts.Check(w.server.Stop())
	case "kill":
		ts.Check(w.server.Kill())
	case "other":
		other, err := w.startOther()
		ts.Check(err)
		ts.Setenv("OTHER_ADDR", other.Address)
		ts.Setenv("OTHER_TOKEN", other.RootToken)
	default:
		ts.Fatalf("unknown: server %s", args[0])
	}
}

// cmdPlugin kills the plugin's processes, or counts them. It also builds another plugin
// as $RELEASE in the plugin directory: a release, one with a newer storage version, or one
// whose wall clock is ahead.
//
//	plugin kill
//	plugin processes 1
//	plugin release v0.2.0
//	plugin newer v0.3.0
//	plugin ahead 7h
func cmdPlugin(ts *testscript.TestScript, neg bool, args []string) {
	w := fixtureOf(ts)
	usage(ts, !neg && len(args) > 0, "plugin kill | plugin processes N | plugin release|newer VERSION | plugin ahead DURATION")
	build := map[string]func(setting, plugin string) (digest string, err error){"release": buildRelease, "newer": buildNewer, "ahead": buildAhead}[args[0]]
	if build != nil {
		ts.Setenv("RELEASE", filepath.Base(w.pluginBin)+"-"+args[1])
		digest, err := build(args[1], filepath.Join(filepath.Dir(w.pluginBin), ts.Getenv("RELEASE")))
		ts.Check(err)
		ts.Setenv("RELEASE_SHA256", digest)
		return
	}
	pids, err := w.server.Plugins()
	ts.Check(err)
	switch args[0] {
	case "kill":
		if len(pids) == 0 {
			ts.Fatalf("there is no plugin process to kill")
		}
		for _, pid := range pids {
			ts.Check(syscall.Kill(pid, syscall.SIGKILL))
		}
		ts.Check(poll(func() (bool, error) {
			left, err := w.server.Plugins()
			return len(left) == 0, err
		}, func() error { return errors.New("the plugin is still running") }))
	case "processes":
		n, err := count(args[1])
		ts.Check(err)
		if len(pids) != n {
			ts.Fatalf("%d plugin processes, want %d", len(pids), n)
		}
	default:
		ts.Fatalf("unknown: plugin %s", args[0])
	}
}

// cmdFinicity uses the admin paths of the mock server, which do not count as calls:
//
//	finicity counts $PARTNER_ID authentications=1 rejected=0
//	finicity accepts-secret $PARTNER_ID $PARTNER_SECRET
//	finicity holds-generated $PARTNER_ID    the secret is a generated one
//	finicity secret-length $PARTNER_ID 30   the secret in effect has 30 characters
//	finicity call $APP_KEY $TOKEN           an app's call, over the network
//	finicity set-secret $PARTNER_ID VALUE   as if changed in the portal
//	finicity token-lifetime 1m              tokens expire earlier, for scripts that wait for that
//	finicity fault '{"call":"authenticate","kind":"lost"}'
//	finicity clear-faults now
//	finicity held 1                         waits until a fault holds 1 call
//	finicity release now                    releases the held calls, even without their callers
//	finicity at-most $PARTNER_ID 1          at most 1 failed attempt
//	finicity expire $PARTNER_ID $TOKEN      the token expires now
func cmdFinicity(ts *testscript.TestScript, neg bool, args []string) {
	w := fixtureOf(ts)
	usage(ts, len(args) > 1, "finicity WHAT …")
	rest := args[1:]
	switch args[0] {
	case "counts", "accepts-secret", "holds-generated", "secret-length", "set-secret", "at-most", "expire":
		ts.Check(isPartner(rest[0]))
	}
	var err error
	switch args[0] {
	case "counts":
		err = compareCounts(w.fake.Counters(rest[0]), rest[1:])
	case "accepts-secret":
		if !w.fake.AcceptsSecret(rest[0], rest[1]) {
			err = errors.New("the secret is refused")
		}
	case "holds-generated":
		if secret := w.latestSecret(rest[0]); len(secret) != 40 {
			err = fmt.Errorf("the secret in effect has %d characters, want 40", len(secret))
		}
	case "secret-length":
		n, failed := count(rest[1])
		ts.Check(failed)
		if secret := w.latestSecret(rest[0]); len(secret) != n {
			err = fmt.Errorf("the secret in effect has %d characters, want %d", len(secret), n)
		}
	case "call":
		err = w.customers(rest[0], rest[1])
	case "token-lifetime":
		lifetime, failed := time.ParseDuration(rest[0])
		ts.Check(failed)
		w.fake.SetTokenLifetime(lifetime)
	case "set-secret":
		w.fake.SetSecret(rest[0], rest[1])
	case "held":
		n, failed := count(rest[0])
		ts.Check(failed)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		err = w.fake.WaitHeld(ctx, n)
	case "release":
		w.fake.Release()
		// These processes run in the background, so the script must wait for them.
		err = poll(func() (bool, error) {
			return !slices.ContainsFunc(w.fake.Requests(), func(r fakefinicity.Request) bool {
				return r.Fault == fakefinicity.KindHoldBefore && !r.Applied
			}), nil
		}, func() error { return errors.New("a released call was not applied") })
	case "at-most":
		n, failed := count(rest[1])
		ts.Check(failed)
		if rejected := w.fake.Counters(rest[0]).Rejected; rejected > n {
			err = fmt.Errorf("%d wrong attempts, want at most %d", rejected, n)
		}
	case "expire":
		if w.fake.ExpireTokens(rest[0], rest[1]) != 1 {
			err = errors.New("there is no such valid token")
		}
	case "clear-faults":
		w.fake.ClearFaults()
	case "fault":
		var fault fakefinicity.Fault
		ts.Check(json.Unmarshal([]byte(rest[0]), &fault))
		w.fake.Order(fault)
	default:
		ts.Fatalf("unknown: finicity %s", args[0])
	}
	check(ts, neg, err)
}

// isPartner detects a mistyped ID, which would otherwise make checks pass: the counts
// of an unknown partner are all zero, and it accepts no secret.
func isPartner(id string) error {
	if !slices.ContainsFunc(partners, func(p fakefinicity.Partner) bool { return p.ID == id }) {
		return fmt.Errorf("there is no partner %q", id)
	}
	return nil
}

func compareCounts(counters fakefinicity.Counters, wanted []string) error {
	text, err := json.Marshal(counters)
	if err != nil {
		return err
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		return err
	}
	for _, want := range wanted {
		name, value, _ := strings.Cut(want, "=")
		if have, ok := got[name]; !ok || fmt.Sprint(have) != value {
			return fmt.Errorf("want %s, have %s", want, text)
		}
	}
	return nil
}

// customers does what an app does: it calls Finicity's API with both headers.
func (w *fixture) customers(appKey, token string) error {
	req, err := http.NewRequest(http.MethodGet, w.plain.URL+fakefinicity.PathCustomers, nil) //nolint:noctx // Loopback.
	if err != nil {
		return err
	}
	req.Header.Set("Finicity-App-Key", appKey)
	req.Header.Set("Finicity-App-Token", token)
	req.Header.Set("Accept", "application/json")
	resp, err := w.plain.Client().Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // Only the status counts.
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP %d", resp.StatusCode)
	}
	return nil
}

// cmdField stores a field of the last command's JSON output in a variable: field TOKEN
// data.token
func cmdField(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "field NAME PATH")
	var value any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &value))
	for key := range strings.SplitSeq(args[1], ".") {
		object, ok := value.(map[string]any)
		if !ok {
			ts.Fatalf("%s: nothing with the name %s in it", args[1], key)
		}
		if value, ok = object[key]; !ok {
			ts.Fatalf("%s: no %s, but %v", args[1], key, slices.Sorted(maps.Keys(object)))
		}
	}
	if number, ok := value.(float64); ok {
		value = fmt.Sprintf("%.0f", number)
	}
	ts.Setenv(args[0], fmt.Sprint(value))
}

// cmdBetween compares a number: between $TTL 1500 6900
func cmdBetween(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, len(args) == 3, "between VALUE LEAST MOST")
	var n [3]int
	for i, arg := range args {
		var err error
		n[i], err = count(arg)
		ts.Check(err)
	}
	var err error
	if n[0] < n[1] || n[0] > n[2] {
		err = fmt.Errorf("%d is not between %d and %d", n[0], n[1], n[2])
	}
	check(ts, neg, err)
}

// cmdSleep lets real time pass, for effects that need it: sleep 46s
func cmdSleep(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 1, "sleep DURATION")
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	<-time.After(d)
}
