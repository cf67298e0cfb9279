// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"net/http"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// operatorsWork are the tasks of an operator, each with its initial state. wrong is how
// many failed attempts the task costs if nothing fails.
type operatorsWork struct {
	enter func(t *testing.T) *mounttest.Harness
	do    func(h *mounttest.Harness) mounttest.Answer
	wrong int
	// silent is set if Finicity is not called.
	silent bool
}

func writes(data mounttest.Fields) func(h *mounttest.Harness) mounttest.Answer {
	return func(h *mounttest.Harness) mounttest.Answer { return h.Write("config", data) }
}

func operatorsWorks() map[string]operatorsWork {
	configured := func(enter func(h *mounttest.Harness)) func(t *testing.T) *mounttest.Harness {
		return func(t *testing.T) *mounttest.Harness {
			t.Helper()
			h := mounttest.NewConfigured(t, nil)
			enter(h)
			return h
		}
	}
	secretReset := func(h *mounttest.Harness) { h.Fake.SetSecret(mounttest.PartnerID, mounttest.WrongSecret) }
	keyReset := func(h *mounttest.Harness) { h.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey) }
	pending := func(applied bool, then func(h *mounttest.Harness)) func(h *mounttest.Harness) {
		return func(h *mounttest.Harness) {
			h.Interrupt(applied)
			h.Pass(time.Minute)
			then(h)
		}
	}
	verify := func(h *mounttest.Harness) mounttest.Answer { return h.Write("config/verify", nil) }
	newKey := mounttest.Fields{"app_key": mounttest.NewKey}
	newSecret := mounttest.Fields{"partner_secret": mounttest.WrongSecret}
	unverified := mounttest.Fields{"verify_connection": false}
	return map[string]operatorsWork{
		"first write":          {mounttest.New, writes(mounttest.Credentials(nil)), 0, false},
		"first write, untried": {mounttest.New, writes(mounttest.Credentials(unverified)), 0, true},
		"new secret":           {configured(secretReset), writes(newSecret), 0, false},
		"new secret, untried":  {configured(secretReset), writes(joined(newSecret, unverified)), 0, true},
		"new secret, pending":  {configured(pending(true, secretReset)), writes(newSecret), 0, false},
		"new app key":          {configured(keyReset), writes(newKey), 0, false},
		"new app key, untried": {configured(keyReset), writes(joined(newKey, unverified)), 0, true},
		"new app key, pending": {configured(pending(true, keyReset)), writes(newKey), 0, false},
		"new app key, not arrived": {
			configured(pending(false, keyReset)), writes(newKey), 1, false,
		},
		"another address": {configured(func(*mounttest.Harness) {}), writes(move(elsewhere, mounttest.PartnerSecret)), 0, false},
		"another address, from the portal": {configured(func(h *mounttest.Harness) {
			h.Rotate()
			secretReset(h)
		}), writes(move(elsewhere, mounttest.WrongSecret)), 0, false},
		"a setting":          {configured(func(*mounttest.Harness) {}), writes(mounttest.Fields{"request_timeout": "20s"}), 0, true},
		"a setting, pending": {configured(pending(true, func(*mounttest.Harness) {})), writes(mounttest.Fields{"request_timeout": "20s"}), 0, true},
		"verify":             {configured(func(*mounttest.Harness) {}), verify, 0, false},
		"verify, rotated":    {configured(func(h *mounttest.Harness) { h.Rotate() }), verify, 0, false},
		"verify, pending":    {configured(pending(true, func(*mounttest.Harness) {})), verify, 0, false},
		"verify, not arrived": {
			configured(pending(false, func(*mounttest.Harness) {})), verify, 1, false,
		},
		"verify by force": {configured(func(*mounttest.Harness) {}), func(h *mounttest.Harness) mounttest.Answer {
			return h.Write("config/verify", mounttest.Fields{"force": true})
		}, 0, false},
	}
}

// good checks that the task is done: the mount serves a token that Finicity accepts,
// with the current secret, even after a restart, and the task has cost no unnecessary
// attempt.
func (w operatorsWork) good(h *mounttest.Harness, extra int) {
	h.T.Helper()
	h.Pass(2 * time.Hour)
	stillServes(h)
	h.Restart()
	stillServes(h)
	if current, _ := h.InEffect(); !current {
		h.T.Error("the current secret is not in effect")
	}
	atMost(h, w.wrong+extra)
	status := statusNow(h)
	if status["authentication"] != "ok" || status["storage_error"] != "" {
		h.T.Errorf("authentication is %v, the storage error %q", status["authentication"], status["storage_error"])
	}
	h.Pass(31 * day)
	if current, _ := h.InEffect(); !current {
		h.T.Error("the current secret was the outgoing one")
	}
}

// Storage fails each access in turn, before or after it took effect, and the process
// continues or dies with it. The operator repeats the command, and everything is as it
// should be. One more attempt may fail, if its first result was not stored.
func TestAnOperatorsWorkSurvivesEachFailureOfStorage(t *testing.T) {
	t.Parallel()
	for name, work := range operatorsWorks() {
		for _, on := range []mounttest.Access{
			mounttest.Put("config"), mounttest.Get("config"), mounttest.Put("salt"), mounttest.Get("salt"),
		} {
			t.Run(fmt.Sprintf("%s, %v", name, on), func(t *testing.T) {
				t.Parallel()
				accesses := 0
				synctest.Test(t, func(t *testing.T) {
					h := work.enter(t)
					before := h.Storage.Accesses(on)
					h.Succeeds(work.do(h))
					accesses = h.Storage.Accesses(on) - before
					work.good(h, 0)
				})
				if accesses == 0 && on == mounttest.Put("config") {
					t.Fatal("nothing is written")
				}
				for skip := range accesses {
					for _, applied := range []bool{false, true} {
						for _, dies := range []bool{false, true} {
							synctest.Test(t, func(t *testing.T) {
								h := work.enter(t)
								h.Storage.Fail(mounttest.Fault{On: on, Skip: skip, Applied: applied})
								a := work.do(h)
								if a.Status < http.StatusBadRequest && skip == accesses-1 && on == mounttest.Put("config") {
									t.Errorf("write %d of %d has failed (applied: %v), and the answer is a %d", skip+1, accesses, applied, a.Status)
								}
								if dies {
									h.Restart()
								}
								h.Succeeds(h.Read("status", nil))
								h.Succeeds(h.Read("config", nil))
								h.Pass(30 * time.Second) // A pending rotation waits that long, by the clock of a new process.
								h.Succeeds(work.do(h))
								work.good(h, work.wrong)
							})
						}
					}
				}
			})
		}
	}
}

// Storage is down for hours during the task, and recovers on its own. The operator does
// not repeat the command.
func TestAMountSurvivesAnOutageOfStorageDuringAnOperatorsWork(t *testing.T) {
	t.Parallel()
	for name, work := range operatorsWorks() {
		for skip := range 3 {
			t.Run(fmt.Sprintf("%s, after %d writes", name, skip), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := work.enter(t)
					h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: skip, Always: true})
					work.do(h)
					everyMinute(h, 180, func() { h.Read("token", nil) })
					atMost(h, 2)
					h.Storage.Heal()
					everyMinute(h, 3, func() {})
					h.Succeeds(work.do(h))
					work.good(h, 2)
				})
			})
		}
	}
}

// The process dies while Finicity answers. The charged attempt counts until the next
// success, and delays nothing.
func TestAnOperatorsWorkSurvivesTheDeathOfTheProcess(t *testing.T) {
	t.Parallel()
	for name, work := range operatorsWorks() {
		if work.silent {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := work.enter(t)
				deaths := 2 - work.wrong // Three attempts in total. The last one is reserved for the stored credential.
				for range deaths {
					h.Dies(func() mounttest.Answer { return work.do(h) })
					h.Succeeds(h.Read("status", nil)) // From then on, its clock runs.
					h.Pass(30 * time.Second)
				}
				unanswered := 0
				for _, a := range h.Record().Attempts {
					if a.Answered.IsZero() {
						unanswered++
					}
				}
				if unanswered != deaths {
					t.Errorf("%d attempts are counted as unanswered, want %d", unanswered, deaths)
				}
				h.Succeeds(work.do(h))
				work.good(h, deaths*work.wrong)
			})
		})
	}
}

// The answer is an error, so the mount continues as before: the engine does not store
// later, unasked, what storage did not accept.
func TestASettingThatWasNotStoredIsNotInEffect(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]mounttest.Fields{
		"a setting":         {"request_timeout": "20s", "rotation_period": "24h"},
		"an untried secret": {"partner_secret": mounttest.WrongSecret, "verify_connection": false},
		"an untried move":   joined(move(elsewhere, mounttest.PartnerSecret), mounttest.Fields{"verify_connection": false}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				before, want := h.Stored(), h.Read("config", nil).Data
				h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config")})
				h.Fails(h.Write("config", data), 500, "storage is out of order")
				for range 2 {
					if got := h.Read("config", nil).Data; !reflect.DeepEqual(got, want) {
						t.Errorf("a read shows %v, want %v", got, want)
					}
					h.Tick()
				}
				h.Unchanged(before)
				h.Pass(2 * time.Hour)
				h.Token()
				h.Wrongly(0)
			})
		})
	}
}

// A write that needs no attempt: storage does not accept a setting, and the answer is a
// 500. Is the setting in effect?
func TestASettingThatStorageDidNotTakeIsNotInEffect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := mounttest.NewConfigured(t, nil)
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Applied: true})
		before := h.Read("config", nil).Data["request_timeout"]
		h.Fails(h.Write("config", mounttest.Fields{"request_timeout": "20s"}), 500, "writing to storage")
		h.Tick()
		if got := h.Read("config", nil).Data["request_timeout"]; got != before || h.Stored().Settings.RequestTimeout != 30*time.Second {
			t.Errorf("request_timeout is %v, and %s in storage", got, h.Stored().Settings.RequestTimeout)
		}
	})
}
