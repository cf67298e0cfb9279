// SPDX-License-Identifier: MPL-2.0

package schedule

import "time"

// Outcome is how a scheduled rotation failed.
type Outcome int

const (
	// Failed means that the secret has certainly not changed and Finicity has not refused
	// anything: nothing was sent, or storage failed.
	Failed Outcome = iota
	// Refused means that Finicity refused the change, by policy or otherwise.
	Refused
	// Unanswered means that Finicity might have carried out the change.
	Unanswered
)

const (
	// maxRetryWait is reached with the ninth failure in a row.
	maxRetryWait = 4 * time.Hour
	// maxUnansweredWait is reached with the fifth unanswered rotation.
	maxUnansweredWait = 24 * time.Hour
	// maxRefused is how many refused changes in a row stop the schedule. The attempt
	// record alone would let the schedule continue: every token fetched in between is
	// a success, which might not reset Finicity's own count.
	maxRefused = 2
	// cronTolerance is how far in the future a recorded time may be with a cron
	// expression. See [Plan.Redate].
	cronTolerance = 24 * time.Hour
)

// outcomeNotRecorded is the error of a rotation that started and never reported
// back, because the process ended.
const outcomeNotRecorded = "a rotation was started, and its outcome was not recorded"

// Plan is the stored state of a schedule. To start a new one, set it to
// Plan{From: now}: the first rotation is due at the next scheduled time after
// From.
//
// The methods take last, the time of the last rotation, zero if there was none.
// The failures before last are history and have no effect.
type Plan struct {
	// From is when the schedule was set, or where it resumed after a missed
	// window.
	From time.Time `json:"from,omitzero"`
	// FailedAt is when the last scheduled rotation failed, and Error is why.
	FailedAt time.Time `json:"failed_at,omitzero"`
	// Failures counts the failures in a row. Unanswered and Refused count those
	// among them with that outcome.
	Failures   int    `json:"failures,omitempty"`
	Unanswered int    `json:"unanswered,omitempty"`
	Refused    int    `json:"refused,omitempty"`
	Error      string `json:"error,omitempty"`
}

// Due reports whether a rotation should start now.
//
// missed means that a window has closed without a rotation, which has changed
// the plan; the caller must store it. Both results are true if the window of a
// later scheduled time is already open.
func (p *Plan) Due(spec Spec, last, now time.Time) (due, missed bool) {
	next := p.next(spec, last)
	switch {
	case next.IsZero(), now.Before(spec.earliest(next)), now.Before(p.Retry(last)):
		return false, false
	case !spec.closed(next, now):
		return true, false
	}
	p.From = now.Add(-spec.Window)
	next = spec.next(p.From)
	return !next.IsZero() && !now.Before(next), true
}

// Announced returns when the next rotation starts, as far as the plan knows: the
// scheduled time or a later retry. It is zero if no rotation will start. A time in the
// past means that the next check starts the rotation, or finds its window closed.
func (p *Plan) Announced(spec Spec, last time.Time) time.Time {
	next, retry := p.next(spec, last), p.Retry(last)
	if next.IsZero() || !retry.After(next) {
		return next
	}
	if !spec.closed(next, retry) {
		return retry
	}
	next = spec.next(retry.Add(-spec.Window))
	if !next.IsZero() && next.Before(retry) {
		return retry
	}
	return next
}

// next returns the scheduled time of the next rotation, zero if there is none.
func (p *Plan) next(spec Spec, last time.Time) time.Time {
	switch {
	case spec.Disabled, p.Stopped(last):
		return time.Time{}
	case p.From.After(last):
		return spec.next(p.From)
	default:
		return spec.next(last)
	}
}

// Retry returns the time before which a failed rotation is not retried. It is
// zero if the last rotation did not fail.
//
// The wait doubles from one minute to four hours. From the second unanswered
// rotation on it is at least an hour, and up to a day: each of them costs an
// authentication attempt to find out which secret is in effect.
func (p *Plan) Retry(last time.Time) time.Time {
	if !p.failing(last) {
		return time.Time{}
	}
	wait := min(time.Minute<<min(p.Failures-1, 8), maxRetryWait)
	if p.Unanswered > 1 {
		wait = max(wait, min(time.Hour<<min(2*(p.Unanswered-2), 5), maxUnansweredWait))
	}
	return p.FailedAt.Add(wait)
}

// Stopped reports whether the schedule has stopped, because Finicity refused
// two changes in a row. It resumes after a rotation by an operator, after
// [Plan.CredentialReplaced], or when the schedule changes.
func (p *Plan) Stopped(last time.Time) bool {
	return p.failing(last) && p.Refused >= maxRefused
}

// LastError returns why the last scheduled rotation failed. It is empty once a
// rotation has succeeded since then.
func (p *Plan) LastError(last time.Time) string {
	if !p.failing(last) {
		return ""
	}
	return p.Error
}

// failing reports whether a scheduled rotation has failed since the last
// rotation.
func (p *Plan) failing(last time.Time) bool {
	return p.Failures > 0 && last.Before(p.FailedAt)
}

// Begun records that a rotation starts. The caller must store the plan before
// the change is sent: a process that crashes during the call can't record it, and after
// each restart the engine would immediately send another change.
//
// Begun counts as an unanswered rotation. If the rotation fails, call
// [Plan.Failed] on a copy made before Begun, or it counts twice.
func (p *Plan) Begun(last, now time.Time) {
	p.Failed(Unanswered, outcomeNotRecorded, last, now)
}

// Failed records that a scheduled rotation failed. The message is shown to
// operators: it must not be empty and must not contain a secret.
func (p *Plan) Failed(outcome Outcome, message string, last, now time.Time) {
	if !p.failing(last) {
		*p = Plan{From: p.From}
	}
	p.Failures++
	switch outcome {
	case Refused:
		p.Refused++
	case Unanswered:
		p.Unanswered++
	case Failed:
	}
	p.FailedAt, p.Error = laterThan(last, now), message
}

// Rotated records that the secret was rotated, by the schedule or by an
// operator. The failures before it become history even if the clock was set
// back and last is earlier than they are.
func (p *Plan) Rotated() { *p = Plan{From: p.From} }

// CredentialReplaced records that an operator wrote another secret or app key.
// It resumes a stopped schedule, because Finicity might have refused the old
// credential. The wait before the next retry stays.
func (p *Plan) CredentialReplaced() { p.Refused = 0 }

// Redate clamps recorded times to now after the clock was set back; otherwise
// the next rotation would be late by that much. It reports whether a time
// changed; the caller must then store the plan and last, or the same happens
// again after a restart. A second call with the same time changes nothing.
//
// With a cron expression, last and From may be up to 24 hours ahead: a delay of a day
// does not matter then, and clamping would repeat a scheduled time that was already
// used. Redate neither ends a failure nor turns a past one into a current one.
func (p *Plan) Redate(spec Spec, last *time.Time, now time.Time) (changed bool) {
	failing, limit := p.failing(*last), now
	if spec.Next != nil {
		limit = now.Add(cronTolerance)
	}
	for _, t := range []*time.Time{&p.From, last} {
		if limit.Before(*t) {
			*t, changed = now, true
		}
	}
	failedAt := p.FailedAt
	if now.Before(failedAt) {
		failedAt = now
	}
	if failing {
		failedAt = laterThan(*last, failedAt)
	}
	changed = changed || !failedAt.Equal(p.FailedAt)
	p.FailedAt = failedAt
	return changed
}

// laterThan returns t, or the first moment after last if t is not later. A
// failure that is not later than the last rotation would count as history.
func laterThan(last, t time.Time) time.Time {
	if last.Before(t) {
		return t
	}
	return last.Add(1)
}
