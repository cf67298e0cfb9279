// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"reflect"
	"testing"
	"testing/synctest"
)

func TestAPatchChangesWhatItNamesAndUnsetsWhatIsNull(t *testing.T) {
	t.Parallel()
	cert, _ := selfSigned(t)
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, fields{
			"ca_cert": cert, "request_timeout": "10s", "token_lifetime": "1h", "secret_grace_period": true,
			"rotation_schedule": "0 3 * * *", "rotation_window": "1h", "disable_automated_rotation": true,
		})
		h.succeeds(h.patch("config", fields{"rotation_period": "720h"}))
		data := h.read("config", nil).data
		if data["rotation_period"] != int64(2592000) || data["rotation_schedule"] != "" || data["request_timeout"] != int64(10) {
			t.Errorf("it is %v", data)
		}
		h.succeeds(h.patch("config", fields{
			"request_timeout": nil, "token_lifetime": nil, "secret_grace_period": nil, "rotation_period": nil,
			"rotation_schedule": nil, "rotation_window": nil, "disable_automated_rotation": nil, "password_policy": nil,
			"ca_cert": nil, "partner_secret": partnerSecret, "app_key": appKey,
		}))
		data = h.read("config", nil).data
		for name, want := range map[string]any{
			"request_timeout": int64(30), "token_lifetime": int64(7200), "secret_grace_period": false,
			"rotation_period": int64(0), "disable_automated_rotation": false, "ca_cert": "", "next_vault_rotation": nil,
			"partner_id": partnerID, "base_url": "http://127.0.0.1",
		} {
			if data[name] != want {
				t.Errorf("%s is %v, want %v", name, data[name], want)
			}
		}
		if current, _ := h.inForce(); !current {
			t.Error("the secret is not the one in force")
		}
	})
}

func TestAPatchIsCheckedLikeAWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.fails(h.patch("config", fields{"token_lifetime": "1h"}), 400, "not configured")
		h.configure(nil)
		before := h.stored()
		for _, test := range []struct {
			data fields
			says string
		}{
			{fields{"partner_id": nil}, `field "partner_id" is null`},
			{fields{"partner_secret": nil}, `field "partner_secret" is null`},
			{fields{"app_key": nil}, `field "app_key" is null`},
			{fields{"verify_connection": nil}, `field "verify_connection" is null`},
			{fields{"force": nil}, `field "force" is null`},
			{fields{"force": true}, `field "force" is for delete only`},
			{fields{"base_url": nil}, "in the same write"},
			{fields{"partner_secret": wrongSecret}, "10001"},
			{fields{"nothing": nil}, `unknown field "nothing"`},
			{fields{"rotation_window": "1h"}, `field "rotation_window" needs rotation_schedule`},
		} {
			h.fails(h.patch("config", test.data), 400, test.says)
		}
		h.fails(h.write("config", fields{"rotation_period": nil}), 400, `field "rotation_period" is null`)
		if !reflect.DeepEqual(h.stored(), before) {
			t.Error("something was stored")
		}
	})
}
