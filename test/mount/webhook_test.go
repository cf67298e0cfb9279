// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

const webhook = `{"eventType":"added","eventId":"1-2", "customerId":"3","Ünicode":"\u00e4 & <b>"}` + "\r\n"

// signature returns the signature of a webhook as Finicity sends it now.
func signature(h *mounttest.Harness, partnerID, body string) string {
	h.T.Helper()
	signature, err := h.Fake.SignWebhook(partnerID, []byte(body))
	if err != nil {
		h.T.Fatal(err)
	}
	return signature
}

// verdict returns the version of the secret that has signed the webhook, empty if the
// webhook is not valid.
func verdict(h *mounttest.Harness, body, signature string) string {
	h.T.Helper()
	a := h.Write("webhook/verify", mounttest.Fields{
		"input": base64.StdEncoding.EncodeToString([]byte(body)), "signature": signature,
	})
	h.Succeeds(a)
	version, _ := a.Data["secret_version"].(string)
	if a.Data["valid"] != (version != "") {
		h.T.Errorf("valid is %v, and the version %q", a.Data["valid"], version)
	}
	return version
}

// signs checks the version that the engine reports for a webhook signed with the
// secret, empty if the webhook is not valid.
func signs(h *mounttest.Harness, secret, want string) {
	h.T.Helper()
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(webhook))
	if got := verdict(h, webhook, hex.EncodeToString(mac.Sum(nil))); got != want {
		h.T.Errorf("the secret is %q, want %q", got, want)
	}
}

func TestAWebhookIsValidWithItsExactBytesOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		signed := signature(h, mounttest.PartnerID, webhook)
		calls := len(h.Fake.Requests())
		for name, test := range map[string]struct{ body, signature, want string }{
			"as it is":               {webhook, signed, "current"},
			"in capitals":            {webhook, strings.ToUpper(signed), "current"},
			"a blank around":         {webhook, " " + signed + "\n", "current"},
			"a byte less":            {webhook[:len(webhook)-1], signed, ""},
			"parsed and written":     {strings.ReplaceAll(webhook, ", ", ","), signed, ""},
			"another secret's":       {webhook, signature(h, mounttest.OtherID, webhook), ""},
			"cut":                    {webhook, signed[:62], ""},
			"an odd number of signs": {webhook, signed[:63], ""},
			"a sign too many":        {webhook, signed + "0", ""},
			"more than hex":          {webhook, signed + "zz", ""},
			"with a name before":     {webhook, "sha256=" + signed, ""},
			"no hex":                 {webhook, strings.Repeat("z", 64), ""},
			"nothing signed":         {"", signature(h, mounttest.PartnerID, ""), "current"},
			"nothing":                {"", signed, ""},
		} {
			if got := verdict(h, test.body, test.signature); got != test.want {
				t.Errorf("%s: %q, want %q", name, got, test.want)
			}
		}
		if len(h.Fake.Requests()) != calls {
			t.Error("the verification called Finicity")
		}
	})
}

// Webhooks are repeated for three days, with their original signature.
func TestAWebhookSignedBeforeARotationIsValidForAWhile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		grace bool
		good  time.Duration
	}{"at once": {false, 4 * day}, "with grace": {true, 30 * day}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": test.grace})
				before := signature(h, mounttest.PartnerID, webhook)
				h.Rotate()
				between := signature(h, mounttest.PartnerID, webhook)
				h.Pass(test.good - time.Hour)
				h.Rotate()
				h.Restart()
				for _, each := range []struct{ what, signature, want string }{
					{"before both rotations", before, "previous"},
					{"between them", between, "previous"},
					{"now", signature(h, mounttest.PartnerID, webhook), "current"},
				} {
					if got := verdict(h, webhook, each.signature); got != each.want {
						t.Errorf("signed %s: %q, want %q", each.what, got, each.want)
					}
				}
				h.Pass(2 * time.Hour)
				if got := verdict(h, webhook, before); got != "" {
					t.Errorf("after its time it is still %q", got)
				}
				if got := verdict(h, webhook, between); got != "previous" {
					t.Errorf("in its time it is %q", got)
				}
			})
		})
	}
}

// It is unknown which secret is in effect, so either may have signed.
func TestWhileARotationIsPendingBothSecretsSign(t *testing.T) {
	t.Parallel()
	mounttest.EitherWay(t, func(t *testing.T, applied bool) {
		h := mounttest.NewConfigured(t, nil)
		before := signature(h, mounttest.PartnerID, webhook)
		h.Interrupt(applied)
		for _, signed := range []string{before, signature(h, mounttest.PartnerID, webhook)} {
			if got := verdict(h, webhook, signed); got != "current" {
				t.Errorf("the verdict is %q", got)
			}
		}
	})
}

func TestWebhooksAreVerifiedWhileNoCallIsAllowed(t *testing.T) {
	t.Parallel()
	for name, enter := range mounttest.States() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Rotate()
				h.Pass(2 * time.Hour)
				enter(h)
				h.Down()
				calls := len(h.Fake.Requests())
				if got := verdict(h, webhook, signature(h, mounttest.PartnerID, webhook)); got != "current" {
					t.Errorf("the verdict is %q", got)
				}
				if len(h.Fake.Requests()) != calls {
					t.Error("the verification called Finicity")
				}
			})
		})
	}
}

func TestAWebhookThatCannotBeReadIsRefusedByField(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.Fails(h.Write("webhook/verify", mounttest.Fields{"input": "e30=", "signature": "00"}), 400, "not configured")
		h.Configure(nil)
		most := strings.Repeat("x", 1<<20)
		if got := verdict(h, most, signature(h, mounttest.PartnerID, most)); got != "current" {
			t.Errorf("a body of 1 MiB is %q", got)
		}
		encoded := func(n int) string { return base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", n))) }
		for name, test := range map[string]struct {
			data  mounttest.Fields
			field string
		}{
			"no body":             {mounttest.Fields{"signature": "00"}, "input"},
			"no signature":        {mounttest.Fields{"input": "e30="}, "signature"},
			"an empty signature":  {mounttest.Fields{"input": "e30=", "signature": ""}, "signature"},
			"not base64":          {mounttest.Fields{"input": "{}", "signature": "00"}, "input"},
			"base64 for URLs":     {mounttest.Fields{"input": "_-_-", "signature": "00"}, "input"},
			"a byte too long":     {mounttest.Fields{"input": encoded(1<<20 + 1), "signature": "00"}, "input"},
			"far too long":        {mounttest.Fields{"input": encoded(2 << 20), "signature": "00"}, "input"},
			"a parsed body":       {mounttest.Fields{"input": map[string]any{"a": 1}, "signature": "00"}, "input"},
			"an unknown field":    {mounttest.Fields{"input": "e30=", "signature": "00", "body": "x"}, "body"},
			"a signature of none": {mounttest.Fields{"input": "e30=", "signature": nil}, "signature"},
		} {
			t.Log(name)
			h.Fails(h.Write("webhook/verify", test.data), 400, `"`+test.field+`"`)
		}
	})
}

// An operator with write access can move the mount to a host that accepts any secret,
// and back.
func TestASecretThatAnotherHostAcceptedSignsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		const evil = mounttest.WrongSecret
		h.Fake.SetSecret(mounttest.PartnerID, evil) // The operator's host.
		h.Succeeds(h.Write("config", mounttest.Fields{
			"base_url": "http://127.0.0.66", "partner_secret": evil, "app_key": mounttest.AppKey,
		}))
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.PartnerSecret) // Finicity.
		h.Succeeds(h.Write("config", mounttest.Fields{
			"base_url": "http://127.0.0.1", "partner_secret": evil, "app_key": mounttest.AppKey, "verify_connection": false,
		}))
		signs(h, evil, "")
		h.Pass(2 * time.Hour)
		h.Token()
		h.Tick()
		signs(h, evil, "")
	})
}

func TestASecretThatWasReplacedByAnEarlierOneStopsSigning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		leaked := h.Guess(1)
		use(h, day)
		h.Fake.SetSecret(mounttest.PartnerID, leaked)
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": leaked}))
		use(h, day)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.PartnerSecret) // In the portal, because of the leak.
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.PartnerSecret}))
		use(h, 100*day)
		signs(h, leaked, "")
	})
}
