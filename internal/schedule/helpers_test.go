// SPDX-License-Identifier: MPL-2.0

package schedule

import "time"

func at(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		panic(err)
	}
	return t
}

// daily returns the Next of a cron expression for one time on matching days, in the
// location of its argument, as a cron parser does.
func daily(hour, minute int, match func(day time.Time) bool) func(time.Time) time.Time {
	return func(after time.Time) time.Time {
		for i := range 9 * 366 {
			t := time.Date(after.Year(), after.Month(), after.Day()+i, hour, minute, 0, 0, after.Location())
			if t.After(after) && match(t) {
				return t
			}
		}
		return time.Time{}
	}
}

func everyDay(time.Time) bool         { return true }
func firstOfMonth(day time.Time) bool { return day.Day() == 1 }
func sunday(day time.Time) bool       { return day.Weekday() == time.Sunday }
func leapDay(day time.Time) bool      { return day.Month() == time.February && day.Day() == 29 }

// hourly is "0 * * * *".
func hourly(after time.Time) time.Time { return after.Truncate(time.Hour).Add(time.Hour) }

// once returns a Next that finds only one time, like a parser that gives up after five
// years.
func once(t time.Time) func(time.Time) time.Time {
	return func(after time.Time) time.Time {
		if t.After(after) {
			return t
		}
		return time.Time{}
	}
}
