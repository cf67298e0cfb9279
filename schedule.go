// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/rotation"
)

// schedule is when an operator wants the secret to be rotated, in Vault's standard terms: each Period, or by the Cron
// expression and then within the Window. Both zero: by hand only.
type schedule struct {
	Period time.Duration `json:"rotation_period,omitempty"`
	// Cron has five fields and is in UTC, so there are no hours that come twice or never.
	Cron string `json:"rotation_schedule,omitempty"`
	// Window is how long after its time a rotation may begin, 0 for as long as it takes.
	Window   time.Duration `json:"rotation_window,omitempty"`
	Disabled bool          `json:"disable_automated_rotation,omitempty"`
}

const (
	minRotationPeriod = time.Minute // Vault has a look about once a minute.
	maxRotationPeriod = 10 * 365 * 24 * time.Hour
)

// check is for a schedule that has been put together. Its errors name the field.
func (s schedule) check() error {
	switch {
	case s.Period != 0 && s.Cron != "":
		return errors.New(`fields "rotation_period" and "rotation_schedule" exclude each other: give one of them`)
	case s.Period != 0 && (s.Period < minRotationPeriod || s.Period > maxRotationPeriod):
		return fmt.Errorf("field %q must be 0, or between 1m and 87600h: 720h is a good one", "rotation_period")
	case s.Window != 0 && s.Cron == "":
		return fmt.Errorf("field %q needs rotation_schedule", "rotation_window")
	case s.Window != 0: // Vault's own bound.
		if err := rotation.DefaultScheduler.ValidateRotationWindow(int(s.Window / time.Second)); err != nil {
			return fmt.Errorf("field %q is too short: at least 1h, or 0 for no limit", "rotation_window")
		}
	}
	if s.Cron == "" {
		return nil
	}
	const form = `field "rotation_schedule" must be five fields of cron, in UTC, like "0 3 1 * *"`
	if n := len(strings.Fields(s.Cron)); n != 5 { // The parser takes TZ=… too, and Vault goes by UTC.
		return fmt.Errorf("%s: it has %d", form, n)
	}
	if _, err := rotation.DefaultScheduler.Parse(s.Cron); err != nil || len(s.Cron) > maxIdentifier {
		return errors.New(form) // The parser's error quotes what it was given.
	}
	if s.next(time.Unix(0, 0)).IsZero() {
		return fmt.Errorf("field %q names a day that does not come, like February 30", "rotation_schedule")
	}
	return nil
}

// next is the first time after another one, zero when there is none.
func (s schedule) next(after time.Time) time.Time {
	switch {
	case s.Period > 0:
		return after.Add(s.Period)
	case s.Cron != "":
		cron, err := rotation.DefaultScheduler.Parse(s.Cron)
		if err != nil {
			return time.Time{} // It was checked when it was written.
		}
		return cron.Next(after.UTC())
	default:
		return time.Time{}
	}
}

// plan is what has become of the schedule. When the next rotation is due follows from it and from the time of the last
// rotation, however that was begun and whoever found out that it had happened: nothing else has to be kept in step.
type plan struct {
	// From is when the schedule was set, or when a window was missed.
	From time.Time `json:"from,omitzero"`
	// FailedAt is when the last rotation by schedule failed, and Failures how many have in a row. Both are history once a
	// rotation has succeeded after it.
	FailedAt time.Time `json:"failed_at,omitzero"`
	Failures int       `json:"failures,omitempty"`
	Error    string    `json:"error,omitempty"`
}

// periodSlack is how much sooner than its period a rotation may come. A rotation takes a moment, so without it a look that is
// exactly one period later would come too early, and a period of a minute would be two.
const periodSlack = 10 * time.Second

// maxRotationBackoff is reached with the ninth failure.
const maxRotationBackoff = 4 * time.Hour

// next is when the next rotation is due, after the last one at the given time. Zero when none is.
func (p *plan) next(s schedule, last time.Time) time.Time {
	if s.Disabled {
		return time.Time{}
	}
	if p.From.After(last) {
		return s.next(p.From)
	}
	return s.next(last)
}

// retry is when a rotation that has failed is tried again, zero when it has not.
func (p *plan) retry(last time.Time) time.Time {
	if p.Failures == 0 || last.After(p.FailedAt) {
		return time.Time{}
	}
	return p.FailedAt.Add(min(time.Minute<<min(p.Failures-1, 8), maxRotationBackoff))
}

// redate has nothing lie in the future, as it does after the clock was set back: a rotation would be put off by as much.
// It reports whether there was anything, which is to be stored then, or it would be put off again and again.
func (p *plan) redate(last *time.Time, now time.Time) (redated bool) {
	for _, t := range []*time.Time{&p.From, &p.FailedAt, last} {
		if now.Before(*t) {
			*t, redated = now, true
		}
	}
	return redated
}

// due reports whether it is time to rotate. missed means that the window has passed without a rotation, so that the next
// one counts; to be stored.
func (p *plan) due(s schedule, last, now time.Time) (due, missed bool) {
	next := p.next(s, last)
	if next.IsZero() {
		return false, false
	}
	if s.Period > 0 {
		next = next.Add(-periodSlack)
	}
	switch {
	case now.Before(next):
		return false, false
	case s.Window > 0 && !now.Before(next.Add(s.Window)):
		p.From, p.Failures = now, 0
		return false, true
	default:
		return !now.Before(p.retry(last)), false
	}
}

// failed takes note of a rotation that was due and failed. why must hold no secret.
func (p *plan) failed(why string, last, now time.Time) {
	if p.retry(last).IsZero() {
		p.Failures = 0
	}
	p.Failures++
	p.FailedAt, p.Error = now, why
}

// lastError is why the last rotation failed, empty once one has succeeded since.
func (p *plan) lastError(last time.Time) string {
	if last.After(p.FailedAt) {
		return ""
	}
	return p.Error
}
