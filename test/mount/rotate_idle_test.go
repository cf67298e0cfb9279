// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// After two rotations with a grace period, a late copy of a change may restore an earlier
// secret. Once it is too late for that, rotate-root must work even if no app reads: then
// only rotate-root itself can authenticate and find out.
func TestALimitThatIsOverDoesNotStopAnIdleMount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"secret_grace_period": true})
		h.Rotate()
		h.Rotate()
		h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, atLimit)
		h.Pass(33 * day)
		h.Rotate()
	})
}

// A write that took effect although storage reported an error is this engine's own. Hours
// later, the engine does not take it for a restored copy, in which no attempt may follow a
// refused candidate.
func TestAWriteThatFailedAndTookEffectIsNotThatOfACopy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Pass(2 * time.Hour)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Applied: true})
		h.Fails(h.Read("token", nil), http.StatusInternalServerError, "no request was sent")
		h.Pass(7 * time.Hour)
		h.Interrupt(false)
		h.Pass(time.Minute)
		h.Token()
		h.Wrongly(1)
	})
}
