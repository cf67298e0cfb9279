// SPDX-License-Identifier: MPL-2.0

package mounttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/engine"
	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// EitherWay runs a test twice: once with a Finicity that has carried out an interrupted
// change of the secret, and once with a Finicity that has not.
func EitherWay(t *testing.T, test func(t *testing.T, applied bool)) {
	t.Helper()
	for name, applied := range map[string]bool{"applied": true, "not applied": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, applied) })
		})
	}
}

// NewUnresolved returns a configured harness whose rotation got no answer. applied says
// whether Finicity has carried out the change.
func NewUnresolved(t *testing.T, applied bool, extra Fields) *Harness {
	t.Helper()
	h := NewConfigured(t, extra)
	h.Interrupt(applied)
	return h
}

// Interrupt starts a rotation whose answer is lost.
func (h *Harness) Interrupt(applied bool) {
	h.T.Helper()
	kind := fakefinicity.KindDropped
	if applied {
		kind = fakefinicity.KindLost
	}
	h.Fake.Order(fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: kind})
	h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "the outcome of the rotation is unknown")
	current, pending := h.InEffect()
	if grace := h.Stored().Settings.SecretGracePeriod; pending != applied || current == applied && !grace {
		h.T.Fatal("the rotation is resolved, and the test needs an unresolved one")
	}
}

// Resolved checks that no rotation is pending and that the current secret is the one in
// effect, even after all grace periods have ended.
func (h *Harness) Resolved() {
	h.T.Helper()
	if _, pending := h.Stored().Secrets.Pending(); pending {
		h.T.Error("a rotation is still pending")
	}
	if current, _ := h.InEffect(); !current {
		h.T.Error("the current secret is not in effect")
	}
	h.Pass(31 * 24 * time.Hour)
	if current, _ := h.InEffect(); !current {
		h.T.Error("the current secret was the outgoing one")
	}
}

// Down makes Finicity answer 503 from now on.
func (h *Harness) Down() { h.Answering(http.StatusServiceUnavailable, "maintenance", 1000) }

// During runs a function after Finicity has carried out a call that do makes, and
// before Finicity answers it. An empty name means any call.
func (h *Harness) During(call string, do func() Answer, meanwhile func()) Answer {
	h.T.Helper()
	h.Fake.Order(fakefinicity.Fault{Call: call, Kind: fakefinicity.KindHoldAfter})
	done := h.Background(do)
	if err := h.Fake.WaitHeld(h.T.Context(), 1); err != nil {
		h.T.Fatal(err)
	}
	meanwhile()
	h.Fake.Release()
	return <-done
}

// Dies kills the process while do waits for Finicity. Finicity carries out the call, and
// a new process starts with the content of storage.
func (h *Harness) Dies(do func() Answer) {
	h.T.Helper()
	var left map[string][]byte
	h.During("", do, func() { left = h.Storage.Snapshot() })
	h.Storage.Restore(left)
	h.Restart()
}

// Rejections are answers that refuse an authentication, by their code or another name.
func Rejections() map[string]fakefinicity.Fault {
	status := func(status int, body string) fakefinicity.Fault {
		return fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: status, Body: body}
	}
	return map[string]fakefinicity.Fault{
		"10001":   status(401, `{"code":10001,"message":"Invalid credentials"}`),
		"10021":   status(401, `{"code":"10021","message":"Not authorized"}`),
		"10026":   status(401, `{"code":10026,"message":"Invalid (Finicity-App-Key)"}`),
		"text":    status(401, `Invalid (Finicity-App-Key)`),
		"12401":   status(404, `{"Errors":{"Error":[{"ReasonCode":"12401","Description":"partner not found"}]}}`),
		"blocked": status(403, `<html><title>Access denied</title></html>`),
		"10005":   status(400, `{"code":10005,"message":"Missing parameter"}`),
		"locked":  status(500, `{"code":24302,"message":"`+fakefinicity.LockedMessage+`"}`),
	}
}

// States bring a mount without a usable token into each state of its attempts, with at
// least one attempt left for an operator.
func States() map[string]func(h *Harness) {
	refused := func(h *Harness) {
		h.Fake.Order(Rejections()["10001"])
		h.Fails(h.Read("token", nil), http.StatusBadRequest, "10001")
	}
	return map[string]func(h *Harness){
		"ok":          func(*Harness) {},
		"a typo":      func(h *Harness) { h.Guesses(1) },
		"three typos": func(h *Harness) { h.Guesses(3) },
		"held":        refused,
		"stopped": func(h *Harness) {
			refused(h)
			h.Pass(5 * time.Minute)
			refused(h)
		},
		"stopped after a typo": func(h *Harness) {
			h.Guesses(1)
			refused(h)
			h.Pass(5 * time.Minute)
			refused(h)
		},
		"locked": func(h *Harness) {
			h.Fake.Order(Rejections()["locked"])
			h.Fails(h.Write("config", Fields{"partner_secret": h.Guess(0)}), http.StatusBadRequest, "24302")
		},
		"crashed": func(h *Harness) {
			for range 3 {
				h.Dies(func() Answer { return h.Write("config/verify", nil) })
			}
			h.Spent(0, 3)
		},
		"backing off": func(h *Harness) {
			h.Answering(http.StatusServiceUnavailable, "maintenance", 1)
			h.Fails(h.Read("token", nil), http.StatusBadGateway, "maintenance")
		},
	}
}

// SelfSigned returns a certificate and its key, in PEM.
func SelfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2000, 1, 1, 12, 0, 0, 0, time.UTC)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "proxy"},
		NotBefore: noon, NotAfter: noon.Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

// Unchanged checks that the stored state is still before, except for the attempts.
func (h *Harness) Unchanged(before *engine.State) {
	h.T.Helper()
	if after := h.Stored(); !Same(before, after) {
		h.T.Error("something was stored")
	}
}

// Same reports whether two states are equal, except for the attempts and the time of
// the write.
func Same(a, b *engine.State) bool {
	a, b = copied(a), copied(b)
	a.Records, a.Clock, a.Guard = b.Records, b.Clock, b.Guard
	return reflect.DeepEqual(a, b)
}

// copied returns a copy of a state. A state with nothing but attempts counts as none.
func copied(st *engine.State) *engine.State {
	if st == nil {
		return new(engine.State)
	}
	shallow := *st
	return &shallow
}

// IsConfigured reports whether a credential is stored.
func (h *Harness) IsConfigured() bool {
	h.T.Helper()
	st := h.Stored()
	return st != nil && st.Configured()
}
