// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"encoding/base64"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// webhook is one as Finicity sends it now.
func (h *harness) webhook(body string) (signature string) {
	h.t.Helper()
	signature, err := h.fake.SignWebhook(partnerID, []byte(body))
	if err != nil {
		h.t.Fatal(err)
	}
	return signature
}

func (h *harness) verdict(body, signature string) string {
	h.t.Helper()
	a := h.write("webhook/verify", fields{"input": base64.StdEncoding.EncodeToString([]byte(body)), "signature": signature})
	h.succeeds(a)
	version, _ := a.data["secret_version"].(string)
	if a.data["valid"] != (version != "") {
		h.t.Errorf("valid is %v, and the version %q", a.data["valid"], version)
	}
	return version
}

const body = `{"eventType":"added","eventId":"1-2", "customerId":"3","Ünicode":"\u00e4 & <b>"}` + "\r\n"

func TestAWebhookIsValidWithItsExactBytesOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		signature := h.webhook(body)
		calls := len(h.fake.Requests())
		for name, test := range map[string]struct{ body, signature, want string }{
			"as it is":               {body, signature, "current"},
			"in capitals":            {body, strings.ToUpper(signature), "current"},
			"a blank around":         {body, " " + signature + "\n", "current"},
			"a byte less":            {body[:len(body)-1], signature, ""},
			"parsed and written":     {strings.ReplaceAll(body, ", ", ","), signature, ""},
			"another secret's":       {body, h.otherSignature(body), ""},
			"cut":                    {body, signature[:62], ""},
			"an odd number of signs": {body, signature[:63], ""},
			"a sign too many":        {body, signature + "0", ""},
			"more than hex":          {body, signature + "zz", ""},
			"with a name before":     {body, "sha256=" + signature, ""},
			"no hex":                 {body, strings.Repeat("z", 64), ""},
			"nothing signed":         {"", h.webhook(""), "current"},
			"nothing":                {"", signature, ""},
		} {
			if got := h.verdict(test.body, test.signature); got != test.want {
				t.Errorf("%s: %q, want %q", name, got, test.want)
			}
		}
		if len(h.fake.Requests()) != calls {
			t.Error("it made a call")
		}
	})
}

func (h *harness) otherSignature(body string) string {
	h.t.Helper()
	signature, err := h.fake.SignWebhook(otherID, []byte(body))
	if err != nil {
		h.t.Fatal(err)
	}
	return signature
}

// Webhooks are repeated for three days, with the signature that they had.
func TestAWebhookSignedBeforeARotationIsValidForAWhile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		grace bool
		good  time.Duration
	}{"at once": {false, 4 * 24 * time.Hour}, "with grace": {true, 30 * 24 * time.Hour}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, fields{"secret_grace_period": test.grace})
				before := h.webhook(body)
				h.rotate()
				between := h.webhook(body)
				h.pass(test.good - time.Hour)
				h.rotate()
				h.restart()
				for _, each := range []struct{ what, signature, want string }{
					{"before both rotations", before, "previous"}, {"between them", between, "previous"}, {"now", h.webhook(body), "current"},
				} {
					if got := h.verdict(body, each.signature); got != each.want {
						t.Errorf("signed %s: %q, want %q", each.what, got, each.want)
					}
				}
				h.pass(2 * time.Hour)
				if got := h.verdict(body, before); got != "" {
					t.Errorf("after its time it is still %q", got)
				}
				if got := h.verdict(body, between); got != "previous" {
					t.Errorf("in its time it is %q", got)
				}
			})
		})
	}
}

// Nobody knows yet which secret is in force, so either may have signed.
func TestWhileARotationIsPendingBothSecretsSign(t *testing.T) {
	t.Parallel()
	eitherWay(t, func(t *testing.T, applied bool) {
		h := newConfigured(t, nil)
		before := h.webhook(body)
		h.interrupt(applied)
		for _, signature := range []string{before, h.webhook(body)} {
			if got := h.verdict(body, signature); got != "current" {
				t.Errorf("it is %q", got)
			}
		}
	})
}

func TestWebhooksAreVerifiedWhateverHoldsCallsBack(t *testing.T) {
	t.Parallel()
	for name, enter := range states() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				h.rotate()
				h.pass(2 * time.Hour)
				enter(h)
				h.down()
				if got := h.verdict(body, h.webhook(body)); got != "current" {
					t.Errorf("it is %q", got)
				}
			})
		})
	}
}

func TestAWebhookThatCannotBeReadIsRefusedByField(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.fails(h.write("webhook/verify", fields{"input": "e30=", "signature": "00"}), 400, "not configured")
		h.configure(nil)
		most := strings.Repeat("x", 1<<20)
		if got := h.verdict(most, h.webhook(most)); got != "current" {
			t.Errorf("a body of 1 MiB is %q", got)
		}
		encoded := func(n int) string { return base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", n))) }
		for name, test := range map[string]struct {
			data  fields
			field string
		}{
			"no body":             {fields{"signature": "00"}, "input"},
			"no signature":        {fields{"input": "e30="}, "signature"},
			"an empty signature":  {fields{"input": "e30=", "signature": ""}, "signature"},
			"not base64":          {fields{"input": "{}", "signature": "00"}, "input"},
			"base64 for URLs":     {fields{"input": "_-_-", "signature": "00"}, "input"},
			"a byte too long":     {fields{"input": encoded(1<<20 + 1), "signature": "00"}, "input"},
			"far too long":        {fields{"input": encoded(2 << 20), "signature": "00"}, "input"},
			"a parsed body":       {fields{"input": map[string]any{"a": 1}, "signature": "00"}, "input"},
			"an unknown field":    {fields{"input": "e30=", "signature": "00", "body": "x"}, "body"},
			"a signature of none": {fields{"input": "e30=", "signature": nil}, "signature"},
		} {
			t.Log(name)
			h.fails(h.write("webhook/verify", test.data), 400, `"`+test.field+`"`)
		}
	})
}
