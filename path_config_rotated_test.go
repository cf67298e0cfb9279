// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// A copied secret that this engine has rotated away, say by a terraform apply of the first value.
func TestASecretThatWasRotatedAwayIsRefusedWithoutAnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		var away []string
		for range 5 {
			away = append(away, h.stored().Credential.Current)
			h.rotate()
			h.pass(24 * time.Hour)
		}
		token := h.token()
		h.called(7, 5)
		before, _ := h.storage.peek(configKey)
		for i, secret := range away {
			at := time.Date(2000, 1, 1+i, 0, 0, 0, 0, time.UTC).Format(time.RFC3339)
			for _, data := range []fields{
				{"partner_secret": secret},
				{"partner_secret": secret, "verify_connection": false},
				credentials(fields{"partner_secret": secret, "token_lifetime": "1h"}),
				{"partner_secret": secret, "app_key": newKey},
			} {
				h.fails(h.write("config", data), 400, `field "partner_secret"`, at, "leave the field out")
			}
			h.restart()
		}
		if after, _ := h.storage.peek(configKey); !bytes.Equal(before, after) {
			t.Error("something was stored")
		}
		if h.token() != token {
			t.Error("the token has changed")
		}
		h.called(7, 5)
		if current, _ := h.inForce(); !current {
			t.Error("the stored secret is not the one in force")
		}
		h.succeeds(h.write("config", fields{"app_key": appKey}))
	})
}

// The stored secret is the only copy, and an address that is new must not make the old value pass for a right one.
func TestANewAddressOfTheSamePartnerDoesNotBringBackASecretThatWasRotatedAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.rotate()
		want := h.stored().Credential.Current
		data := credentials(fields{"base_url": "http://127.0.0.2"})
		h.fails(h.write("config", data), 400, `field "partner_secret"`, "rotated away", "developer portal")
		data["verify_connection"] = false
		h.fails(h.write("config", data), 400, `field "partner_secret"`, "rotated away", "developer portal")
		if h.stored().Credential.Current != want {
			t.Error("the only copy of the secret is gone")
		}
		h.called(2, 1)
	})
}

// Nobody but this engine may know the secret that such a write would put another one in the place of.
func TestNothingThatMayBeTheOnlyCopyIsOverwritten(t *testing.T) {
	t.Parallel()
	cert, _ := selfSigned(t)
	for name, enter := range map[string]func(h *harness){
		"rotated":  func(h *harness) { h.rotate() },
		"given up": func(h *harness) { h.pass(2 * time.Hour); h.interrupt(false); h.pass(time.Minute); h.token() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newConfigured(t, nil)
				enter(h)
				before, _ := h.storage.peek(configKey)
				calls := h.calls(fakefinicity.CallAuthenticate)
				other := fields{"partner_id": otherID, "partner_secret": otherSecret, "app_key": otherKey}
				unverified := fields{"verify_connection": false, "partner_secret": wrongSecret, "app_key": appKey}
				for _, data := range []fields{
					other, joined(other, fields{"verify_connection": false}),
					joined(unverified, fields{"base_url": "http://127.0.0.2"}), joined(unverified, fields{"ca_cert": cert}),
				} {
					h.fails(h.write("config", data), 400, "may be the only copy", "another mount", "vault delete finicity/config first")
				}
				if after, _ := h.storage.peek(configKey); !bytes.Equal(before, after) {
					t.Error("something was stored")
				}
				if n := h.calls(fakefinicity.CallAuthenticate); n != calls {
					t.Errorf("%d calls were made", n-calls)
				}
				h.succeeds(h.remove("config", nil))
				h.succeeds(h.write("config", credentials(other)))
			})
		})
	}
}

// Whoever brings a certificate or an address may know none of the stored secrets, also when they have had one of theirs
// stored before. With these as candidates, a refusal by the other end would make the engine send them there.
func TestNoCandidateIsTakenToAnotherPlace(t *testing.T) {
	t.Parallel()
	cert, _ := selfSigned(t)
	for name, place := range map[string]fields{
		"base_url": {"base_url": "http://127.0.0.2"}, "ca_cert": {"ca_cert": cert},
	} {
		for _, verify := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, verified %v", name, verify), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := newConfigured(t, nil)
					theirs := fields{"partner_secret": wrongSecret, "app_key": appKey, "verify_connection": false}
					h.succeeds(h.write("config", theirs))
					h.fake.SetSecret(partnerID, wrongSecret) // What the other end takes.
					theirs["verify_connection"] = verify
					h.succeeds(h.write("config", joined(place, theirs)))
					if cred := h.stored().Credential; len(cred.candidates()) != 1 || cred.Untried == verify {
						t.Error("a secret of the former place may be sent to the new one")
					}
				})
			})
		}
	}
}

// Then the partner's history stays: it is the same one.
func TestAfterARotationAMoveNeedsASecretThatIsKnownToBeInForce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.rotate()
		h.fake.SetSecret(partnerID, wrongSecret) // In the portal, because nobody knows the other one.
		move := fields{"base_url": "http://127.0.0.2", "partner_secret": wrongSecret, "app_key": appKey}
		h.fails(h.write("config", move), 400, "write a new secret alone first")
		h.succeeds(h.write("config", fields{"partner_secret": wrongSecret}))
		h.succeeds(h.write("config", move))
		h.fails(h.write("config", fields{"partner_secret": partnerSecret}), 400, "rotated away")
		if cred := h.stored().Credential; cred.LastRotation.IsZero() || len(cred.Previous) != 2 {
			t.Error("the partner's history is gone")
		}
		h.token()
	})
}

// A portal can hand out the secret anew; then it is the operator who brings the next one, and nothing was rotated away.
func TestASecretThatAnOperatorReplacedMayComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		for _, secret := range []string{wrongSecret, partnerSecret} {
			h.fake.SetSecret(partnerID, secret)
			h.succeeds(h.write("config", fields{"partner_secret": secret}))
		}
		h.called(3, 0)
	})
}

func TestASecretIsRotatedAwayInWhateverWayItWasFoundOut(t *testing.T) {
	t.Parallel()
	eitherWay(t, func(t *testing.T, applied bool) {
		h := newConfigured(t, nil)
		h.pass(2 * time.Hour)
		h.interrupt(applied)
		h.pass(time.Minute)
		h.token()
		a := h.write("config", fields{"partner_secret": partnerSecret})
		if applied {
			h.fails(a, 400, "rotated away")
		} else {
			h.succeeds(a) // It is the one in force.
		}
		h.called(map[bool]int{true: 2, false: 3}[applied], 1)
	})
}

// Whoever gets hold of the entry, and of the key, gets the live secrets and those whose webhooks may still arrive, and none
// of the others.
func TestStorageHoldsNoSecretForLongerThanItsWebhooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		secrets := []string{partnerSecret}
		for range 4 {
			h.rotate()
			secrets = append(secrets, h.stored().Credential.Current)
			h.pass(50 * time.Hour)
			h.token()
		}
		kept := func(secret string) bool {
			keys, err := h.storage.List(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(keys, func(key string) bool {
				value, _ := h.storage.peek(key)
				return leaked(string(value), []string{secret}) >= 0
			})
		}
		for i, secret := range secrets {
			if got, want := kept(secret), i >= len(secrets)-2; got != want { // The one before was replaced two days ago.
				t.Errorf("secret %d of %d is in storage: %v", i+1, len(secrets), got)
			}
		}
		h.fails(h.write("config", fields{"partner_secret": wrongSecret}), 400, "10001")
		if kept(wrongSecret) {
			t.Error("a secret that was refused is in storage")
		}
	})
}

func TestTheHashOfASecretDiffersFromMountToMount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hashes := map[string]bool{}
		for range 2 {
			h := newConfigured(t, nil)
			h.rotate()
			h.guesses(1)
			hashes[h.stored().Credential.RotatedAway[0].Hash] = true
			hashes[h.record().Refused[0].Fingerprint] = true
			hashes[h.ownKey()] = true
		}
		if len(hashes) != 6 {
			t.Error("the same secret, or the same partner, has the same hash on two mounts")
		}
	})
}

func joined(a, b fields) fields {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

func TestAMoveDropsNoCandidateThatMayBeInForce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.pass(2 * time.Hour)
		h.interrupt(false)
		h.pass(time.Minute)
		h.token()
		h.fails(h.write("config", credentials(fields{"base_url": "http://127.0.0.2"})), 400, "may be the only copy")
		h.pass(25 * time.Hour)
		h.token() // Another one was accepted long after, so it is forgotten.
		h.succeeds(h.write("config", credentials(fields{"base_url": "http://127.0.0.2"})))
	})
}

// It says nothing about the stored credential.
func TestTheFailureOfAnotherAddressHoldsNoReadBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newConfigured(t, nil)
		h.pass(2 * time.Hour)
		h.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: 429, RetryAfter: "3600"})
		h.fails(h.write("config", credentials(fields{"base_url": "http://127.0.0.2"})), 502, "HTTP 429")
		h.token()
	})
}
