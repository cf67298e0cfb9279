// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// Finicity may give an invalid app key a rate limit of 0, and answer as it does to too
// many requests. Waiting for the limit to end would not help.
func TestARateLimitNamesTheAppKeyAsACause(t *testing.T) {
	t.Parallel()
	const cause = "HTTP 429: Too Many Requests (a rate limit, or the app key is invalid)"
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewWith(t, fakefinicity.Config{AppKeyRateLimited: true})
		first := mounttest.Fields{"partner_id": mounttest.PartnerID, "partner_secret": mounttest.PartnerSecret, "base_url": "http://127.0.0.1"}
		first["app_key"] = mounttest.NewKey
		h.Fails(h.Write("config", first), 400, "nothing was stored: ", cause)
		h.Configure(nil)

		h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
		h.Pass(2 * time.Hour)
		h.Fails(h.Read("token", nil), 502, cause)
		h.Fails(h.Read("token", nil), 503, cause)
		h.Fails(h.Write("config/verify", nil), 400, cause)
		statusShows(h, mounttest.Fields{"authentication": "ok", "rejected_attempts": 0, "token_available": false})
		h.Succeeds(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey}))
		h.Token()
	})
}
