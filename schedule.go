// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/rotation"

	"vault-plugin-secrets-finicity/internal/finicityapi"
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
	// FailedAt is when the last rotation by schedule failed, and Failures how many have in a row. Unanswered are those among
	// them that Finicity may have carried out, and Refused those that it has refused. All of it is history once a rotation
	// has succeeded after it.
	FailedAt   time.Time `json:"failed_at,omitzero"`
	Failures   int       `json:"failures,omitempty"`
	Unanswered int       `json:"unanswered,omitempty"`
	Refused    int       `json:"refused,omitempty"`
	Error      string    `json:"error,omitempty"`
}

const (
	// maxRotationBackoff is reached with the ninth failure.
	maxRotationBackoff = 4 * time.Hour
	// refusedRotations is how many refused changes the schedule makes in a row. The attempt record alone would let it go on:
	// the tokens that are had in between are successes, and may not reset Finicity's own count.
	refusedRotations = 2
)

// periodSlack is how much sooner than its period a rotation may come. A rotation takes a moment, so without it a look that is
// exactly one period later would come too early, and a period of a minute would be two.
const periodSlack = 10 * time.Second

// next is when the next rotation is due, after the last one at the given time. Zero when none is.
func (p *plan) next(s schedule, last time.Time) time.Time {
	if s.Disabled || p.stopped(last) {
		return time.Time{}
	}
	if p.From.After(last) {
		return s.next(p.From)
	}
	return s.next(last)
}

// rotated takes note of a rotation, by whomever: what has failed before is history, whatever the clock shows.
func (p *plan) rotated() { *p = plan{From: p.From} }

// failing reports whether the last rotation by schedule failed.
func (p *plan) failing(last time.Time) bool { return p.Failures > 0 && last.Before(p.FailedAt) }

// stopped reports whether the schedule waits for a person to rotate, or to set it anew.
func (p *plan) stopped(last time.Time) bool { return p.failing(last) && p.Refused >= refusedRotations }

// retry is when a rotation that has failed is tried again, zero when it has not. One that got no answer costs an attempt to
// settle, so the next but one waits for hours.
func (p *plan) retry(last time.Time) time.Time {
	if !p.failing(last) {
		return time.Time{}
	}
	wait := min(time.Minute<<min(p.Failures-1, 8), maxRotationBackoff)
	if p.Unanswered > 1 {
		wait = min(time.Hour<<min(2*(p.Unanswered-2), 5), 24*time.Hour)
	}
	return p.FailedAt.Add(wait)
}

// redate has nothing lie in the future, as it does after the clock was set back: a rotation would be put off by as much.
// It reports whether there was anything, which is to be stored then, or it would be put off again and again. With a cron
// expression a day is no matter, and a time that was served already would come again.
func (p *plan) redate(s schedule, last *time.Time, now time.Time) (redated bool) {
	failing, ahead := p.failing(*last), now
	if s.Cron != "" {
		ahead = now.Add(24 * time.Hour)
	}
	for _, t := range []*time.Time{&p.From, last} {
		if ahead.Before(*t) {
			*t, redated = now, true
		}
	}
	at := p.FailedAt
	if now.Before(at) {
		at = now
	}
	if failing && !last.Before(at) {
		at = last.Add(1)
	}
	redated = redated || !at.Equal(p.FailedAt)
	p.FailedAt = at
	return redated
}

// due reports whether it is time to rotate. missed means that a window has passed without a rotation, so that the next one
// counts, which may have begun; to be stored.
func (p *plan) due(s schedule, last, now time.Time) (due, missed bool) {
	next := p.next(s, last)
	if next.IsZero() {
		return false, false
	}
	if s.Period > 0 {
		next = next.Add(-periodSlack)
	}
	if now.Before(next) || now.Before(p.retry(last)) {
		return false, false
	}
	if s.Window > 0 && !now.Before(next.Add(s.Window)) {
		missed = true
		p.From = now.Add(-s.Window)
		next = s.next(p.From)
	}
	return !now.Before(next), missed
}

// announced is when the next rotation will be tried, as far as the plan knows.
func (p *plan) announced(s schedule, last time.Time) time.Time {
	next, retry := p.next(s, last), p.retry(last)
	switch {
	case next.IsZero() || !retry.After(next):
		return next
	case s.Window > 0 && !retry.Before(next.Add(s.Window)):
		// Too late for this window. The retry may fall into a later one.
		if later := s.next(retry.Add(-s.Window)); later.After(retry) {
			return later
		}
	}
	return retry
}

// begun takes note of a rotation that is due, before its change is sent: a process that dies then notes nothing any more, and
// each one after it would send another change at once.
func (p *plan) begun(last, now time.Time) {
	p.failed(errNotNoted, last, now)
}

var errNotNoted = errors.New("a rotation was begun, and how it ended was not noted")

// failed takes note of a rotation that was due and failed. why must hold no secret.
func (p *plan) failed(why error, last, now time.Time) {
	if !p.failing(last) {
		p.Failures, p.Unanswered, p.Refused = 0, 0, 0
	}
	p.Failures++
	var refusal *rejection
	var silent *unanswered
	var failure *finicityapi.Error
	switch {
	case errors.As(why, &refusal), errors.As(why, &failure) && failure.Class == finicityapi.RefusedByPolicy:
		p.Refused++
	case errors.As(why, &silent), errors.Is(why, errNotNoted):
		p.Unanswered++
	}
	p.FailedAt, p.Error = now, why.Error()
}

// lastError is why the last rotation failed, empty once one has succeeded since.
func (p *plan) lastError(last time.Time) string {
	if !last.Before(p.FailedAt) {
		return ""
	}
	return p.Error
}
