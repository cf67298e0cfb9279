// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"testing"
	"testing/synctest"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

func TestAPatchChangesWhatItNamesAndUnsetsWhatIsNull(t *testing.T) {
	t.Parallel()
	cert, _ := mounttest.SelfSigned(t)
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{
			"ca_cert": cert, "request_timeout": "10s", "token_lifetime": "1h", "secret_grace_period": true,
			"rotation_schedule": "0 3 * * *", "rotation_window": "1h", "disable_automated_rotation": true,
		})
		h.Succeeds(h.Patch("config", mounttest.Fields{"rotation_period": "720h"}))
		data := h.Read("config", nil).Data
		if data["rotation_period"] != int64(2592000) || data["rotation_schedule"] != "" || data["request_timeout"] != int64(10) {
			t.Errorf("the configuration is %v", data)
		}
		h.Succeeds(h.Patch("config", mounttest.Fields{
			"request_timeout": nil, "token_lifetime": nil, "secret_grace_period": nil, "rotation_period": nil,
			"rotation_schedule": nil, "rotation_window": nil, "disable_automated_rotation": nil, "password_policy": nil,
			"ca_cert": nil, "partner_secret": mounttest.PartnerSecret, "app_key": mounttest.AppKey,
		}))
		data = h.Read("config", nil).Data
		for name, want := range map[string]any{
			"request_timeout": int64(30), "token_lifetime": int64(7200), "secret_grace_period": false,
			"rotation_period": int64(0), "disable_automated_rotation": false, "ca_cert": "", "next_vault_rotation": nil,
			"partner_id": mounttest.PartnerID, "base_url": "http://127.0.0.1",
		} {
			if data[name] != want {
				t.Errorf("%s is %v, want %v", name, data[name], want)
			}
		}
		if current, _ := h.InEffect(); !current {
			t.Error("the current secret is not in effect")
		}
	})
}

func TestAPatchIsCheckedLikeAWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		h.Fails(h.Patch("config", mounttest.Fields{"token_lifetime": "1h"}), 400, "not configured")
		h.Fails(h.Patch("config", mounttest.Credentials(nil)), 400, "not configured") // A patch does not create a configuration.
		h.Configure(nil)
		before := h.Stored()
		for _, test := range []struct {
			data mounttest.Fields
			says string
		}{
			{mounttest.Fields{"partner_id": nil}, `field "partner_id" is null`},
			{mounttest.Fields{"partner_secret": nil}, `field "partner_secret" is null`},
			{mounttest.Fields{"app_key": nil}, `field "app_key" is null`},
			{mounttest.Fields{"verify_connection": nil}, `field "verify_connection" is null`},
			{mounttest.Fields{"force": nil}, `field "force" is null`},
			{mounttest.Fields{"force": true}, `field "force" belongs to config/verify and to a delete of config`},
			{mounttest.Fields{"base_url": nil}, "in the same write"},
			{mounttest.Fields{"partner_secret": mounttest.WrongSecret}, "10001"},
			{mounttest.Fields{"nothing": nil}, `unknown field "nothing"`},
			{mounttest.Fields{"rotation_window": "1h"}, `field "rotation_window" requires rotation_schedule`},
		} {
			h.Fails(h.Patch("config", test.data), 400, test.says)
		}
		h.Fails(h.Write("config", mounttest.Fields{"rotation_period": nil}), 400, `field "rotation_period" is null`)
		h.Unchanged(before)
	})
}
