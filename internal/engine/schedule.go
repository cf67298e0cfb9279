// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/rotation"

	"vault-plugin-secrets-finicity/internal/schedule"
)

// Schedule is when to rotate the secret, in Vault's standard terms: once per Period, or
// by the Cron expression and then within the Window. If both are zero, the engine rotates
// only on request.
type Schedule struct {
	Period time.Duration `json:"rotation_period,omitempty"`
	// Cron has five fields and is in UTC, in which no hour is skipped or repeated.
	Cron string `json:"rotation_schedule,omitempty"`
	// Window is how long after its time a rotation may start. 0 disables the limit.
	Window   time.Duration `json:"rotation_window,omitempty"`
	Disabled bool          `json:"disable_automated_rotation,omitempty"`
}

const (
	minRotationPeriod = time.Minute // Vault calls Periodic about once a minute.
	maxRotationPeriod = 10 * 365 * 24 * time.Hour
)

// check checks the merged schedule, not only the fields of a write. Its errors name the
// field.
func (s Schedule) check() error {
	switch {
	case s.Period != 0 && s.Cron != "":
		return UserError(`fields "rotation_period" and "rotation_schedule" are mutually exclusive: set one of them`)
	case s.Period != 0 && (s.Period < minRotationPeriod || s.Period > maxRotationPeriod):
		return userErrorf("field %q must be 0, or between 1m and 87600h: 720h (30 days) is a good choice", "rotation_period")
	case s.Window != 0 && s.Cron == "":
		return userErrorf("field %q requires rotation_schedule", "rotation_window")
	case s.Window != 0: // Vault's own bound.
		if err := rotation.DefaultScheduler.ValidateRotationWindow(int(s.Window / time.Second)); err != nil {
			return userErrorf("field %q must be at least 1h, or 0 for no limit", "rotation_window")
		}
	}
	if s.Cron == "" {
		return nil
	}
	const form = `field "rotation_schedule" must be a five-field cron expression, in UTC, such as "0 3 1 * *"`
	if n := len(strings.Fields(s.Cron)); n != 5 { // The parser would also accept a sixth, TZ=…, but the schedule is in UTC.
		return UserError(fmt.Sprintf("%s: this one has %d fields", form, n))
	}
	cron, err := rotation.DefaultScheduler.Parse(s.Cron)
	if err != nil || len(s.Cron) > maxIdentifier {
		return UserError(form) // The parser's own error quotes the value.
	}
	if cron.Next(time.Unix(0, 0).UTC()).IsZero() {
		return userErrorf("field %q never matches a date, for example February 30", "rotation_schedule")
	}
	return nil
}

// spec returns the schedule in the form that the rules use.
func (s Schedule) spec() schedule.Spec {
	spec := schedule.Spec{Period: s.Period, Window: s.Window, Disabled: s.Disabled}
	if s.Cron == "" {
		return spec
	}
	if cron, err := rotation.DefaultScheduler.Parse(s.Cron); err == nil { // It was checked when it was written.
		spec.Next = cron.Next
	}
	return spec
}

// active reports whether the engine rotates on a schedule.
func (s Schedule) active() bool { return !s.Disabled && (s.Period != 0 || s.Cron != "") }
