// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// The last of four attempts is reserved for the stored credential, which works: for the
// first refresh, and for later ones.
func TestAnUntriedTypoDoesNotTakeTheReservedAttempt(t *testing.T) {
	t.Parallel()
	for name, typo := range map[string]int{"refused before": 2, "another one": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Guesses(3)
				h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(typo), "verify_connection": false}))
				for range 4 {
					h.Pass(2 * time.Hour)
					h.Token()
				}
				h.Wrongly(3)
			})
		})
	}
}

func TestARotationDoesNotTryAnUntriedTypo(t *testing.T) {
	t.Parallel()
	for _, scheduled := range []bool{false, true} {
		t.Run(fmt.Sprint(scheduled), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, mounttest.Fields{"rotation_period": "24h"})
				use(h, 23*time.Hour)
				h.Guesses(1)
				h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(0), "verify_connection": false}))
				if scheduled {
					use(h, 2*time.Hour)
				} else {
					h.Rotate()
				}
				changed(h, 1)
				h.Wrongly(1)
			})
		})
	}
}

// The number of typos. The fourth is not sent, because apps must be able to continue
// with the stored secret.
func TestUntriedTyposStopNoApp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		for i := range 6 {
			a := h.Write("config", mounttest.Fields{"partner_secret": h.Guess(i), "verify_connection": false})
			h.Succeeds(a)
			leftOut := i >= 2
			if told := strings.Contains(fmt.Sprint(a.Warnings), "automatic attempts first use the secret that Finicity accepted last"); told != leftOut {
				t.Errorf("the warnings of write %d are %q", i, a.Warnings)
			}
			h.Pass(2 * time.Hour)
			h.Token()
		}
		h.Wrongly(2)
	})
}

// Finicity is down when apps return from a refused typo to the stored secret, and an
// operator stores another typo. The stored secret is still tried next, even in another
// process.
func TestTheStoredSecretIsTriedAfterARefusedTypo(t *testing.T) {
	t.Parallel()
	for _, typos := range []int{1, 2, 3} {
		for _, restarted := range []bool{false, true} {
			t.Run(fmt.Sprint(typos, restarted), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewConfigured(t, nil)
					h.Pass(2 * time.Hour)
					h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlow, Delay: time.Millisecond})
					h.Down()
					for i := range typos {
						untried(h, h.Guess(i))
						h.Fails(h.Read("token", nil), 502, "maintenance")
						h.Pass(time.Minute)
					}
					h.Wrongly(1)
					if now := statusNow(h); now["retry_time"] != nil {
						t.Errorf("the status is %v", now)
					}
					h.Fake.ClearFaults()
					if restarted {
						h.Restart()
						if statusNow(h)["token_available"] != true {
							t.Error("the status of a new process does not know that the stored secret may follow")
						}
					}
					h.Token()
					h.Wrongly(1)
				})
			})
		}
	}
}

// Apps use the stored secret, which is written again. They do not try a new app key on
// their own, and try nothing after a stop.
func TestTheWarningOfAnUntriedWriteNamesOnlyASecretThatIsLeftOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Guesses(3)
		for _, test := range []struct {
			write   mounttest.Fields
			leftOut bool
		}{
			{mounttest.Fields{"partner_secret": h.Guess(4), "verify_connection": false}, true},
			{mounttest.Fields{"partner_secret": mounttest.PartnerSecret, "verify_connection": false}, false},
			{mounttest.Fields{"app_key": mounttest.NewKey, "verify_connection": false}, false},
		} {
			a := h.Write("config", test.write)
			h.Succeeds(a)
			if told := strings.Contains(fmt.Sprint(a.Warnings), "automatic attempts first use the secret"); told != test.leftOut {
				t.Errorf("the warnings are %q", a.Warnings)
			}
		}
		h.Pass(2 * time.Hour)
		h.Fails(h.Read("token", nil), 400, "10026")
		a := h.Write("config", mounttest.Fields{"partner_secret": h.Guess(5), "verify_connection": false})
		h.Warned(a, "but not verified. To verify it, type vault write finicity/config/verify force=true")
	})
}

// A change was refused, and the current secret is written again to take back an untried
// one. Apps continue with it.
func TestTheCurrentSecretIsNeverLeftOut(t *testing.T) {
	t.Parallel()
	for _, typos := range []int{0, 3} {
		t.Run(fmt.Sprint(typos), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Fake.Order(fakefinicity.Fault{
					Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindStatus, Status: 400, Body: `{"code":24437,"message":"no"}`,
				})
				h.Fails(h.Write("rotate-root", nil), 400, "24437")
				h.Guesses(typos)
				h.Pass(2 * time.Hour)
				if typos == 0 {
					h.Answering(401, `{"code":10001,"message":"no"}`, 1)
					h.Fails(h.Read("token", nil), 400, "10001")
				}
				untried(h, h.Guess(7))
				untried(h, mounttest.PartnerSecret)
				h.Pass(6 * time.Minute)
				h.Token()
				h.Wrongly(typos)
			})
		})
	}
}

// An old secret is stored untried by mistake, and the current one is written again.
func TestAnOldSecretStoredUntriedIsTakenBack(t *testing.T) {
	t.Parallel()
	for _, verify := range []bool{true, false} {
		t.Run(fmt.Sprint(verify), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
				h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
				untried(h, mounttest.PartnerSecret)
				h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret, "verify_connection": verify}))
				h.Pass(2 * time.Hour)
				h.Token()
				h.Wrongly(0)
			})
		})
	}
}

// A change never arrived, and the current secret was written again. There is no other
// node.
func TestARotationAfterTheCurrentSecretWasWrittenAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Interrupt(false)
		untried(h, h.Guess(1))
		untried(h, mounttest.PartnerSecret)
		h.Pass(time.Minute)
		h.Rotate()
		h.Wrongly(0)
	})
}

// A script stores the same outdated secret, untried, again and again.
func TestAStaleSecretStoredUntriedCostsOneAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		for range 3 {
			h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret, "verify_connection": false}))
			for range 6 {
				h.Pass(time.Hour)
				h.Tick()
				h.Token()
			}
		}
		h.Wrongly(1)
	})
}

// The script's secret was in effect once, and was then replaced in the portal and by a
// rotation.
func TestAnOldSecretStoredUntriedSignsNothingAndCostsOneAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret}))
		h.Rotate()
		signs(h, mounttest.PartnerSecret, "previous")
		for day := range 10 {
			h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": mounttest.PartnerSecret, "verify_connection": false}))
			want := "previous"
			if day >= 4 {
				want = ""
			}
			signs(h, mounttest.PartnerSecret, want)
			use(h, 24*time.Hour)
			if day == 0 {
				h.Wrongly(1)
			}
		}
		signs(h, mounttest.PartnerSecret, "")
	})
}
