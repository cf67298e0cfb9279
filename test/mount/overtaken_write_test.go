// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// The first attempt of the write is in progress when another node takes over and
// rotates. A second attempt could still succeed, because a grace period keeps the old
// secret valid.
func TestARepeatedWriteOfAFormerActiveNodeLosesNoSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewUnresolved(t, false, mounttest.Fields{"secret_grace_period": true})
		h.Pass(time.Minute)
		h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
		newKey := mounttest.Fields{"app_key": mounttest.NewKey}
		a := meanwhile(h, func() mounttest.Answer { return h.Write("config", newKey) }, func() {
			h.Pass(time.Second)
			h.Succeeds(h.Write("config", newKey))
			h.Rotate()
		})
		h.Fails(a, http.StatusBadRequest, "nothing was stored", "write it again")
		keepsTheSecret(h)
		h.Restart()
		use(h, graceEnded)
		h.Write("config/verify", nil)
		keepsTheSecret(h)
		stillServes(h)
	})
}

// The other node has written a setting, so the same write may be repeated, and needs
// one attempt.
func TestAnOvertakenWriteOfAnAppKeyMayBeRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewUnresolved(t, false, nil)
		h.Pass(time.Minute)
		h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
		newKey := mounttest.Fields{"app_key": mounttest.NewKey}
		h.Fails(meanwhile(h, func() mounttest.Answer { return h.Write("config", newKey) }, func() {
			h.Succeeds(h.Write("config", mounttest.Fields{"request_timeout": "20s"}))
		}), http.StatusBadRequest, "write it again")
		h.Restart()
		h.Pass(time.Minute) // As far as a new process knows, the earlier change may be on its way.
		h.Succeeds(h.Write("config", newKey))
		h.Wrongly(1)
		if timeout := h.Stored().Settings.RequestTimeout; timeout != 20*time.Second {
			t.Errorf("request_timeout is %s", timeout)
		}
		h.Resolved()
	})
}
