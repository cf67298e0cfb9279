// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

const (
	elsewhere = "http://127.0.0.2"
	here      = "http://127.0.0.1"
)

// joined returns the fields of both. If both have a field, b's value wins.
func joined(a, b mounttest.Fields) mounttest.Fields {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// move is a write of another address with a secret and the app key.
func move(address, secret string) mounttest.Fields {
	return mounttest.Fields{"base_url": address, "partner_secret": secret, "app_key": mounttest.AppKey}
}

// A user who may write config, but does not know the secret, must not be able to send
// it to their own host.
func TestANewPlaceNeedsSecretAndAppKeyInTheSameWrite(t *testing.T) {
	t.Parallel()
	cert, _ := mounttest.SelfSigned(t)
	for name, place := range map[string]mounttest.Fields{
		"base_url":   {"base_url": elsewhere},
		"ca_cert":    {"ca_cert": cert},
		"partner_id": {"partner_id": mounttest.OtherID},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				before := h.Stored()
				for _, with := range []mounttest.Fields{
					nil, {"partner_secret": mounttest.PartnerSecret}, {"app_key": mounttest.AppKey}, {"verify_connection": false},
				} {
					h.Fails(h.Write("config", joined(place, with)), 400, "partner_secret and app_key in the same write", name)
				}
				h.Unchanged(before)
				h.Token()
				h.Called(1, 0)

				data := joined(place, mounttest.Fields{"partner_secret": mounttest.PartnerSecret, "app_key": mounttest.AppKey})
				if name == "partner_id" {
					data = otherPartner()
				}
				h.Succeeds(h.Write("config", data))
				h.Called(2, 0)
			})
		})
	}
}

// A user who writes a certificate or an address may know none of the stored secrets,
// even if they stored one of their own before. If the engine tried these there, a
// refusal by the other host would make the engine send them.
func TestNoSecretIsTakenToAnotherPlace(t *testing.T) {
	t.Parallel()
	cert, _ := mounttest.SelfSigned(t)
	for name, place := range map[string]mounttest.Fields{"base_url": {"base_url": elsewhere}, "ca_cert": {"ca_cert": cert}} {
		for _, pending := range []bool{false, true} {
			for _, verify := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, pending %v, verified %v", name, pending, verify), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						h := mounttest.NewConfigured(t, nil)
						if pending {
							h.Interrupt(false)
						}
						theirs := mounttest.Fields{"partner_secret": mounttest.WrongSecret, "app_key": mounttest.AppKey}
						h.Succeeds(h.Write("config", joined(theirs, mounttest.Fields{"verify_connection": false})))
						h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret) // The secret that the other host accepts.
						moved := h.Write("config", joined(joined(place, theirs), mounttest.Fields{"verify_connection": verify}))
						if pending && verify {
							h.Fails(moved, 400, "a rotation is pending at the current address")
							return
						}
						h.Succeeds(moved)

						// From now on, the other host accepts one of the stored secrets. Each of its
						// answers would show that it was sent.
						h.Fake.SetSecret(mounttest.PartnerID, mounttest.PartnerSecret)
						h.Pass(2 * time.Hour)
						for range 6 {
							h.Fails(h.Read("token", nil), 400)
							h.Fails(h.Write("config/verify", mounttest.Fields{"force": true}), 400)
							h.Fake.Unlock(mounttest.PartnerID)
							h.Pass(time.Hour)
							h.Tick()
						}
					})
				})
			}
		}
	}
}

// The mount moves to another address and back, without a rotation. The token and the
// secrets always belong to the current address.
func TestAMoveThereAndBackWorks(t *testing.T) {
	t.Parallel()
	for name, verify := range map[string]bool{"verified": true, "not verified": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				for i, address := range []string{elsewhere, here, elsewhere, here} {
					before := h.Token()
					h.Succeeds(h.Write("config", joined(move(address, mounttest.PartnerSecret), mounttest.Fields{"verify_connection": verify})))
					if h.Token() == before {
						t.Errorf("after move %d, the token of the other address is served", i+1)
					}
					h.Pass(3 * time.Hour)
					h.Token()
				}
				if n := len(h.Stored().Secrets.Secrets); n != 2 {
					t.Errorf("%d secrets are stored, want one for each address", n)
				}
				h.Rotate()
				h.Resolved()
				h.Wrongly(0)
			})
		})
	}
}

// The stored secret is the only copy, and a new address must not make the old value
// pass as the right one.
func TestANewAddressDoesNotBringBackAReplacedSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Rotate()
		before := h.Stored()
		data := mounttest.Credentials(mounttest.Fields{"base_url": elsewhere})
		for range 2 {
			h.Fails(h.Write("config", data), 400, `field "partner_secret"`, "replaced by a rotation", "developer portal")
			data["verify_connection"] = false
		}
		h.Unchanged(before)
		h.Called(2, 1)
	})
}

// Only this engine may know the secret. A move keeps it, and a move back makes it
// available again, even if the move was stored untried with a wrong secret.
func TestAMoveKeepsTheOnlyCopy(t *testing.T) {
	t.Parallel()
	for name, enter := range map[string]func(h *mounttest.Harness){
		"rotated":               func(h *mounttest.Harness) { h.Rotate() },
		"the answer was lost":   func(h *mounttest.Harness) { h.Interrupt(true) },
		"acknowledged, unasked": func(h *mounttest.Harness) { acknowledgedUnasked(h) },
	} {
		for _, waits := range []time.Duration{0, 40 * day} {
			t.Run(fmt.Sprintf("%s, after %s", name, waits), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewConfigured(t, nil)
					enter(h)
					changed(h, 1)
					untriedMove := mounttest.Fields{"verify_connection": false}
					h.Succeeds(h.Write("config", joined(move("http://127.0.0.3", h.Guess(0)), untriedMove)))
					h.Fails(h.Remove("config", nil), 400, "the only copy")
					h.Fails(h.Write("config", joined(otherPartner(), untriedMove)), 400, "the only copy")
					h.Pass(waits)
					h.Restart()
					h.Succeeds(h.Write("config", joined(move(here, h.Guess(1)), untriedMove)))
					h.Pass(time.Minute)
					stillServes(h)
					use(h, 3*time.Hour)
					stillServes(h)
					h.Wrongly(1) // The secret that came with the move.
				})
			})
		}
	}
}

// acknowledgedUnasked is a rotation that Finicity has carried out and acknowledged, and
// that is not proven yet.
func acknowledgedUnasked(h *mounttest.Harness) {
	h.T.Helper()
	h.Fake.Order(fakefinicity.Fault{Call: fakefinicity.CallAuthenticate, Kind: fakefinicity.KindStatus, Status: 503})
	h.Fails(h.Write("rotate-root", nil), 400, "unknown")
}

// The secret was reset in the portal, because only the engine had the previous one, and
// the address changes in the same write. The partner's history stays, because it is the
// same partner.
func TestAMoveWithASecretFromThePortalKeepsTheHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Rotate()
		rotated, at := storedCurrent(h), h.Stored().LastRotation
		h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret)
		h.Succeeds(h.Write("config", move(elsewhere, mounttest.WrongSecret)))
		h.Fails(h.Write("config", mounttest.Fields{"partner_secret": mounttest.PartnerSecret}), 400, "replaced by a rotation")
		if !h.Stored().LastRotation.Equal(at) {
			t.Error("the time of the last rotation is gone")
		}
		signs(h, mounttest.WrongSecret, "current")
		signs(h, rotated, "previous")
		signs(h, mounttest.PartnerSecret, "previous")
		h.Token()
		h.Rotate()
		h.Resolved()
	})
}

// After its retention, many people may know the secret of the former address.
func TestASecretOfAFormerPlaceStopsSigning(t *testing.T) {
	t.Parallel()
	for name, back := range map[string]bool{"moved": false, "moved back": true} {
		for _, rotates := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, after a rotation %v", name, rotates), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewConfigured(t, nil)
					if rotates {
						h.Rotate()
					}
					use(h, 2*day)
					former, now := storedCurrent(h), mounttest.WrongSecret
					h.Fake.SetSecret(mounttest.PartnerID, now)
					h.Succeeds(h.Write("config", move(elsewhere, now)))
					if back {
						use(h, 2*day)
						former, now = now, h.Guess(0)
						h.Fake.SetSecret(mounttest.PartnerID, now)
						h.Succeeds(h.Write("config", move(here, now)))
					}
					signs(h, now, "current")
					previous := "previous"
					if back { // A secret that came to another address later than one here may belong to any host.
						previous = ""
					}
					signs(h, former, previous)
					use(h, 4*day-time.Hour)
					signs(h, former, previous)
					use(h, 2*time.Hour)
					signs(h, former, "")
					// An untried move does not make it current again either.
					h.Succeeds(h.Write("config", joined(move("http://127.0.0.3", h.Guess(1)), mounttest.Fields{"verify_connection": false})))
					signs(h, former, "")
					signs(h, now, "current")
				})
			})
		}
	}
}

// Another address refused the same secret, or refused it for another partner. It may be
// right here.
func TestARefusalElsewhereIsNoVerdictOnAStoredSecret(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]mounttest.Fields{
		"another address": {"base_url": "http://localhost"},
		"another partner": {"partner_id": mounttest.OtherID},
	} {
		for _, stored := range []string{mounttest.PartnerSecret, mounttest.WrongSecret} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := mounttest.NewConfigured(t, nil)
					untried(h, mounttest.WrongSecret)
					before := h.Stored()
					h.Fake.SetSecret(mounttest.PartnerID, h.Guess(0))
					h.Fake.SetAppKey(mounttest.OtherID, mounttest.AppKey)
					h.Fails(h.Write("config", joined(mounttest.Fields{
						"base_url": here, "partner_secret": stored, "app_key": mounttest.AppKey,
					}, data)), 400, "10001")
					h.Unchanged(before)
				})
			})
		}
	}
}

// The refusal says nothing about the stored credential.
func TestTheFailureOfAnotherAddressHoldsNoReadBack(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]mounttest.Fields{
		"another address": move(elsewhere, mounttest.PartnerSecret), "another partner": otherPartner(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				h.Pass(2 * time.Hour)
				h.Fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 429, RetryAfter: "3600"})
				h.Fails(h.Write("config", write), 400, "HTTP 429")
				h.Token()
			})
		})
	}
}

// A script moves to another address each time, or the bundle of a proxy changes each
// week. The stored data is bounded, and neither the schedule nor a manual rotation
// stops because of it.
func TestManyMovesNeitherFillStorageNorStopRotation(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		verify bool
		most   int // The number of secrets, with the one of the first address.
	}{"verified": {true, 100}, "not verified": {false, 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				for i := range 150 {
					address := fmt.Sprintf("http://127.0.0.1:%d", 8000+i)
					h.Succeeds(h.Write("config", joined(move(address, mounttest.PartnerSecret), mounttest.Fields{"verify_connection": test.verify})))
				}
				if n := len(h.Stored().Secrets.Secrets); n > test.most {
					t.Errorf("%d secrets are stored, want at most %d", n, test.most)
				}
				h.Succeeds(h.Write("config/verify", nil))
				h.Rotate()
				h.Rotate()
				h.Resolved()
			})
		})
	}
}
