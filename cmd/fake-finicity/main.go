// SPDX-License-Identifier: MPL-2.0

// Command fake-finicity runs a mock server for api.finicity.com, for demos and tests. Its
// admin paths under /_fake/ order faults and show the server's state. Package
// fakefinicity describes the rules that the server enforces, and docs/mock-server.md how
// to use it.
//
// Without -partner, there is one sandbox partner:
//
//	ID       1000000000001
//	secret   Fake-Sandbox-Secret-1
//	app key  fake-sandbox-app-key
//
// Never use a real credential: every user of the machine can read command lines.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

const (
	defaultListen  = "127.0.0.1:8210"
	defaultRemote  = ":8210" // With -allow-remote.
	defaultPartner = "1000000000001:Fake-Sandbox-Secret-1:fake-sandbox-app-key"

	// shutdownTimeout is how long a shutdown waits for answers in progress, once held
	// and delayed calls are cut off.
	shutdownTimeout = 2 * time.Second
)

func main() {
	err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "fake-finicity:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends or a termination signal arrives.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	if o.version {
		_, err := fmt.Fprintln(stdout, "fake-finicity", version())
		return err
	}
	return serve(ctx, o, fakefinicity.New(o.config), stdout)
}

// serve serves until ctx ends.
func serve(ctx context.Context, o options, fake *fakefinicity.Server, stdout io.Writer) error {
	listener, err := listen(ctx, o)
	if err != nil {
		return err
	}
	handler, save, err := kept(fake, o.state)
	scheme := "http"
	var secure *tls.Config
	if err == nil && o.tlsHost != "" {
		scheme = "https"
		secure, handler, err = withTLS(o.tlsHost, handler)
	}
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	server := &http.Server{
		Handler:           handler,
		TLSConfig:         secure,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		// No ReadTimeout and no WriteTimeout: both would end a call that a fault holds
		// or delays.
	}
	ended := make(chan error, 1)
	go func() {
		if secure != nil {
			ended <- server.ServeTLS(listener, "", "")
			return
		}
		ended <- server.Serve(listener)
	}()
	if _, err := fmt.Fprintf(stdout, "fake-finicity listens on %s://%s\n", scheme, listener.Addr()); err != nil {
		return errors.Join(err, server.Close())
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	fake.Close()
	defer save() // A late call may have changed the state after the last answer.
	graceful, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(graceful); err != nil {
		return server.Close()
	}
	return nil
}

type options struct {
	listen      string
	allowRemote bool
	tlsHost     string
	state       string
	version     bool
	config      fakefinicity.Config
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	var partners []string
	flags := flag.NewFlagSet("fake-finicity", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.listen, "listen", "", "`address` to listen on; port 0 selects a free port (default "+defaultListen+",\nor "+
		defaultRemote+" with -allow-remote)")
	flags.BoolVar(&o.allowRemote, "allow-remote", false,
		"listen on an address that other machines or containers can reach; the admin paths\nhave no authentication")
	flags.StringVar(&o.tlsHost, "tls-host", "", "serve HTTPS with a self-signed certificate for this host `name`; GET "+pathCA+" shows it")
	flags.Func("partner", "partner as `id:secret:appkey`, repeatable (default "+defaultPartner+")", func(value string) error {
		partners = append(partners, value)
		return nil
	})
	flags.DurationVar(&o.config.TokenLifetime, "token-lifetime", fakefinicity.DefaultTokenLifetime,
		"how long the server accepts a token")
	flags.BoolVar(&o.config.SuccessKeepsCount, "success-keeps-count", false,
		"a success does not reset the count of failed attempts")
	flags.BoolVar(&o.config.TokensDieWithSecret, "tokens-die-with-secret", false,
		"a change of the secret without a grace period invalidates tokens")
	flags.BoolVar(&o.config.AppKeyRateLimited, "app-key-rate-limited", false,
		"answer an invalid app key with 429 instead of 401")
	flags.StringVar(&o.state, "state", "", "`file` to store partners and tokens in; if the file exists, the server loads it first")
	flags.BoolVar(&o.version, "version", false, "print the version and exit")
	flags.Usage = func() {
		// A printing error cannot be reported.
		_, _ = fmt.Fprintln(stderr, "Usage of fake-finicity:")
		flags.PrintDefaults()
		_, _ = fmt.Fprintf(stderr, "\n%s", fakefinicity.Help())
	}
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.config.TokenLifetime <= 0 {
		return o, fmt.Errorf("-token-lifetime is %s, but must be more than 0, for example 75s", o.config.TokenLifetime)
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if len(partners) == 0 {
		partners = []string{defaultPartner}
	}
	for i, value := range partners {
		// The error does not contain the value, in case it is a real credential.
		parts := strings.Split(value, ":")
		if len(parts) != 3 {
			return o, fmt.Errorf("-partner number %d is not of the form id:secret:appkey", i+1)
		}
		o.config.Partners = append(o.config.Partners, fakefinicity.Partner{ID: parts[0], Secret: parts[1], AppKey: parts[2]})
	}
	return o, o.config.Validate()
}

// kept returns a server that stores its state in the file after each answer, because
// each answer may change the state, and a function that stores it now. Without a file, it
// returns the server unchanged.
func kept(fake *fakefinicity.Server, file string) (handler http.Handler, save func(), err error) {
	if file == "" {
		return fake, func() {}, nil
	}
	stored, err := os.ReadFile(file) //nolint:gosec // The operator of the server chose the path.
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return nil, nil, err
	default:
		if err := fake.Restore(stored); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	// A file that cannot be written must be noticed now: later, it would be behind the
	// secrets that tests have changed.
	last := fake.State()
	if err := replace(file, last); err != nil {
		return nil, nil, err
	}
	var mu sync.Mutex
	save = func() {
		mu.Lock()
		defer mu.Unlock()
		if now := fake.State(); !bytes.Equal(now, last) {
			if err := replace(file, now); err != nil {
				fmt.Fprintln(os.Stderr, "fake-finicity:", err)
				return
			}
			last = now
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer save() // Also after a call without an answer, which is a panic.
		fake.ServeHTTP(w, r)
	}), save, nil
}

// replace writes the file in one step, so that a process that is killed leaves either the
// old or the new content. Only the user who runs the server can read the file.
func replace(file string, content []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = temporary.Write(content)
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return nil
}

// release is the version of a release, such as v0.1.0, set by the linker.
var release string

func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
