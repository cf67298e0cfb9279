// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
	"vault-plugin-secrets-finicity/internal/secrets"
)

// stepDown starts a call of this node, and makes the next node on the same storage the
// active node. Finicity has carried out the call by then. release delivers its answer.
func stepDown(h *mounttest.Harness, op logical.Operation, path string) (old <-chan mounttest.Answer, release func()) {
	h.T.Helper()
	h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldAfter})
	node := h.B
	old = h.Background(func() mounttest.Answer { return sendTo(h, node, op, path) })
	if err := h.Fake.WaitHeld(h.T.Context(), 1); err != nil {
		h.T.Fatal(err)
	}
	h.Restart()
	return old, func() { h.Fake.Release(); synctest.Wait() }
}

// atTheDoor is stepDown for a call that Finicity has not received yet: the attempt is
// stored, and release makes the connection.
func atTheDoor(h *mounttest.Harness, op logical.Operation, path string) (old <-chan mounttest.Answer, release func()) {
	h.T.Helper()
	waiting, opened, dial := make(chan struct{}, 10), make(chan struct{}), h.Fake.Dialer()
	h.RestartWith(func(ctx context.Context, network, address string) (net.Conn, error) {
		waiting <- struct{}{}
		<-opened
		return dial(ctx, network, address)
	})
	node := h.B
	old = h.Background(func() mounttest.Answer { return sendTo(h, node, op, path) })
	<-waiting
	h.Restart()
	return old, func() { close(opened); synctest.Wait() }
}

// sendTo makes a request to a given node.
func sendTo(h *mounttest.Harness, node logical.Backend, op logical.Operation, path string) mounttest.Answer {
	resp, err := node.HandleRequest(h.T.Context(), &logical.Request{
		Operation: op, Path: path, MountPoint: h.Mount, Storage: h.Storage,
	})
	return h.Take(path, resp, err)
}

// In any order of the writes of two nodes, the record must contain all their attempts.
func TestAttemptsOfTwoNodesAddUp(t *testing.T) {
	t.Parallel()
	for name, oldFirst := range map[string]bool{"the old one's answer first": true, "the new one's answer first": false} {
		for _, path := range []string{"token", "config/verify"} {
			op := map[string]logical.Operation{"token": logical.ReadOperation}[path]
			if op == "" {
				op = logical.UpdateOperation
			}
			t.Run(path+", "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewRefused(t)
					old, release := stepDown(h, op, path)
					h.Spent(0, 1)
					if oldFirst {
						release()
						h.Fails(<-old, 400, "10001", "1 of 5")
						h.Spent(1, 0)
						h.Fails(h.Read("token", nil), 400, "no request was sent", "10001")
						h.Fails(h.Write("config/verify", nil), 400, "10001", "2 of 5")
					} else {
						h.Fails(h.Send(t.Context(), op, path, nil), 400, "10001", "2 of 5")
						h.Spent(1, 1)
						release()
						h.Fails(<-old, 400, "10001", "2 of 5")
					}
					h.Spent(2, 0)
					h.Wrongly(2)
					h.Restart()
					h.Pass(time.Hour)
					h.Fails(h.Read("token", nil), 400, "no request was sent", "10001", "2 of 5")
					h.Called(3, 0)
				})
			})
		}
	}
}

// Finicity accepts the old node's call, and its answer is late. Meanwhile the secret
// has changed, and the new node was refused.
func TestALateSuccessTakesNothingBackThatCameAfterIt(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]fakefinicity.Fault{
		"stopped": mounttest.Rejections()["10001"], "locked": mounttest.Rejections()["locked"],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				old, release := stepDown(h, logical.ReadOperation, "token")
				h.Fake.Order(refusal)
				h.Fails(h.Read("token", nil), 400, refusal.Body[8:13])
				h.Spent(1, 1)
				want := mounttest.Fields{"authentication": name, "rejected_attempts": 1, "attempts_left": 2}
				for _, field := range []string{"last_error", "last_error_time"} {
					want[field] = statusNow(h)[field]
				}
				statusShows(h, want)
				release()
				h.Succeeds(<-old)
				h.Spent(1, 0)
				want["attempts_left"] = 3
				statusShows(h, want)
				h.B.InvalidateKey(t.Context(), "config")
				h.Token() // The token is valid, whichever node has fetched it.
			})
		})
	}
}

// A deposed node cannot write, so it cannot give back its charge either.
func TestAnAttemptWhoseNodeWasDeposedStaysCharged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewRefused(t)
		old, release := stepDown(h, logical.ReadOperation, "token")
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config")})
		release()
		h.Fails(<-old, 400, "10001")
		h.Spent(0, 1)
		h.Fails(h.Write("config/verify", nil), 400, "10001", "2 of 5")
		h.Spent(1, 1)
		h.Fails(h.Write("config/verify", nil), 400, "10001", "3 of 5")
		h.Spent(2, 1)
		h.Wrongly(3)
	})
}

// The outcome of a call belongs in the state that the next node has stored in the
// meantime, whose settings are newer.
func TestAnAnswerIsAppliedToTheStateOfTheNodeThatTookOver(t *testing.T) {
	t.Parallel()
	sent := func(h *mounttest.Harness) (s secrets.Secret) {
		for _, s = range h.Stored().Secrets.Secrets {
			if s.Origin == secrets.Sent {
				return s
			}
		}
		h.T.Fatal("the secret that was sent is gone")
		return s
	}
	for name, test := range map[string]struct {
		op    logical.Operation
		path  string
		enter func(h *mounttest.Harness)
		check func(h *mounttest.Harness, a mounttest.Answer)
	}{
		"an accepted read": {
			logical.ReadOperation, "token", func(*mounttest.Harness) {},
			func(h *mounttest.Harness, a mounttest.Answer) {
				h.Succeeds(a)
				if h.Token() != a.Data["token"] {
					h.T.Error("its token is not stored")
				}
				h.Spent(0, 0)
			},
		},
		"a refused read": {
			logical.ReadOperation, "token", func(h *mounttest.Harness) { h.Fake.Order(mounttest.Rejections()["10001"]) },
			func(h *mounttest.Harness, a mounttest.Answer) {
				h.Fails(a, 400, "10001")
				h.Spent(1, 0)
				if storedSecret(h, mounttest.PartnerSecret).Refused.IsZero() {
					h.T.Error("the refusal is not stored")
				}
			},
		},
		"an unanswered read": {
			logical.ReadOperation, "token", func(h *mounttest.Harness) { h.Answering(503, "maintenance", 1) },
			func(h *mounttest.Harness, a mounttest.Answer) {
				h.Fails(a, 502, "maintenance")
				h.Spent(0, 0)
			},
		},
		"an acknowledged change": {
			logical.UpdateOperation, "rotate-root", func(*mounttest.Harness) {},
			func(h *mounttest.Harness, a mounttest.Answer) {
				h.Succeeds(a)
				if s := sent(h); s.Acknowledged.IsZero() || s.Proven.IsZero() {
					h.T.Error("the new secret is not proven")
				}
				statusShows(h, mounttest.Fields{"last_vault_rotation": a.Data["last_vault_rotation"]})
				h.Resolved()
			},
		},
		"a refused change": {
			logical.UpdateOperation, "rotate-root", func(h *mounttest.Harness) { h.Fake.Order(mounttest.Rejections()["10026"]) },
			func(h *mounttest.Harness, a mounttest.Answer) {
				h.Fails(a, 400, "10026")
				if sent(h).Denied.IsZero() {
					h.T.Error("the refusal of the change is not stored")
				}
				h.Spent(1, 0)
			},
		},
		"a change without an answer": {
			logical.UpdateOperation, "rotate-root", func(h *mounttest.Harness) { h.Answering(504, "", 1) },
			func(h *mounttest.Harness, a mounttest.Answer) {
				h.Fails(a, 400, "unknown")
				statusShows(h, mounttest.Fields{"rotation_pending": true})
				h.Spent(0, 0)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				old, release := atTheDoor(h, test.op, test.path)
				h.Succeeds(h.Write("config", mounttest.Fields{"request_timeout": "45s", "rotation_period": "720h"}))
				test.enter(h)
				release()
				a := <-old
				h.B.InvalidateKey(t.Context(), "config")
				if set := h.Stored().Settings; set.RequestTimeout != 45*time.Second || set.Schedule.Period != 30*day {
					t.Error("the settings of the new node are gone")
				}
				test.check(h, a)
			})
		})
	}
}

// The next node has stored the same secret for another address, untried. Finicity's
// answer at the old address says nothing about the new one.
func TestALateAnswerSaysNothingAboutAnotherAddress(t *testing.T) {
	t.Parallel()
	for name, accepted := range map[string]bool{"accepted": true, "refused": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				if !accepted {
					h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
				}
				old, release := stepDown(h, logical.UpdateOperation, "config/verify")
				h.Succeeds(h.Write("config", joined(move(elsewhere, mounttest.PartnerSecret), mounttest.Fields{"verify_connection": false})))
				release()
				<-old
				if s, _ := h.Stored().Secrets.Current(); s.Place != elsewhere || !s.Proven.IsZero() || !s.Refused.IsZero() {
					t.Errorf("the secret of the new address is proven: %v, refused: %v", !s.Proven.IsZero(), !s.Refused.IsZero())
				}
				h.B.InvalidateKey(t.Context(), "config")
				h.Fake.SetSecret(mounttest.PartnerID, mounttest.PartnerSecret)
				h.Succeeds(h.Write("config/verify", nil))
				h.Token()
				h.Called(3, 0)
			})
		})
	}
}

// The next node has moved the mount to another partner, untried. Finicity's answer
// about the old partner says nothing about the new one.
func TestALateAnswerSaysNothingAboutAnotherPartner(t *testing.T) {
	t.Parallel()
	for name, accepted := range map[string]bool{"accepted": true, "refused": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				if !accepted {
					h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
				}
				old, release := stepDown(h, logical.ReadOperation, "token")
				h.Succeeds(h.Write("config", joined(otherPartner(), mounttest.Fields{"verify_connection": false})))
				release()
				<-old
				if n := len(h.Stored().Secrets.Secrets); n != 1 || storedCurrent(h) != mounttest.OtherSecret {
					t.Errorf("%d secrets are stored for the other partner, want its own", n)
				}
				h.Restart()
				h.Token()
				h.Called(3, 0)
			})
		})
	}
}
