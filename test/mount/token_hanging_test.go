// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// hangs are the ways in which a refresh does not end for a long time.
func hangs() map[string]func(h *mounttest.Harness) {
	return map[string]func(h *mounttest.Harness){
		"storage does not answer reads": func(h *mounttest.Harness) {
			h.Storage.Fail(mounttest.Fault{On: mounttest.Get("config"), Hangs: true, Always: true})
		},
		"storage does not answer writes": func(h *mounttest.Harness) {
			h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Hangs: true, Always: true})
		},
		"Finicity takes two minutes": func(h *mounttest.Harness) {
			h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlowAnswer, Delay: 2*time.Minute - time.Second, Count: 10})
		},
	}
}

func TestNothingThatHangsHoldsUpAReaderWithAUsableToken(t *testing.T) {
	t.Parallel()
	for name, hang := range hangs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, mounttest.Fields{"request_timeout": "2m"})
				old := h.Token()
				h.Pass(100 * time.Minute)
				hang(h)
				begun := time.Now()
				for range 3 {
					for _, path := range []string{"token", "static-token"} {
						if a := h.Read(path, nil); a.Data["token"] != old {
							t.Errorf("%s answers with status %d", path, a.Status)
						}
					}
					synctest.Wait()
				}
				if waited := time.Since(begun); waited > 0 {
					t.Errorf("the reads took %s", waited)
				}
				h.Storage.Heal()
				h.Pass(2 * time.Minute)
				if h.Token() == old {
					t.Error("there is no new token afterwards")
				}
			})
		})
	}
}

// commands are the requests that need storage, the credential or a token.
func commands(h *mounttest.Harness) map[string]func(ctx context.Context) mounttest.Answer {
	send := func(op logical.Operation, path string, data mounttest.Fields) func(ctx context.Context) mounttest.Answer {
		return func(ctx context.Context) mounttest.Answer { return h.Send(ctx, op, path, data) }
	}
	setting := mounttest.Fields{"request_timeout": "20s"}
	return map[string]func(ctx context.Context) mounttest.Answer{
		"token":          send(logical.ReadOperation, "token", nil),
		"static-token":   send(logical.ReadOperation, "static-token", nil),
		"rotate-token":   send(logical.UpdateOperation, "rotate-token", nil),
		"rotate-root":    send(logical.UpdateOperation, "rotate-root", nil),
		"config/verify":  send(logical.UpdateOperation, "config/verify", nil),
		"config/rotate":  send(logical.UpdateOperation, "config/rotate", mounttest.Fields{"new_partner_secret": h.Guess(1)}),
		"a setting":      send(logical.UpdateOperation, "config", setting),
		"a patch":        send(logical.PatchOperation, "config", setting),
		"delete":         send(logical.DeleteOperation, "config", nil),
		"config":         send(logical.ReadOperation, "config", nil),
		"status":         send(logical.ReadOperation, "status", nil),
		"once a minute":  send(logical.RollbackOperation, "", nil),
		"webhook/verify": send(logical.UpdateOperation, "webhook/verify", mounttest.Fields{"input": "e30=", "signature": "00"}),
	}
}

// A hundred readers start a refresh, which holds the lock and completes.
func TestNothingThatHangsHoldsARequestLongerThanItsCaller(t *testing.T) {
	t.Parallel()
	for name, hang := range hangs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, mounttest.Fields{"request_timeout": "2m"})
				h.Pass(2 * time.Hour)
				hang(h)
				begun := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var all []<-chan mounttest.Answer
				for range 100 {
					all = append(all, h.Background(func() mounttest.Answer { return commands(h)["token"](ctx) }))
				}
				synctest.Wait()
				for _, command := range commands(h) {
					all = append(all, h.Background(func() mounttest.Answer { return command(ctx) }))
				}
				for _, done := range all {
					<-done
				}
				if waited := time.Since(begun); waited > time.Minute {
					t.Errorf("the last one ended after %s", waited)
				}
				h.Storage.Heal()
				h.Pass(3 * time.Minute)
				h.Token()
			})
		})
	}
}

// Before anything is sent or stored, there is nothing to complete.
func TestARequestThatReadsStorageEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		for name, command := range commands(h) {
			h.Pass(2 * time.Hour) // A read of the token has started a refresh, which continues.
			hangs()["storage does not answer reads"](h)
			begun := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if a := command(ctx); a.Status < 500 {
				t.Errorf("%s: got a %d", name, a.Status)
			}
			if waited := time.Since(begun); waited != time.Minute {
				t.Errorf("%s ended after %s", name, waited)
			}
			cancel()
			h.Storage.Heal()
		}
	})
}

// The salt is read once in the life of a process, for example by a read of the token.
func TestAReadOfTheSaltThatHangsHoldsUpNoPoll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Restart()
		h.Storage.Fail(mounttest.Fault{On: mounttest.Get("salt"), Hangs: true, Always: true})
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		reading := h.Background(func() mounttest.Answer { return commands(h)["token"](ctx) })
		synctest.Wait()
		h.Succeeds(commands(h)["config"](ctx))
		if waited := time.Since(begun); waited > 0 {
			t.Errorf("a read of the configuration took %s", waited)
		}
		commands(h)["status"](ctx)
		<-reading
		if waited := time.Since(begun); waited > time.Minute {
			t.Errorf("the last one ended after %s", waited)
		}
		h.Storage.Heal()
		h.Token()
		h.Called(1, 0)
	})
}

// The first reader requests a longer min_ttl than the stored token has left.
func TestAfterAFailoverNoReadWaitsForAnothersMinTTL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, mounttest.Fields{"request_timeout": "2m"})
		token := h.Token()
		h.Pass(40 * time.Minute)
		h.Restart()
		h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlow, Delay: 110 * time.Second})
		h.Storage.Fail(mounttest.Fault{On: mounttest.Get("config"), Hangs: true, Skip: 1})
		demanding := h.Background(func() mounttest.Answer { return h.Read("token", mounttest.Fields{"min_ttl": "85m"}) })
		synctest.Wait()
		others := readMany(h, 100)
		synctest.Wait()
		begun := time.Now()
		h.Storage.Heal()
		sameToken(h, others, token)
		if waited := time.Since(begun); waited > 0 {
			t.Errorf("readers of a token with 75 minutes left have waited %s", waited)
		}
		h.Succeeds(<-demanding)
		h.Called(2, 0)
	})
}
