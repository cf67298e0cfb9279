// SPDX-License-Identifier: MPL-2.0

// Package schedule decides when the partner secret is due for rotation.
//
// A [Spec] is the configured schedule, and a [Plan] is its stored state. Together with
// the time of the last rotation, they determine when the next rotation is due, when a
// failed one is retried, and whether the schedule has stopped. It makes no difference
// what started the last rotation, or which request found that it had succeeded. A
// restart alone never makes a rotation due.
//
// A [Guard] pauses the schedule in a restored copy of Vault's data, which would
// otherwise change the production secret.
//
// The package has no clock, storage or network of its own. Callers pass the
// time and store what changed. All times are UTC wall-clock times without a
// monotonic reading, as [time.Time.UTC] returns them. The types are not safe
// for concurrent use.
package schedule

import "time"

// Spec is a validated rotation schedule. The zero value never rotates.
type Spec struct {
	// Period is the time between two rotations, at least one minute. 0 means that the
	// schedule is a cron expression, or that there is none.
	Period time.Duration
	// Next returns the first time of the cron expression after a time in UTC, or the zero
	// time if it finds none. nil means no cron expression.
	Next func(after time.Time) time.Time
	// Window is how long after its cron time a rotation may still start. 0 disables the
	// limit.
	Window time.Duration
	// Disabled suspends the schedule without discarding it.
	Disabled bool
}

// periodSlack is how much less than its period a rotation may wait. A rotation
// takes a moment, so without the slack a check exactly one period later would
// be too early, and a period of one minute would become two.
const periodSlack = 10 * time.Second

// next returns the first scheduled time after another time, in UTC if the
// schedule is a cron expression. It is zero if there is none.
func (s Spec) next(after time.Time) time.Time {
	switch {
	case s.Period > 0:
		return after.Add(s.Period)
	case s.Next != nil:
		return s.Next(after.UTC())
	default:
		return time.Time{}
	}
}

// earliest returns the first moment at which a rotation scheduled for next may
// start.
func (s Spec) earliest(next time.Time) time.Time {
	if s.Period > 0 {
		return next.Add(-periodSlack)
	}
	return next
}

// closed reports whether the window of a rotation scheduled for next is over.
func (s Spec) closed(next, now time.Time) bool {
	return s.Window > 0 && !now.Before(next.Add(s.Window))
}
