// SPDX-License-Identifier: MPL-2.0

package fakefinicity_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// The bubble fails if a goroutine is still running.
func TestDialedConnectionsAreReusedAndEndWithTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := fakefinicity.New(fakefinicity.Config{Partners: twoPartners()})
		transport := &http.Transport{DialContext: fake.Dialer()}
		c := &caller{t: t, fake: fake, http: &http.Client{Transport: transport}, base: "http://127.0.0.1"}
		for range 3 {
			c.alpha().want(t, 200, "")
			<-time.After(24 * time.Hour)
		}
		transport.CloseIdleConnections()
	})
}

func TestDialedConnectionsEndWithTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := fakefinicity.New(fakefinicity.Config{Partners: twoPartners()})
		transport := &http.Transport{DialContext: fake.Dialer()}
		c := &caller{t: t, fake: fake, http: &http.Client{Transport: transport}, base: "http://127.0.0.1"}
		c.alpha().want(t, 200, "")
		fake.Close()
		if _, err := fake.Dialer()(t.Context(), "tcp", "127.0.0.1:80"); !errors.Is(err, http.ErrServerClosed) {
			t.Fatalf("connected to a closed server: %v", err)
		}
	})
}

func TestDialerHonorsItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dial := fakefinicity.New(fakefinicity.Config{}).Dialer()
	if _, err := dial(ctx, "tcp", "127.0.0.1:80"); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
