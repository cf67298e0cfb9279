// SPDX-License-Identifier: MPL-2.0

package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/testscript"
)

// impostor is a server that listens at the address where the webhook receivers expect
// Vault.
type impostor struct {
	server, elsewhere *httptest.Server
	says              atomic.Value // string
	followed          atomic.Int64
}

// cmdImpostor puts another server in Vault's place, at VAULT_ADDR, and sets its answer:
//
//	impostor start now
//	impostor says redirect    to a server that calls everything valid, and would get the Vault token
//	impostor says '{"data":{"valid":"yes"}}'
//	impostor says half        of an answer
//	impostor redirected none  no receiver followed the redirect
func cmdImpostor(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "impostor start now | says WHAT | redirected none")
	w := fixtureOf(ts)
	switch args[0] {
	case "start":
		w.impostor = &impostor{}
		w.impostor.says.Store("")
		w.impostor.elsewhere = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			w.impostor.followed.Add(1)
			_, _ = io.WriteString(rw, `{"data":{"valid":true,"secret_version":"current"}}`)
		}))
		w.impostor.server = httptest.NewServer(w.impostor)
		ts.Setenv("VAULT_ADDR", w.impostor.server.URL)
	case "says":
		w.impostor.says.Store(args[1])
	case "redirected":
		if n := w.impostor.followed.Load(); n > 0 {
			ts.Fatalf("%d redirects were followed, with the Vault token", n)
		}
	default:
		ts.Fatalf("unknown: impostor %s", args[0])
	}
}

func (i *impostor) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	says, _ := i.says.Load().(string)
	switch says {
	case "redirect":
		http.Redirect(rw, r, i.elsewhere.URL, http.StatusFound) // Not all libraries would follow a 307.
	case "half":
		stalls(rw, r)
	default:
		_, _ = io.WriteString(rw, says) // The client may have disconnected.
	}
}
