// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"net/http"
	"testing"
	"testing/synctest"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// Two rotations with a grace period: a late copy may restore the first secret. The time
// for that is over, and on a mount without readers, only the rotation itself finds that
// out.
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
