// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// leaseOf compares the lease of a token read with its ttl, and returns it.
func leaseOf(h *mounttest.Harness, a mounttest.Answer) time.Duration {
	h.T.Helper()
	h.Succeeds(a)
	if a.Secret == nil {
		h.T.Fatal("the token comes without a lease")
	}
	if a.Secret.Renewable {
		h.T.Error("the lease is renewable")
	}
	if a.Data["ttl"] != int64(a.Secret.TTL/time.Second) || a.Secret.TTL%time.Second != 0 {
		h.T.Errorf("the ttl is %v, and the lease %s", a.Data["ttl"], a.Secret.TTL)
	}
	return a.Secret.TTL
}

func TestATokenReadHasBothHeadersAndTheTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil) // At midnight, when a bubble begins.
		h.Pass(10*time.Minute + 900*time.Millisecond)
		a := h.Read("token", nil)
		if got := leaseOf(h, a); got != 104*time.Minute+59*time.Second {
			t.Errorf("the lease is for %s", got)
		}
		want := []string{"app_key", "expire_time", "issue_time", "partner_id", "token", "ttl"}
		if got := slices.Sorted(maps.Keys(a.Data)); !slices.Equal(got, want) {
			t.Errorf("the fields are %v, want %v", got, want)
		}
		token, _ := a.Data["token"].(string)
		if !h.Fake.AcceptsToken(mounttest.PartnerID, token) || a.Data["app_key"] != mounttest.AppKey || a.Data["partner_id"] != mounttest.PartnerID {
			t.Error("what it returns does not work at Finicity")
		}
		if a.Data["issue_time"] != "2000-01-01T00:00:00Z" || a.Data["expire_time"] != "2000-01-01T01:55:00Z" {
			t.Errorf("issued %v, expires %v", a.Data["issue_time"], a.Data["expire_time"])
		}
		h.Warned(a)
	})
}

func TestTheMountsMaximumLeaseWinsWithoutAWarning(t *testing.T) {
	t.Parallel()
	for limit, want := range map[time.Duration]time.Duration{
		time.Millisecond:   time.Second, // Not 0, which would be Vault's default.
		10*time.Minute + 1: 10 * time.Minute,
		115 * time.Minute:  115 * time.Minute,
		48 * time.Hour:     115 * time.Minute,
		0:                  115 * time.Minute, // Vault could not be asked.
	} {
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, nil)
			h.View.MaxLeaseTTLVal = limit
			a := h.Read("token", nil)
			if got := leaseOf(h, a); got != want {
				t.Errorf("with a maximum of %s the lease is for %s, want %s", limit, got, want)
			}
			h.Warned(a)
		})
	}
}

// Other apps have the token too, and a lease that cannot be revoked would make it
// impossible to disable the mount.
func TestRevokingALeaseDoesNothingAndNeverFails(t *testing.T) {
	t.Parallel()
	for name, configured := range map[string]bool{"configured": true, "not configured": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.New(t)
				if configured {
					h.Configure(nil)
				}
				h.Storage.Fail(mounttest.Fault{On: mounttest.Get("config"), Always: true})
				before := h.Storage.Accesses()
				for _, internal := range []map[string]any{
					{"secret_type": "finicity_token"},
					{"secret_type": "finicity_token", "from_a_later_version": []any{1.5, nil}, "token": 7},
				} {
					resp, err := h.B.HandleRequest(t.Context(), &logical.Request{
						Operation: logical.RevokeOperation, Path: "token", Storage: h.Storage, MountPoint: h.Mount,
						Data: internal, Secret: &logical.Secret{InternalData: internal},
					})
					if err != nil || resp != nil {
						t.Errorf("got a response: %v, an error: %v", resp != nil, err)
					}
				}
				if h.Storage.Accesses() != before {
					t.Error("the request has accessed storage")
				}
				h.Storage.Heal()
				if configured {
					h.Token()
					h.Called(1, 0)
				}
			})
		})
	}
}

func TestALeaseCannotBeRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		a := h.Read("token", nil)
		resp, err := h.B.HandleRequest(t.Context(), &logical.Request{
			Operation: logical.RenewOperation, Path: "token", Storage: h.Storage, MountPoint: h.Mount, Secret: a.Secret,
		})
		if status, _ := mounttest.Outcome(resp, err); status != 405 {
			t.Errorf("got a %d", status)
		}
		h.Called(1, 0)
	})
}
