// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// writeAll sends a write for each secret at the same time, and waits for the answers.
func writeAll(h *mounttest.Harness, secrets []string) (answers []mounttest.Answer) {
	var pending []<-chan mounttest.Answer
	for _, secret := range secrets {
		pending = append(pending, h.Background(func() mounttest.Answer {
			return h.Write("config", mounttest.Credentials(mounttest.Fields{"partner_secret": secret}))
		}))
	}
	for _, done := range pending {
		answers = append(answers, <-done)
	}
	return answers
}

// Twenty pipelines apply the same wrong value at the same time. Together they cost one
// attempt.
func TestTheSameWrongSecretAtOnceCostsOneAttempt(t *testing.T) {
	t.Parallel()
	for name, configured := range map[string]bool{"on a new mount": false, "on a configured mount": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.New(t)
				if configured {
					h.Configure(nil)
				}
				wrong := make([]string, 20)
				for i := range wrong {
					wrong[i] = mounttest.WrongSecret
				}
				for _, a := range writeAll(h, wrong) {
					h.Fails(a, 400, "nothing was stored")
				}
				h.Wrongly(1)
				h.Spent(1, 0)
			})
		})
	}
}

func TestManyWrongSecretsAtOnceStopAtTheLimit(t *testing.T) {
	t.Parallel()
	for name, configured := range map[string]bool{"on a new mount": false, "on a configured mount": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, limit := mounttest.New(t), 4
				if configured {
					h.Configure(nil)
					limit = 3 // The fourth is reserved for the stored credential.
				}
				var wrong []string
				for i := range 20 {
					wrong = append(wrong, h.Guess(i))
				}
				for _, a := range writeAll(h, wrong) {
					h.Fails(a, 400, "nothing was stored")
				}
				h.Wrongly(limit)
				if configured {
					h.Pass(2 * time.Hour)
					h.Token()
				}
			})
		})
	}
}

// The same right credential, twenty times at once: the first write verifies it, and the
// others change nothing.
func TestTheSameRightSecretAtOnceAuthenticatesOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.New(t)
		right := make([]string, 20)
		for i := range right {
			right[i] = mounttest.PartnerSecret
		}
		for _, a := range writeAll(h, right) {
			h.Succeeds(a)
		}
		h.Called(1, 0)
		h.Token()
	})
}

// A read is in progress with the old app key while a new one is written. The token of
// the read must not be served after that.
func TestAReadUnderWayBringsNoTokenOfTheOldAppKey(t *testing.T) {
	t.Parallel()
	for name, verify := range map[string]bool{"verified": true, "not verified": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindHoldAfter})
				read := h.Background(func() mounttest.Answer { return h.Read("token", nil) })
				synctest.Wait()
				h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
				write := h.Background(func() mounttest.Answer {
					return h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey, "verify_connection": verify})
				})
				synctest.Wait()
				h.Fake.Release()
				h.Succeeds(<-write)
				a := <-read
				h.Succeeds(a)
				for range 2 {
					a = h.Read("token", nil)
					if token, _ := a.Data["token"].(string); a.Data["app_key"] != mounttest.NewKey || !h.Fake.AcceptsToken(mounttest.PartnerID, token) {
						t.Error("the token came with the old app key")
					}
					h.Restart()
				}
				h.Called(3, 0)
			})
		})
	}
}
