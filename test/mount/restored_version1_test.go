// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

func TestASnapshotOfVersion1PutsNoOldSecretAfterANewOne(t *testing.T) {
	t.Parallel()
	goldenMount(t, "rotated-once", func(t *testing.T, h *mounttest.Harness, g mounttest.Golden) {
		snapshot := h.Storage.Snapshot()
		h.Tick()
		h.Succeeds(h.Write("config", mounttest.Fields{"secret_grace_period": true}))
		h.Succeeds(h.Write("config/verify", nil))
		h.Rotate()
		inEffect := storedCurrent(h)
		use(h, 2*day)
		h.Storage.Restore(snapshot)
		use(h, 31*day) // The old one works during its grace period.
		if !h.Fake.HoldsSecret(g.Finicity.PartnerID, inEffect) {
			t.Fatal("the secret is not in effect")
		}
		h.Write("config/verify", nil)
		h.Pass(time.Hour)
		h.Write("config/verify", nil)
		h.Token()
	})
}

func TestASnapshotOfVersion1BringsNoNewAttempts(t *testing.T) {
	t.Parallel()
	goldenMount(t, "fresh", func(t *testing.T, h *mounttest.Harness, g mounttest.Golden) {
		snapshot := h.Storage.Snapshot()
		h.Tick()
		h.Succeeds(h.Write("config/verify", nil))
		h.Fake.SetSecret(g.Finicity.PartnerID, mounttest.WrongSecret)
		h.Pass(2 * time.Hour)
		before := h.Fake.Counters(g.Finicity.PartnerID).Rejected
		everyMinute(h, 60, func() { h.Read("token", nil) })
		if n := h.Fake.Counters(g.Finicity.PartnerID).Rejected - before; n != 2 {
			t.Fatal(n, "refusals")
		}
		statusShows(h, mounttest.Fields{"authentication": "stopped"})
		h.Storage.Restore(snapshot)
		everyMinute(h, 60, func() { h.Read("token", nil) })
		if n := h.Fake.Counters(g.Finicity.PartnerID).Rejected - before; n > 2 {
			t.Error(n, "automatic attempts in a row were refused with a code")
		}
	})
}

func TestTheStatusShowsThatAMigrationIsNotStored(t *testing.T) {
	t.Parallel()
	goldenMount(t, "fresh", func(t *testing.T, h *mounttest.Harness, _ mounttest.Golden) {
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Always: true})
		h.Tick()
		if statusNow(h)["storage_error"] == "" {
			t.Error("the status does not show that storage takes nothing")
		}
	})
}

func TestAMigrationThatIsRepeatedCountsNoRefusalTwice(t *testing.T) {
	t.Parallel()
	goldenMount(t, "held", func(_ *testing.T, h *mounttest.Harness, _ mounttest.Golden) {
		h.SetClock(-day)
		want := statusNow(h)["rejected_attempts"]
		h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Always: true})
		everyMinute(h, 5, func() { h.Read("status", nil) })
		h.Storage.Heal()
		h.Tick()
		statusShows(h, mounttest.Fields{"rejected_attempts": want})
	})
}

func TestASnapshotOfVersion1LetsNoReplacedSecretSign(t *testing.T) {
	t.Parallel()
	goldenMount(t, "fresh", func(_ *testing.T, h *mounttest.Harness, g mounttest.Golden) {
		snapshot := h.Storage.Snapshot()
		leaked := g.Finicity.Holds
		h.Tick()
		h.Succeeds(h.Write("config/verify", nil))
		h.Rotate()
		use(h, 6*day)
		signs(h, leaked, "")
		h.Storage.Restore(snapshot)
		use(h, 100*day)
		h.Succeeds(h.Read("token", nil))
		signs(h, leaked, "")
	})
}

// No record says that an engine was alive, so the newest token, rotation or attempt
// counts. The untried secret is wrong.
func TestOldDataOfVersion1MakeOneAttempt(t *testing.T) {
	t.Parallel()
	goldenMount(t, "untried-over-proven", func(t *testing.T, h *mounttest.Harness, g mounttest.Golden) {
		before := h.Fake.Counters(g.Finicity.PartnerID).Rejected
		h.Pass(7 * time.Hour)
		h.Fails(h.Read("token", nil), 400, "10001")
		use(h, 2*time.Hour)
		if n := h.Fake.Counters(g.Finicity.PartnerID).Rejected - before; n != 1 {
			t.Error(n, "attempts were refused")
		}
	})
}
