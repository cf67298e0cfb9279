// SPDX-License-Identifier: MPL-2.0

package mount_test

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
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// echo is a network with a server that repeats everything it gets, as a gateway in
// debug mode does.
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

// everything makes all possible requests, right and wrong, and reports whether a token
// was read and a secret rotated.
func everything(h *mounttest.Harness) (read, rotated bool) {
	h.T.Helper()
	write := func(data mounttest.Fields) func() mounttest.Answer {
		return func() mounttest.Answer { return h.Write("config", data) }
	}
	for _, do := range []func() mounttest.Answer{
		write(mounttest.Credentials(nil)),
		write(mounttest.Fields{"app_key": mounttest.NewKey}),
		write(mounttest.Fields{"app_key": mounttest.AppKey}),
		write(mounttest.Fields{"partner_secret": mounttest.WrongSecret}),
		write(mounttest.Fields{"partner_secret": []string{mounttest.PartnerSecret}}),
		write(mounttest.Fields{"app_key": map[string]any{mounttest.AppKey: mounttest.AppKey}}),
		write(mounttest.Fields{"partner_secret": mounttest.PartnerSecret + "\n"}),
		write(mounttest.Fields{"token_lifetime": mounttest.PartnerSecret}),
		write(mounttest.Fields{"base_url": "https://u:" + mounttest.WrongSecret + "@host"}),
		write(mounttest.Fields{"ca_cert": mounttest.PartnerSecret}),
		write(mounttest.Fields{"request_timeout": "10s"}),
		func() mounttest.Answer { return h.Read("config", nil) },
		func() mounttest.Answer { return h.Read("config/check", nil) },
		func() mounttest.Answer {
			return h.Write("config/check", mounttest.Fields{"base_url": "https://u:" + mounttest.WrongSecret + "@host"})
		},
		func() mounttest.Answer { return h.Read("token", nil) },
		func() mounttest.Answer { return h.Write("config/verify", nil) },
		func() mounttest.Answer { return h.Read("token", mounttest.Fields{"min_ttl": "85m"}) },
		func() mounttest.Answer { return h.Read("token", mounttest.Fields{"min_ttl": mounttest.PartnerSecret}) },
		func() mounttest.Answer { return h.Write("rotate-root", nil) },
		func() mounttest.Answer { return h.Read("config", nil) },
		func() mounttest.Answer {
			return h.Write("rotate-root", mounttest.Fields{"partner_secret": mounttest.WrongSecret})
		},
		func() mounttest.Answer {
			return h.Remove("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret})
		},
		write(mounttest.Fields{"partner_secret": mounttest.WrongSecret, "verify_connection": false}),
		func() mounttest.Answer {
			return h.Write("config/verify", mounttest.Fields{"partner_secret": mounttest.WrongSecret})
		},
		func() mounttest.Answer { return h.Write("config/verify", mounttest.Fields{"force": true}) },
		func() mounttest.Answer {
			return h.Patch("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret})
		},
		write(move(elsewhere, mounttest.PartnerSecret)),
		write(otherPartner()),
		write(mounttest.Fields{"rotation_period": "1h"}),
		func() mounttest.Answer { return h.Write("rotate-token", nil) },
		func() mounttest.Answer {
			return h.Write("rotate-token", mounttest.Fields{mounttest.PartnerSecret: "x"})
		},
		func() mounttest.Answer {
			return h.Write("webhook/verify", mounttest.Fields{"input": mounttest.PartnerSecret, "signature": mounttest.WrongSecret})
		},
		func() mounttest.Answer { return h.Read("status", nil) },
	} {
		a := do()
		h.Tick()
		read = read || a.Status == 200 && a.Data["token"] != nil
		rotated = rotated || a.Status == 200 && len(a.Data) == 1 && a.Data["last_vault_rotation"] != nil
		h.Pass(2 * time.Hour)
	}
	return read, rotated
}

// The harness searches every answer, error and log line for secrets, app keys and
// tokens.
func TestNoSecretIsEverSaid(t *testing.T) {
	t.Parallel()
	faults := map[string]fakefinicity.Fault{
		"no fault":              {Kind: fakefinicity.KindSlowAnswer},
		"echo":                  {Kind: fakefinicity.KindEcho},
		"echo of the change":    {Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindEcho},
		"echo of the rest":      {Call: fakefinicity.CallAuthenticate, Kind: fakefinicity.KindEcho},
		"answers cut short":     {Kind: fakefinicity.KindCut},
		"garbage":               {Kind: fakefinicity.KindGarbage},
		"lost answers":          {Kind: fakefinicity.KindLost},
		"lost answers, changes": {Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindLost},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				fault.Count = 10_000
				h.Fake.Order(fault)
				read, rotated := everything(h)
				if good := fault.Kind == fakefinicity.KindSlowAnswer; good && !read || good && !rotated {
					t.Error("nothing was read, or nothing rotated")
				}
				h.Fake.Unlock(mounttest.PartnerID)
				h.Restart()
				everything(h)
				if fault.Kind == fakefinicity.KindEcho && !h.Leaks.Logged("[redacted]") {
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
				h := mounttest.New(t)
				everything(h) // At first, the mount is not configured.
				h.RestartWith(echo(status, layout))
				everything(h)
				h.RestartWith(echo(status, layout))
				everything(h)
			})
		}
	}
}

func TestNoSecretIsEverSaidWhenStorageFails(t *testing.T) {
	t.Parallel()
	for _, on := range []mounttest.Access{
		mounttest.Get("config"), mounttest.Put("config"), mounttest.Del("config"), mounttest.Get("salt"), mounttest.Put("salt"),
	} {
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, nil)
			h.Storage.Fail(mounttest.Fault{On: on, Always: true})
			everything(h)
			h.Restart()
			everything(h)
		})
	}
}

func TestNoSecretIsEverSaidOfADamagedEntry(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{
		`{"credential":{"current":["` + mounttest.PartnerSecret + `"]}}`,
		`{"version":"` + mounttest.PartnerSecret + `"}`,
		`{"version":2,"secrets":["` + mounttest.PartnerSecret + `"]}`,
		`{"version":2,"secrets":[{"secret":"` + mounttest.PartnerSecret + `","origin":"` + mounttest.WrongSecret + `"}]}`,
		`{"version":2,"token":{"issue_time":"` + mounttest.PartnerSecret + `"}}`,
		`{"version":3,"partner_id":"` + mounttest.PartnerSecret + `"}`,
		mounttest.PartnerSecret,
	} {
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, nil)
			h.Storage.Plant("config", []byte(entry))
			h.Restart()
			h.Fails(h.Read("status", nil), 500, "the stored configuration")
			everything(h)
		})
	}
}
