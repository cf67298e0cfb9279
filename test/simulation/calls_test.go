// SPDX-License-Identifier: MPL-2.0

package simulation

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"
)

// call is a request as it is drawn. Values that depend on the company, such as the right
// secret, have a name, which is looked up when the request is made.
type call struct {
	text string
	make func(w *company) request
}

func fixed(r request) call {
	text := fmt.Sprintf("%s %s", r.op, r.path)
	for _, name := range slices.Sorted(maps.Keys(r.data)) {
		text += fmt.Sprintf(" %s=%v", name, r.data[name])
	}
	return call{text, func(*company) request { return request{r.op, r.path, maps.Clone(r.data)} }}
}

func anyCall(t *rapid.T) call {
	switch n := rapid.IntRange(0, 24).Draw(t, "call"); {
	case n < 6:
		return readCall(t)
	case n < 9:
		return fixed(request{op: updateOp, path: "rotate-token"})
	case n < 13:
		return fixed(request{op: updateOp, path: "rotate-root"})
	case n < 14:
		return call{"update config/rotate", func(w *company) request {
			return request{updateOp, "config/rotate", fields{"new_partner_secret": w.choose()}}
		}}
	case n < 17:
		return fixed(minute())
	case n < 22:
		return writeCall(t)
	case n < 24:
		return fixed(verify())
	default:
		return fixed(request{op: updateOp, path: "config/verify", data: fields{"force": true}})
	}
}

// choose draws the secret to which an operator makes the engine change.
func (w *company) choose() string {
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	secret := fmt.Sprintf("Chosen-By-An-Operator-%d", len(w.chosen))
	w.chosen[secret] = true
	w.leaks.add(secret)
	return secret
}

func readCall(t *rapid.T) call {
	minTTL := rapid.SampledFrom([]string{"", "", "10m", "85m"}).Draw(t, "min_ttl")
	if minTTL == "" {
		return fixed(read())
	}
	return fixed(request{readOp, "token", fields{"min_ttl": minTTL}})
}

// write is a write of config as it is drawn.
type write struct {
	secret, key string // Names of values.
	move        string // The base URL.
	bare        bool   // Without the fields that a move needs.
	untried     bool
	setting     fields
}

func writeCall(t *rapid.T) call {
	x := write{untried: rapid.IntRange(0, 5).Draw(t, "untried") == 5}
	if rapid.IntRange(0, 2).Draw(t, "credential") > 0 {
		x.secret = rapid.SampledFrom([]string{
			"a wrong one", "one that is never right", "the portal's", "the portal's", "the first", "", "the one in effect",
		}).Draw(t, "secret")
		x.key = rapid.SampledFrom([]string{"", "", "", "the portal's", "a wrong one"}).Draw(t, "key")
	}
	switch {
	case x.secret == "" && x.key == "":
		x.setting = rapid.SampledFrom([]fields{
			{"request_timeout": "10s"},
			{"request_timeout": "1m"},
			{"secret_grace_period": true},
			{"secret_grace_period": true},
			{"secret_grace_period": false},
			{"rotation_period": "1h"},
			{"rotation_period": "48h"},
			{"rotation_schedule": "0 3 * * *", "rotation_window": "1h"},
			{"rotation_period": 0, "rotation_schedule": ""},
		}).Draw(t, "setting")
	case rapid.IntRange(0, 3).Draw(t, "moves") == 0:
		x.move = rapid.SampledFrom([]string{home, away}).Draw(t, "to")
		x.bare = rapid.IntRange(0, 5).Draw(t, "bare") == 0
	}
	return call{x.text(), x.request}
}

func (x write) text() string {
	text := "write config"
	for _, part := range []struct{ name, value string }{
		{"secret", x.secret}, {"key", x.key}, {"base_url", x.move},
	} {
		if part.value != "" {
			text += fmt.Sprintf(" %s=%s", part.name, part.value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(x.setting)) {
		text += fmt.Sprintf(" %s=%v", name, x.setting[name])
	}
	if x.untried {
		text += " untried"
	}
	if x.bare {
		text += " bare"
	}
	return text
}

func (x write) request(w *company) request {
	data := maps.Clone(x.setting)
	if data == nil {
		data = fields{}
	}
	if x.move != "" && !x.bare { // A move needs both.
		data["partner_secret"], data["app_key"] = w.portal, w.key
	}
	if x.secret != "" {
		data["partner_secret"] = w.secretNamed(x.secret)
	}
	switch x.key {
	case "":
	case "a wrong one":
		data["app_key"] = wrongKey
	default:
		data["app_key"] = w.key
	}
	if x.move != "" {
		data["base_url"] = x.move
	}
	if w.disk.configured() == nil {
		first := credentials(fields{"app_key": w.key, "partner_secret": w.portal})
		maps.Copy(first, data)
		data = first
	}
	if x.untried {
		data["verify_connection"] = false
	}
	return request{updateOp, "config", data}
}

// secretNamed returns the value of a secret that an operator writes to config.
func (w *company) secretNamed(name string) string {
	switch name {
	case "the portal's":
		return w.portal
	case "the first": // Outdated after the first rotation.
		return partnerSecret
	case "a wrong one":
		return wrongSecret
	case "one that is never right":
		return neverRight
	}
	// The operator got it from support, or from a backup.
	for _, secret := range secretsOf(w.disk.configured()) {
		if w.fake.HoldsSecret(partnerID, secret) {
			return secret
		}
	}
	return w.portal
}

// duration is how long something lasts. No duration equals a request's timeout: two
// things would then happen at the same moment.
func duration(t *rapid.T, most time.Duration) time.Duration {
	all := []time.Duration{
		0, time.Second, 5500 * time.Millisecond, 20 * time.Second, 29 * time.Second, 31 * time.Second, 70 * time.Second,
		6 * time.Minute, 31 * time.Minute, 91 * time.Minute, 2*time.Hour - time.Second, 7 * time.Hour, 25 * time.Hour,
		5 * day, 31 * day,
	}
	n := slices.IndexFunc(all, func(d time.Duration) bool { return d > most })
	if n < 0 {
		n = len(all)
	}
	return rapid.SampledFrom(all[:n]).Draw(t, "duration")
}
