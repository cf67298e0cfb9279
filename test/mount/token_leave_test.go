// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// A caller with a short timeout gets the usable token when its time is up, while the
// refresh that it started continues.
func TestACallerWhoseTimeIsUpGetsTheUsableToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		token := h.Token()
		h.Pass(91 * time.Minute)
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlow, Delay: 2 * time.Second})
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		a := h.Send(ctx, logical.ReadOperation, "token", nil)
		if a.Status != http.StatusOK || a.Data["token"] != token {
			t.Errorf("the read answers %d, and not with the usable token", a.Status)
		}
		h.Pass(5 * time.Second)
		if h.Token() == token {
			t.Error("the refresh did not continue")
		}
	})
}
