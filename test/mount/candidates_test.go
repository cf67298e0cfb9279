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

// withCandidate runs a test on a mount whose stored secret is right, but which has a
// wrong one to try first: a typo that a colleague stored untried, or the secret of a
// rotation that never arrived. The token has expired.
func withCandidate(t *testing.T, test func(t *testing.T, h *mounttest.Harness)) {
	t.Helper()
	for name, enter := range map[string]func(h *mounttest.Harness){
		"a typo":                        func(h *mounttest.Harness) { untried(h, h.Guess(0)) },
		"a rotation that never arrived": func(h *mounttest.Harness) { h.Interrupt(false) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				enter(h)
				h.Pass(2 * time.Hour)
				test(t, h)
			})
		})
	}
}

// recovers checks that reads eventually get a token, without an operator.
func recovers(h *mounttest.Harness) {
	h.T.Helper()
	last := mounttest.Answer{}
	for range 120 {
		h.Pass(time.Minute)
		h.Tick()
		if last = h.Read("token", nil); last.Status == 200 {
			return
		}
	}
	h.T.Errorf("after two hours a read gets a %d: %s", last.Status, h.Leaks.Hide(last.Text))
}

// throughOnce lets the next call through. The calls after it get the given answer.
func throughOnce(h *mounttest.Harness, after ...fakefinicity.Fault) {
	h.Fake.Order(append([]fakefinicity.Fault{{Kind: fakefinicity.KindSlow, Delay: time.Millisecond}}, after...)...)
}

const proxyPage = "<html><title>Proxy</title></html>"

// Power, proxy and Vault come back together, and at first the proxy answers in place of
// Finicity.
func TestAGatewayAndACandidateStopNoApp(t *testing.T) {
	t.Parallel()
	page := func(status int) fakefinicity.Fault {
		return fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: status, Body: proxyPage}
	}
	for _, restarted := range []bool{false, true} {
		for _, status := range []int{401, 403} {
			for name, order := range map[string]func(h *mounttest.Harness){
				"the gateway first":   func(h *mounttest.Harness) { h.Fake.Order(page(status)) },
				"the candidate first": func(h *mounttest.Harness) { throughOnce(h, page(status)) },
			} {
				t.Run(fmt.Sprint(name, " ", status, " ", restarted), func(t *testing.T) {
					t.Parallel()
					withCandidate(t, func(_ *testing.T, h *mounttest.Harness) {
						if restarted {
							h.Restart()
						}
						order(h)
						recovers(h)
						if n := h.Fake.Counters(mounttest.PartnerID).Rejected; n > 1 { // The candidate is sent once.
							h.T.Errorf("Finicity has refused %d attempts", n)
						}
					})
				})
			}
		}
	}
}

// Both attempts of a read reach the gateway. The proven secret has the third.
func TestAGatewayThatRefusesTwoSecretsStopsNoApp(t *testing.T) {
	t.Parallel()
	withCandidate(t, func(_ *testing.T, h *mounttest.Harness) {
		h.Answering(401, proxyPage, 2)
		recovers(h)
		h.Wrongly(0)
	})
}

// Apps try the proven secret before another typo, regardless of what happens in between.
// Otherwise the proven secret would have no attempt left.
func TestTwoTyposAndAGatewayStopNoApp(t *testing.T) {
	t.Parallel()
	page := fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 403, Body: proxyPage}
	down := fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 503, Body: "maintenance"}
	for name, enter := range map[string]func(h *mounttest.Harness){
		"a typo is verified, and a gateway answers for the proven secret": func(h *mounttest.Harness) {
			untried(h, h.Guess(0))
			throughOnce(h, page)
			h.Fails(h.Write("config/verify", nil), 400)
			untried(h, h.Guess(1))
		},
		"a gateway answers a read, and a typo is verified during an outage": func(h *mounttest.Harness) {
			h.Pass(2 * time.Hour)
			h.Fake.Order(page)
			h.Fails(h.Read("token", nil), 400)
			untried(h, h.Guess(0))
			throughOnce(h, down)
			h.Fails(h.Write("config/verify", nil), 400)
			untried(h, h.Guess(1))
		},
		"a gateway answers a read and config/verify about a typo": func(h *mounttest.Harness) {
			untried(h, h.Guess(0))
			h.Pass(2 * time.Hour)
			h.Fake.Order(page)
			h.Fails(h.Read("token", nil), 400)
			h.Fake.Order(page)
			h.Fails(h.Write("config/verify", nil), 400)
		},
		"a rotation that never arrived is verified, and then the app key changes": func(h *mounttest.Harness) {
			h.Interrupt(false)
			h.Pass(time.Minute)
			throughOnce(h, fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 401, Body: proxyPage})
			h.Fails(h.Write("config/verify", nil), 400)
			h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey)
			h.Succeeds(h.Write("config", mounttest.Fields{"app_key": mounttest.NewKey, "verify_connection": false}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				enter(h)
				h.Fake.ClearFaults()
				h.Pass(2 * time.Hour)
				recovers(h)
			})
		})
	}
}

// No engine was alive for hours, but an operator has confirmed the secret.
func TestASecretStoredUntriedIsTriedAfterALongDowntime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret) // In the portal.
		untried(h, mounttest.WrongSecret)
		h.Pass(7 * time.Hour)
		h.Restart()
		h.Token()
		h.Wrongly(0)
	})
}

// The wall clock was ahead for one start, during an outage.
func TestAClockThatWasAheadMakesNoCopy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewUnresolved(t, false, nil)
		h.SetClock(7 * time.Hour)
		h.Restart()
		h.Down()
		h.Pass(time.Minute)
		h.Tick()
		h.Read("token", nil)
		h.Fake.ClearFaults()
		h.SetClock(-7 * time.Hour)
		h.Restart()
		h.Pass(2 * time.Hour)
		recovers(h)
		h.Wrongly(1)
	})
}

// withOldSnapshot returns a mount and a snapshot from the day before, in which a
// rotation that never arrived was pending. Since then, the secret was changed in the
// portal, and three writes were refused.
func withOldSnapshot(t *testing.T) (*mounttest.Harness, map[string][]byte) {
	t.Helper()
	h := mounttest.NewUnresolved(t, false, nil)
	snapshot := h.Storage.Snapshot()
	h.Pass(time.Minute)
	h.Tick() // The engine resolves the rotation.
	h.Wrongly(1)
	use(h, 25*time.Hour)
	h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
	h.Guesses(3)
	return h, snapshot
}

// The restored record has none of the three refused writes. Each process of the copy
// detects that it is restored.
func TestACopyMakesOneAttemptHoweverOftenItIsRestarted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, snapshot := withOldSnapshot(t)
		h.Storage.Restore(snapshot)
		for range 3 {
			h.Restart()
			for range 10 {
				h.Pass(time.Minute)
				h.Tick()
				h.Read("token", nil)
			}
			h.Wrongly(1 + 4)
		}
	})
}

// When the copy restarts, it has only noted that it is alive.
func TestATickOfACopyDoesNotHideIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		untried(h, mounttest.WrongSecret) // No longer in effect when the snapshot is restored.
		snapshot := h.Storage.Snapshot()
		h.Fake.SetSecret(mounttest.PartnerID, h.Guess(9))
		h.Succeeds(h.Write("config", mounttest.Fields{"partner_secret": h.Guess(9)}))
		h.Guesses(3)
		h.Pass(7 * time.Hour)
		h.Storage.Restore(snapshot)
		h.Restart()
		h.Tick()
		h.Restart()
		use(h, 3*time.Hour)
		h.Wrongly(4)
	})
}

// The first process of the copy meets an outage. The same snapshot is restored again
// while the second process runs.
func TestACopyThatIsRestoredAgainMakesOneAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, snapshot := withOldSnapshot(t)
		h.Storage.Restore(snapshot)
		h.Restart()
		h.Down()
		h.Pass(time.Minute)
		h.Tick()
		h.Fake.ClearFaults()
		h.Restart()
		h.Read("status", nil)
		h.Storage.Restore(snapshot)
		use(h, 2*time.Hour)
		h.Wrongly(1 + 4)
	})
}

// A standby node has read storage long before the snapshot is restored. Then it takes
// over.
func TestAStandbyFindsThatItsDataMightBeACopy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewUnresolved(t, false, nil)
		snapshot := h.Storage.Snapshot()
		h.Restart()
		h.Read("status", nil)
		standby := h.B
		h.Restart()
		h.Pass(time.Minute)
		h.Tick()
		use(h, 25*time.Hour)
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		h.Guesses(3)
		h.Storage.Restore(snapshot)
		h.B = standby
		use(h, 2*time.Hour)
		h.Wrongly(1 + 4)
	})
}

// A process that started on a copy has had its success. Later its clock is set back by
// the clock of a node that continued from a snapshot.
func TestASuccessEndsTheSuspicionOfACopyWithAnyClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		use(h, time.Hour)
		snapshot := h.Storage.Snapshot()
		use(h, 12*time.Hour)
		h.Pass(7 * time.Hour)
		h.Restart()
		h.Token()
		use(h, 2*time.Hour)
		one := h.B
		h.Storage.Restore(snapshot)
		h.Restart()
		h.Tick()
		h.Pass(2 * time.Hour)
		h.Token()
		h.B = one
		h.Tick()
		h.Pass(2 * time.Hour)
		h.Token()
		if st := h.Stored(); !st.Copied.IsZero() {
			t.Errorf("the data counts as a copy since %s", st.Copied)
		}
	})
}

// After a success, the data no longer counts as a copy.
func TestACopyThatFinicityAcceptsNoLongerCountsAsOne(t *testing.T) {
	t.Parallel()
	for _, restarted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := mounttest.NewConfigured(t, nil)
			h.Pass(7 * time.Hour)
			h.Restart()
			h.Token()
			if restarted {
				h.Restart()
			}
			untried(h, h.Guess(0))
			h.Pass(2 * time.Hour)
			h.Token()
			h.Wrongly(1) // The engine tried the typo, and then the proven secret.
		})
	}
}

// A secret that Finicity has never accepted is not tried right after a candidate. It
// waits as any other does.
func TestOnlyAProvenSecretFollowsACandidate(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]func(h *mounttest.Harness) mounttest.Answer{
		"at another address": func(h *mounttest.Harness) mounttest.Answer {
			fields := move(elsewhere, h.Guess(3))
			fields["verify_connection"] = false
			return h.Write("config", fields)
		},
		"of another configuration": func(h *mounttest.Harness) mounttest.Answer {
			h.Succeeds(h.Remove("config", mounttest.Fields{"force": true}))
			return h.Write("config", mounttest.Credentials(mounttest.Fields{"partner_secret": h.Guess(3), "verify_connection": false}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewUnresolved(t, false, nil)
				h.Pass(2 * time.Hour)
				throughOnce(h)
				h.Down()
				h.Fails(h.Read("token", nil), 502, "maintenance")
				h.Fake.ClearFaults()
				h.Wrongly(1)
				h.Succeeds(store(h))
				h.Pass(2 * time.Second)
				h.Fails(h.Read("token", nil), 400)
				h.Wrongly(1)
			})
		})
	}
}

// A read that gets its token does not count as a stop, even in a process without a
// success.
func TestACandidateThatIsResolvedAtOnceAnnouncesNoStop(t *testing.T) {
	t.Parallel()
	withCandidate(t, func(t *testing.T, h *mounttest.Harness) {
		h.Restart()
		h.Read("status", nil)
		h.Pass(time.Minute)
		h.Token()
		h.Wrongly(1)
		if n := len(h.Recorded("finicity/attempts-stopped")); n > 0 {
			t.Errorf("%d stops are announced", n)
		}
		if strings.Contains(h.Leaks.Log(), "[ERROR]") {
			t.Error("something is logged at level error")
		}
	})
}

// A typo is stored untried while the rotation is unconfirmed. Finicity refuses the
// typo, and the next attempt uses the new secret.
func TestATypoHidesNoRotationThatArrived(t *testing.T) {
	t.Parallel()
	for _, restarted := range []bool{false, true} {
		t.Run(fmt.Sprint(restarted), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Interrupt(true)
				untried(h, h.Guess(0))
				if restarted {
					h.Restart()
				}
				h.Pass(2 * time.Hour)
				recovers(h)
				h.Wrongly(1)
				h.Resolved()
			})
		})
	}
}

// The engine waits because of a gateway, or the stored secret is refused too. Then apps
// try the secret that was stored untried.
func TestNoWarningNamesASecretThatAppsTry(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{"a gateway": proxyPage, "Finicity": `{"code":10001,"message":"no"}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				h.Answering(401, answer, 1)
				h.Fails(h.Read("token", nil), 400, "401")
				h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret) // In the portal.
				a := h.Write("config", mounttest.Fields{"partner_secret": mounttest.WrongSecret, "verify_connection": false})
				h.Warned(a, "stored, but not verified. To verify it")
				h.Pass(6 * time.Minute)
				h.Token()
				h.Wrongly(0)
			})
		})
	}
}

// A typo that Finicity has refused is stored while a rotation is pending. Apps try the
// pending secret.
func TestNoWarningNamesTheProvenSecretDuringARotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Guesses(1)
		h.Interrupt(true)
		a := h.Write("config", mounttest.Fields{"partner_secret": h.Guess(0), "verify_connection": false})
		h.Warned(a, "stored, but not verified. To verify it")
		h.Pass(2 * time.Hour)
		h.Token()
		h.Wrongly(1)
		h.Resolved()
	})
}
