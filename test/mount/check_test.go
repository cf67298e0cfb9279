// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"bytes"
	"context"
	"maps"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/finicityapi"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// plainCheck is a check of the mock server, which has no page at the root path.
func plainCheck() mounttest.Fields {
	return mounttest.Fields{
		"ok": true, "base_url": "http://127.0.0.1", "proxy": "", "connected_to": "", "tls_version": "",
		"certificate_subject": "", "certificate_issuer": "", "certificate_expire_time": nil, "http_status": 404,
		"stage": "", "error": "",
	}
}

func finds(h *mounttest.Harness, a mounttest.Answer, want mounttest.Fields) {
	h.T.Helper()
	h.Succeeds(a)
	h.Warned(a)
	for name, value := range want {
		if a.Data[name] != value {
			h.T.Errorf("%s is %v, want %v", name, a.Data[name], value)
		}
	}
}

// A check does not even do work that is due.
func TestACheckChangesNothingInAnyState(t *testing.T) {
	t.Parallel()
	for name, enter := range mounttest.States() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				enter(h)
				before, _ := h.Storage.Peek("config")
				status := statusNow(h)
				written := h.Storage.Accesses(mounttest.Put("config"))
				authentications, changes := h.Calls(fakefinicity.CallAuthenticate), h.Calls(fakefinicity.CallModifySecret)
				others := len(h.Fake.Requests()) - authentications - changes
				finds(h, h.Read("config/check", nil), plainCheck())
				finds(h, h.Write("config/check", nil), plainCheck())
				h.Called(authentications, changes)
				if sent := len(h.Fake.Requests()) - authentications - changes - others; sent != 2 {
					t.Errorf("%d requests were sent by two checks", sent)
				}
				if after, _ := h.Storage.Peek("config"); !bytes.Equal(before, after) || h.Storage.Accesses(mounttest.Put("config")) != written {
					t.Error("the entry was written")
				}
				if !maps.Equal(status, statusNow(h)) {
					t.Error("the status is another one")
				}
			})
		})
	}
}

func TestACheckWorksBeforeTheFirstWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.RestartWith(func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.DNSError{Err: "no such host", Name: "api.finicity.com"}
		})
		a := h.Read("config/check", nil) // Through a proxy, if the environment of the test has one.
		finds(h, a, mounttest.Fields{"ok": false, "base_url": finicityapi.DefaultBaseURL, "http_status": 0})
		if text, _ := a.Data["error"].(string); !strings.Contains(text, "no such host") {
			t.Errorf("the error is %q", text)
		}
		h.Restart()
		finds(h, h.Write("config/check", mounttest.Fields{"base_url": "http://127.0.0.1/"}), plainCheck())
		if h.Stored() != nil || h.Storage.Accesses(mounttest.Put("config")) > 0 {
			t.Error("something is stored")
		}
	})
}

func TestACheckTriesAnAddressWithoutStoringIt(t *testing.T) {
	t.Parallel()
	certificate, _ := mounttest.SelfSigned(t)
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		before, _ := h.Storage.Peek("config")
		finds(h, h.Write("config/check", mounttest.Fields{"base_url": "http://LOCALHOST:8210/", "ca_cert": certificate}),
			mounttest.Fields{"ok": true, "base_url": "http://localhost:8210"})
		// The mock server does not support TLS.
		finds(h, h.Write("config/check", mounttest.Fields{"base_url": "https://127.0.0.1"}), mounttest.Fields{"ok": false, "stage": "tls"})
		if after, _ := h.Storage.Peek("config"); !bytes.Equal(before, after) {
			t.Error("the entry was written")
		}
		finds(h, h.Read("config/check", nil), plainCheck())
	})
}

// The same fields as config has, so that checked values can be written.
func TestACheckRefusesTheAddressesThatConfigRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		for _, test := range []struct {
			field, value, says string
		}{
			{"base_url", "", "is not a URL with a host"},
			{"base_url", "http://finicity.example", "must begin with https://"},
			{"base_url", "https://me:" + mounttest.WrongSecret + "@finicity.example", "must not contain user info"},
			{"base_url", "https://127.0.0.1" + fakefinicity.PathAuthentication, "write https://127.0.0.1"},
			{"ca_cert", "/etc/ssl/ca.pem", "is not PEM"},
		} {
			h.Fails(h.Write("config/check", mounttest.Fields{test.field: test.value}), 400, `field "`+test.field+`"`, test.says)
		}
		// A policy may allow only the read.
		h.Fails(h.Read("config/check", mounttest.Fields{"base_url": "http://127.0.0.1"}), 400, "type vault write finicity/config/check base_url=…")
		if len(h.Fake.Requests()) > 0 {
			t.Error("a request was sent")
		}
	})
}

func TestACheckWaitsForNoCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Fake.Order(fakefinicity.Fault{Call: fakefinicity.CallAuthenticate, Kind: fakefinicity.KindHoldBefore})
		reading := h.Background(func() mounttest.Answer { return h.Read("token", nil) })
		synctest.Wait()
		begun := time.Now()
		finds(h, h.Read("config/check", nil), plainCheck())
		if waited := time.Since(begun); waited > 0 {
			t.Errorf("the check took %s", waited)
		}
		h.Fake.Release()
		h.Succeeds(<-reading)
		h.Called(2, 0)
	})
}

// And no call waits for the check.
func TestACheckTakesNoLongerThanRequestTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"request_timeout": "17s"})
		h.RestartWith(func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		begun := time.Now()
		checking := h.Background(func() mounttest.Answer { return h.Read("config/check", nil) })
		synctest.Wait()
		h.Token()
		if waited := time.Since(begun); waited > 0 {
			t.Errorf("the read of the token took %s", waited)
		}
		finds(h, <-checking, mounttest.Fields{
			"ok": false, "stage": "tcp", "http_status": 0, "error": "no connection to 127.0.0.1: timed out after 17s. Allow egress to " +
				"this address and port in the firewall, or set HTTPS_PROXY for the plugin",
		})
		if took := time.Since(begun); took != 17*time.Second {
			t.Errorf("the check took %s", took)
		}
	})
}

func TestACheckReportsAStorageFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Get("config")})
		h.Fails(h.Send(t.Context(), logical.ReadOperation, "config/check", nil), 500, "reading the configuration from storage")
	})
}
