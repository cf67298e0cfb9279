// SPDX-License-Identifier: MPL-2.0

package schedule

import "time"

// maxSilence is how long an engine may be silent before its data counts as a
// restored copy. An upgrade or an outage of a few hours must not pause it.
const maxSilence = 6 * time.Hour

// Guard is the restore guard. A copy of Vault's data (a disaster-recovery drill,
// a staging clone, an old snapshot) has the credential and a schedule that is
// due: it would change the production secret. A running engine therefore stores
// that it is alive, and pauses the schedule when it finds that it was not alive
// for more than six hours.
//
// The guard cannot tell a copy from a long outage. Any gap over six hours pauses
// the schedule, even if the process itself was running: after a virtual machine
// was suspended, after the clock was set ahead, or while storage refused writes.
// A copy that starts within six hours of the last write is not detected.
//
// Only scheduled rotations are paused; reads, refreshes and commands work. On the
// original mount, any one of these resumes the schedule:
//
//	vault write -f finicity/rotate-root
//	vault write -f finicity/config/verify
//	vault write finicity/config rotation_period=720h
//
// In a copy, disable the schedule instead:
//
//	vault write finicity/config disable_automated_rotation=true
//
// The zero value is a mount that has stored nothing yet, which is not paused.
type Guard struct {
	// Alive is the wall-clock time of the last write by a running engine.
	Alive time.Time `json:"alive,omitzero"`
	// Paused is when the schedule was paused, zero if it is not.
	Paused time.Time `json:"paused,omitzero"`
}

// Check pauses the schedule if now is more than six hours after Alive. A time in
// the future, after the clock was set back, becomes now. Check reports whether
// anything changed; the caller must then store the guard.
func (g *Guard) Check(now time.Time) (changed bool) {
	now = now.UTC() // A monotonic reading stands still while a machine is suspended.
	if !g.IsPaused() && g.Silent(now) {
		g.Paused, changed = now, true
	}
	for _, t := range []*time.Time{&g.Alive, &g.Paused} {
		if now.Before(*t) {
			*t, changed = now, true
		}
	}
	return changed
}

// Silent reports whether no engine was alive for more than six hours before now.
func (g *Guard) Silent(now time.Time) bool {
	return !g.Alive.IsZero() && now.UTC().Sub(g.Alive) > maxSilence
}

// Note records with a write that the engine is alive. It checks first, so a gap
// pauses the schedule even if the caller forgot [Guard.Check].
func (g *Guard) Note(now time.Time) {
	g.Check(now)
	g.Alive = now.UTC()
}

// Resume ends the pause, because an operator has confirmed that this mount owns
// the secret. The caller must store the guard.
func (g *Guard) Resume(now time.Time) { *g = Guard{Alive: now.UTC()} }

// IsPaused reports whether scheduled rotations are paused.
func (g *Guard) IsPaused() bool { return !g.Paused.IsZero() }
