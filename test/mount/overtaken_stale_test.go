// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// tickAt makes Vault's periodic call to a given node.
func tickAt(h *mounttest.Harness, node logical.Backend) {
	_, _ = node.HandleRequest(h.T.Context(), &logical.Request{Operation: logical.RollbackOperation, Storage: h.Storage})
}

func TestARefusalFromBeforeASuccessOfAnotherNodeHoldsNothing(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"10001", "locked"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				h.Fake.Order(mounttest.Rejections()[kind])
				h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1})
				h.Read("token", nil)
				old := h.B
				h.Restart()
				use(h, 2*day)
				statusShows(h, mounttest.Fields{"authentication": "ok"})
				tickAt(h, old)
				statusShows(h, mounttest.Fields{"authentication": "ok"})
				h.Restart()
				h.Pass(3 * time.Hour)
				h.Token()
			})
		})
	}
}

// The overtaken node has a secret that was replaced since.
func TestASecretThatAnotherNodeReplacedStopsSigning(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"storage has not taken an outcome", "overtaken before its write, and storage works"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Rotate()
				current, _ := h.Stored().Secrets.Current()
				leaked := current.Value.Reveal()
				old := h.B
				if how == "storage has not taken an outcome" {
					unstored(h)
					h.Rotate()
				} else {
					h.Restart()
					other, gets := h.B, 0
					h.Storage.BeforeGet = func(key string) {
						if key != "config" {
							return
						}
						if gets++; gets == 2 { // The read of the check before the write.
							h.Storage.BeforeGet = func(string) {}
							h.B = other
							h.Rotate()
						}
					}
					h.Fails(sendTo(h, old, logical.UpdateOperation, "config/verify"), http.StatusServiceUnavailable)
				}
				use(h, 6*day)
				signs(h, leaked, "")
				tickAt(h, old) // The old node is the active one again.
				use(h, 40*day)
				signs(h, leaked, "")
				n := h.Calls(fakefinicity.CallAuthenticate)
				h.Write("config", mounttest.Fields{"partner_secret": leaked})
				if h.Calls(fakefinicity.CallAuthenticate) != n {
					t.Error("a secret that was rotated away is sent")
				}
			})
		})
	}
}

func TestASecretThatAnotherNodeDiscardedStopsSigning(t *testing.T) {
	t.Parallel()
	for when, wait := range map[string]func(*mounttest.Harness) func(){
		"a write of this node failed": func(h *mounttest.Harness) func() {
			_, tick := unstored(h)
			return tick
		},
		"this node is in a call": func(h *mounttest.Harness) func() {
			_, release := stepDown(h, logical.UpdateOperation, "config/verify")
			return release
		},
	} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Rotate()
				current, _ := h.Stored().Secrets.Current()
				leaked := current.Value.Reveal()
				release := wait(h)
				h.Succeeds(h.Remove("config", mounttest.Fields{"force": true}))
				h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
				h.Configure(mounttest.Fields{"partner_secret": mounttest.WrongSecret})
				signs(h, leaked, "")
				release()
				use(h, 40*day)
				signs(h, leaked, "")
				h.Succeeds(h.Remove("config", nil))
			})
		})
	}
}

// getter delays the nth read of the configuration.
type getter struct {
	logical.Storage
	reached, release chan struct{}
	nth              int
}

func (g *getter) Get(ctx context.Context, key string) (*logical.StorageEntry, error) {
	if key == "config" {
		if g.nth--; g.nth == 0 {
			close(g.reached)
			<-g.release
		}
	}
	return g.Storage.Get(ctx, key)
}

func TestARefusalThatOvertakesASuccessHoldsNothing(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"10001", "locked"} {
		for _, force := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, forced %v", kind, force), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewConfigured(t, nil)
					h.Pass(2 * time.Hour)
					if force {
						h.Guesses(3)
					}
					old := h.B
					h.Fake.Order(mounttest.Rejections()[kind])
					reached, release := make(chan struct{}), make(chan struct{})
					slow := &getter{Storage: h.Storage, reached: reached, release: release, nth: 3}
					done := h.Background(func() mounttest.Answer {
						resp, err := old.HandleRequest(t.Context(), &logical.Request{Operation: logical.ReadOperation, Path: "token", MountPoint: h.Mount, Storage: slow})
						return h.Take("token", resp, err)
					})
					<-reached
					h.Restart()
					h.Succeeds(h.Write("config/verify", mounttest.Fields{"force": force}))
					close(release)
					<-done
					h.Restart()
					statusShows(h, mounttest.Fields{"authentication": "ok"})
				})
			})
		}
	}
}

// The wall clock of a node is ahead before the mount is configured, and none of its
// times is stored.
func TestANodeThatHasStoredNothingGoesByTheClockOfTheOthers(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]func(h *mounttest.Harness){
		"it has read the mount": func(h *mounttest.Harness) { h.Read("status", nil) },
		"its first write has failed": func(h *mounttest.Harness) {
			h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config")})
			h.Fails(h.Write("config", mounttest.Credentials(nil)), 500)
			h.Called(0, 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.New(t)
				h.SetClock(40 * day)
				first(h)
				other := h.B // This node keeps running.
				h.SetClock(-40 * day)
				h.Restart()
				h.Configure(nil)
				h.Fake.Order(fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindLate, Delay: 2 * time.Hour})
				h.Fails(h.Write("rotate-root", nil), http.StatusBadRequest, "unknown")
				h.Pass(time.Minute)
				h.B = other
				h.Tick()
				h.Pass(3 * time.Hour)
				keepsTheSecret(h)
			})
		})
	}
}

func TestASecretThatAnotherNodeHasForgottenSignsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Rotate()
		leaked := storedCurrent(h)
		_, tick := unstored(h)
		h.Rotate()
		use(h, 6*day)
		signs(h, leaked, "")
		tick()
		signs(h, leaked, "")
	})
}
