// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// A 429 may mean that the app key is invalid. Here the invalid app key is a
// colleague's, and is not stored.
func TestARateLimitedAppKeyThatIsNotStoredHoldsNothingBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: http.StatusTooManyRequests, RetryAfter: "3600"})
		h.Fails(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}), http.StatusBadRequest, "429")
		h.Token()
		h.Called(3, 0)
	})
}

// An unstored outcome is different: the engine does not continue as if nothing had been
// counted.
func TestAnUnstoredRefusalOfATypedSecretDelaysTheNextCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1, Always: true})
		h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret})
		h.Storage.Heal()
		h.Fails(h.Read("token", nil), http.StatusServiceUnavailable, "the next request is sent in")
		h.Pass(time.Minute)
		h.Token()
	})
}

// An operator must know whether to check the stored credential.
func TestTheStatusNamesTheCredentialOfEachFailure(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]fakefinicity.Fault{
		"unavailable": {Kind: fakefinicity.KindStatus, Status: http.StatusServiceUnavailable},
		"an app key":  {Kind: fakefinicity.KindStatus, Status: http.StatusTooManyRequests},
		"refused":     {Kind: fakefinicity.KindStatus, Status: http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Fake.Order(answer)
				h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey})
				if said, _ := statusNow(h)["last_error"].(string); !strings.HasPrefix(said, "an attempt with an unstored credential failed: ") {
					t.Errorf("last_error is %q", said)
				}
			})
		})
	}
}

// The runbooks recommend this. Finicity was not called, so a success without a hint
// would look like Finicity's.
func TestAWriteOfTheStoredCredentialSaysThatItIsNotTried(t *testing.T) {
	t.Parallel()
	locked := fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 500, Body: `{"code":24302,"message":"we've locked your account"}`}
	all := mounttest.Rejections()
	all["locked"] = locked
	all["429"] = fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: http.StatusTooManyRequests}
	for name, refusal := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				same := []mounttest.Fields{
					{"partner_secret": mounttest.PartnerSecret},
					{"app_key": mounttest.AppKey},
					{"partner_secret": mounttest.PartnerSecret, "app_key": mounttest.AppKey},
				}
				for _, fields := range same {
					h.Warned(h.Write("config", fields))
				}
				h.Pass(2 * time.Hour)
				h.Fake.Order(refusal)
				h.Read("token", nil)
				for _, fields := range same {
					h.Warned(h.Write("config", fields), "this write does not verify it", "vault write -f finicity/config/verify")
				}
				if name == "locked" { // An operator does not expect a write of settings to try the credential.
					h.Warned(h.Write("config", mounttest.Fields{"request_timeout": "20s"}))
				}
				h.Called(2, 0)
			})
		})
	}
}

func TestAnUntriedAppKeyTakesTheTokenWithAWarning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Restart()
		gone := "the engine no longer serves the current token"
		if a := h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret, "verify_connection": false}); strings.Contains(strings.Join(a.Warnings, ""), gone) {
			t.Error("an untried secret is said to take the token")
		}
		h.Warned(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey, "verify_connection": false}), gone)
		h.Pass(2 * time.Hour)
		if a := h.Write("config", mounttest.Fields{"app_key": mounttest.AppKey, "verify_connection": false}); strings.Contains(strings.Join(a.Warnings, ""), gone) {
			t.Error("there was no token to take")
		}
	})
}

// Something other than Finicity answers, and the credential is no more wrong than
// before.
func TestA404WithoutACodeLeadsToTheAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		const command = "vault write finicity/config partner_secret=… app_key=… base_url=…"
		page := fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: http.StatusNotFound, Body: "<html>not found</html>", ContentType: "text/html"}
		h.Fake.Order(page)
		h.Fails(h.Write("config/verify", nil), http.StatusBadRequest, "check base_url", command)
		h.Fake.Order(page)
		a := h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey})
		h.Fails(a, http.StatusBadRequest, "check base_url", command)
		if strings.Contains(a.Text, "(or app_key=…)") {
			t.Errorf("the error speaks of the credential: %s", a.Text)
		}

		// Later reads, which send nothing, and a write of another partner also name base_url.
		h.Pass(2 * time.Hour)
		h.Fake.Order(page)
		h.Fails(h.Read("token", nil), http.StatusBadRequest, "check base_url", command)
		h.Fails(h.Read("token", nil), http.StatusBadRequest, "no request was sent", "check base_url", command)
		h.Fake.Order(page)
		other := mounttest.Credentials(mounttest.Fields{"partner_id": mounttest.OtherID, "partner_secret": mounttest.OtherSecret, "app_key": mounttest.OtherKey})
		h.Fails(h.Write("config", other), http.StatusBadRequest, "vault write finicity/config partner_id=… partner_secret=… app_key=… base_url=…")
	})
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: http.StatusNotFound, Body: "<html>not found</html>", ContentType: "text/html"})
		h.Fails(h.Write("config", mounttest.Credentials(nil)), http.StatusBadRequest,
			"vault write finicity/config partner_id=… partner_secret=… app_key=… base_url=…")
	})
}

func TestARateLimitedRotationNamesTheAppKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Fake.Order(fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindStatus, Status: http.StatusTooManyRequests, Count: 10})
		h.Fake.Order(fakefinicity.Fault{Call: fakefinicity.CallAuthenticate, Kind: fakefinicity.KindStatus, Status: http.StatusTooManyRequests, Count: 10})
		h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "unless the app key is invalid. If it is, type vault write finicity/config app_key=…")
	})
}
