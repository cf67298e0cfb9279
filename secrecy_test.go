// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// echo is a network with a server that repeats all that it was sent, as a gateway in debug mode does.
func echo(status int, layout string) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			req, err := http.ReadRequest(bufio.NewReader(server))
			if err != nil {
				return
			}
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return
			}
			quoted, err := json.Marshal(string(body))
			if err != nil {
				return
			}
			answer := fmt.Sprintf(layout, quoted, req.Header.Get("Finicity-App-Key"))
			_, _ = fmt.Fprintf(server, "HTTP/1.1 %d Status\r\nContent-Length: %d\r\n\r\n%s", status, len(answer), answer)
		}()
		return client, nil
	}
}

// everything does all that can be done, rightly and wrongly, and reports whether a token was read and a secret rotated.
func (h *harness) everything() (read, rotated bool) {
	h.t.Helper()
	write := func(data fields) func() answer {
		return func() answer { return h.write("config", data) }
	}
	for _, do := range []func() answer{
		write(credentials(nil)),
		write(fields{"app_key": newKey}),
		write(fields{"app_key": appKey}),
		write(fields{"partner_secret": wrongSecret}),
		write(fields{"partner_secret": []string{partnerSecret}}),
		write(fields{"app_key": map[string]any{appKey: appKey}}),
		write(fields{"partner_secret": partnerSecret + "\n"}),
		write(fields{"token_lifetime": partnerSecret}),
		write(fields{"base_url": "https://u:" + wrongSecret + "@host"}),
		write(fields{"ca_cert": partnerSecret}),
		write(fields{"request_timeout": "10s"}),
		func() answer { return h.read("config", nil) },
		func() answer { return h.read("token", nil) },
		func() answer { return h.write("config/verify", nil) },
		func() answer { return h.read("token", fields{"min_ttl": "90m"}) },
		func() answer { return h.read("token", fields{"min_ttl": partnerSecret}) },
		func() answer { return h.write("rotate-root", nil) },
		func() answer { return h.read("config", nil) },
		func() answer { return h.write("rotate-root", fields{"partner_secret": wrongSecret}) },
		func() answer { return h.remove("config", fields{"partner_secret": wrongSecret}) },
		write(fields{"partner_secret": wrongSecret, "verify_connection": false}),
		func() answer { return h.write("config/verify", fields{"partner_secret": wrongSecret}) },
		func() answer { return h.write("config/verify", fields{"force": true}) },
	} {
		a := do()
		read = read || a.status == 200 && a.data["token"] != nil
		rotated = rotated || a.status == 200 && len(a.data) == 1 && a.data["last_vault_rotation"] != nil
		h.pass(2 * time.Hour)
	}
	return read, rotated
}

// The harness searches every answer, error and log line for secrets, app keys and tokens.
func TestNoSecretIsEverSaid(t *testing.T) {
	t.Parallel()
	faults := map[string]fakefinicity.Fault{
		"no fault":              {Kind: fakefinicity.KindSlowAnswer},
		"echo":                  {Kind: fakefinicity.KindEcho},
		"echo of the change":    {Call: modify, Kind: fakefinicity.KindEcho},
		"echo of the rest":      {Call: fakefinicity.CallAuthenticate, Kind: fakefinicity.KindEcho},
		"answers cut short":     {Kind: fakefinicity.KindCut},
		"garbage":               {Kind: fakefinicity.KindGarbage},
		"lost answers":          {Kind: fakefinicity.KindLost},
		"lost answers, changes": {Call: modify, Kind: fakefinicity.KindLost},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				fault.Count = 10_000
				h.fake.Order(fault)
				read, rotated := h.everything()
				if good := fault.Kind == fakefinicity.KindSlowAnswer; good && !read || good && !rotated {
					t.Error("nothing was read, or nothing rotated")
				}
				h.fake.Unlock(partnerID)
				h.restart()
				h.everything()
				if fault.Kind == fakefinicity.KindEcho && !h.words.logged("[redacted]") {
					t.Error("nothing was echoed")
				}
			})
		})
	}
}

func TestNoSecretIsEverSaidThatAServerRepeats(t *testing.T) {
	t.Parallel()
	for _, layout := range []string{
		`{"code":10001,"message":%s,"key":%q}`,
		`{"code":24302,"message":%[1]s,"token":%[2]q}`,
		`{"token":[%s],"key":%q}`,
		`{"Errors":{"Error":[{"ReasonCode":%[2]q,"Description":%[1]s}]}}`,
		`<html><body>Debug: %s, Finicity-App-Key: %s</body></html>`,
		`%s %s`,
	} {
		for _, status := range []int{200, 201, 204, 302, 400, 401, 403, 404, 429, 500, 503} {
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t)
				h.everything() // Not configured, but for what it writes itself.
				h.b.dial = echo(status, layout)
				h.everything()
				h.restart()
				h.b.dial = echo(status, layout)
				h.everything()
			})
		}
	}
}

func TestNoSecretIsEverSaidWhenStorageFails(t *testing.T) {
	t.Parallel()
	for _, on := range []storageAccess{
		get(configKey), put(configKey), del(configKey), get(tokenKey), put(tokenKey), get("salt"), put("salt"),
		get("attempts"), put("attempts"),
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newConfigured(t, nil)
			if on.key == "attempts" {
				on.key = h.ownKey()
			}
			h.storage.fail(storageFault{on: on, always: true})
			h.everything()
			h.storage.heal()
			h.storage.plant(configKey, []byte(`{"credential":{"current":["`+partnerSecret+`"]}}`))
			h.storage.plant(tokenKey, []byte(`{"token":["`+wrongSecret+`"]}`))
			h.restart()
			h.everything()
		})
	}
}
