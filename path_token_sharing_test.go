// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

const manyReaders = 200

// readers begins many reads at once.
func (h *harness) readers(n int) []<-chan answer {
	all := make([]<-chan answer, n)
	for i := range all {
		all[i] = h.background(func() answer { return h.read("token", nil) })
	}
	return all
}

// same checks that all of them got this token.
func (h *harness) same(all []<-chan answer, token string) {
	h.t.Helper()
	for i, one := range all {
		a := <-one
		if a.status != 200 || a.data["token"] != token {
			h.t.Fatalf("reader %d got a %d, or another token than the others", i, a.status)
		}
	}
}

func TestManyFirstReadsCostOneAuthentication(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.configure(fields{"verify_connection": false})
		h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlow, Delay: time.Second})
		all := h.readers(manyReaders)
		first := <-all[0]
		h.succeeds(first)
		token, _ := first.data["token"].(string)
		h.same(all[1:], token)
		h.called(1, 0)
	})
}

func TestManyReadsAfterARestartCostNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		token := h.token()
		h.restart()
		h.same(h.readers(manyReaders), token)
		h.called(1, 0)
	})
}

func TestManyReadsOfAMountThatIsDownMakeOneCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.configure(fields{"verify_connection": false})
		h.down()
		for _, one := range h.readers(manyReaders) {
			if a := <-one; a.status != 502 && a.status != 503 {
				t.Errorf("got a %d: %s", a.status, a.text)
			}
		}
		h.called(1, 0)
	})
}

func TestWhileARefreshRunsTheOldTokenIsServedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		token := h.token()
		h.pass(90 * time.Minute)
		h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldBefore})
		first := h.background(func() answer { return h.read("token", nil) })
		if err := h.fake.WaitHeld(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		h.same(h.readers(manyReaders), token)
		if waited := time.Since(begin); waited > 0 {
			t.Errorf("they have waited %s", waited)
		}
		h.fake.Release()
		a := <-first
		h.succeeds(a)
		if a.data["token"] == token {
			t.Error("whoever began the refresh did not get its token")
		}
		h.warned(a)
		h.called(2, 0)
	})
}

func TestWithoutAUsableTokenEveryoneWaitsOnTheirOwnTerms(t *testing.T) {
	t.Parallel()
	for name, leaves := range map[string]int{"the first one goes": 0, "a later one goes": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				h.pass(2 * time.Hour)
				h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldAfter})
				var all []<-chan answer
				var leave context.CancelFunc
				for i := range 5 {
					ctx := t.Context()
					if i == leaves {
						ctx, leave = context.WithCancel(ctx)
					}
					all = append(all, h.background(func() answer {
						return h.send(ctx, logical.ReadOperation, "token", nil)
					}))
					synctest.Wait()
				}
				leave()
				h.fails(<-all[leaves], 503, "try again")
				synctest.Wait()
				h.fake.Release()
				stay := append(all[:leaves:leaves], all[leaves+1:]...)
				token := h.token()
				h.same(stay, token)
				h.called(2, 0)
			})
		})
	}
}

func TestARefreshGoesOnWhenNobodyWaitsForItAnyMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		token := h.token()
		h.pass(2 * time.Hour)
		h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldBefore})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		h.fails(h.send(ctx, logical.ReadOperation, "token", nil), 503, "try again")
		h.fake.Release()
		synctest.Wait()
		if h.token() == token {
			t.Error("the new token is not there")
		}
		h.restart()
		h.token() // It was stored too.
		h.called(2, 0)
	})
}

// That is what makes it fast: no storage, and no lock that anybody holds during a call.
func TestAReadOfAFreshTokenTouchesNoStorageAndWaitsForNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		token := h.token()
		h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldBefore})
		rotation := h.background(func() answer { return h.write("rotate-root", nil) })
		if err := h.fake.WaitHeld(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		before, begin := h.storage.accesses(), time.Now()
		h.same(h.readers(manyReaders), token)
		if a := h.read("token", fields{"min_ttl": "1h"}); a.data["token"] != token {
			t.Error("with a min_ttl it is another token")
		}
		if n := h.storage.accesses() - before; n != 0 || time.Since(begin) > 0 {
			t.Errorf("%d accesses to storage, and a wait of %s", n, time.Since(begin))
		}
		h.fake.Release()
		h.succeeds(<-rotation)
	})
}

func TestAReaderWithoutATokenGetsTheOneOfTheWriteThatRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.pass(2 * time.Hour)
		h.fake.SetSecret(partnerID, wrongSecret)
		h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldBefore})
		write := h.background(func() answer { return h.write("config", fields{"partner_secret": wrongSecret}) })
		if err := h.fake.WaitHeld(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		all := h.readers(10)
		synctest.Wait()
		h.fake.Release()
		h.succeeds(<-write)
		h.same(all, h.token())
		h.called(2, 0) // None of the readers has tried the old secret.
	})
}

func TestADeleteDuringARefreshWins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.pass(2 * time.Hour)
		h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldBefore})
		reader := h.background(func() answer { return h.read("token", nil) })
		synctest.Wait()
		deletion := h.background(func() answer { return h.remove("config", nil) })
		synctest.Wait()
		h.fake.Release()
		h.succeeds(<-deletion)
		<-reader // It may have been served before.
		h.fails(h.read("token", nil), 400, "not configured")
		if _, found := h.storage.peek(tokenKey); found {
			t.Error("a token is still in storage")
		}
	})
}

// Another node has written the entry.
func TestInvalidateDropsWhatTheEntryHadBrought(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.token()
		for _, key := range []string{configKey, tokenKey} {
			before := h.storage.accesses(get(configKey))
			h.b.InvalidateKey(t.Context(), key)
			h.token()
			if h.storage.accesses(get(configKey)) == before {
				t.Errorf("%s: the configuration was not read anew", key)
			}
		}
		before := h.storage.accesses(get("salt"))
		h.b.InvalidateKey(t.Context(), "salt")
		h.b.InvalidateKey(t.Context(), configKey)
		h.token()
		if h.storage.accesses(get("salt")) != before+1 {
			t.Error("the salt was not read anew")
		}
		before = h.storage.accesses()
		h.b.InvalidateKey(t.Context(), "something else")
		h.token()
		if h.storage.accesses() != before {
			t.Error("another entry has dropped the token")
		}
		h.called(1, 0)
	})
}

func TestANodeFollowsWhatAnotherOneWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		standby := h.b
		h.token()
		h.restart() // The other node, on the same storage.
		h.fake.SetSecret(partnerID, wrongSecret)
		h.succeeds(h.write("config", fields{"partner_secret": wrongSecret}))
		token := h.token()
		h.b = standby
		h.b.InvalidateKey(t.Context(), configKey)
		if h.token() != token {
			t.Error("it serves another token than the node that wrote")
		}
		h.called(2, 0)
	})
}

func TestATokenThatWasDroppedWhileItCameIsReadAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.pass(2 * time.Hour)
		h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldAfter})
		reader := h.background(func() answer { return h.read("token", nil) })
		synctest.Wait()
		h.b.InvalidateKey(t.Context(), configKey)
		before := h.storage.accesses(get(tokenKey))
		h.fake.Release()
		h.succeeds(<-reader)
		if h.storage.accesses(get(tokenKey)) == before {
			t.Error("a token that was made with what may be no longer so is shared")
		}
		h.called(2, 0) // Nothing had changed after all, so it was still there, in storage.
	})
}
