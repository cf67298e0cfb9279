// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Operators build alarms on these lines: each change of state at info, each refusal as a warning.
func TestEachChangeOfStateIsALineInTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		since := 0
		said := func(what string, want ...string) {
			t.Helper()
			h.words.mu.Lock()
			log := h.words.log.String()
			h.words.mu.Unlock()
			added := log[since:]
			since = len(log)
			for _, line := range want {
				level, text, _ := strings.Cut(line, " ")
				if n := strings.Count(added, "["+level+"]"); n == 0 {
					t.Errorf("%s: no line at %s", what, level)
				}
				if strings.Count(added, text) != 1 {
					t.Errorf("%s: not one line with %q", what, text)
				}
			}
		}
		h.configure(fields{"rotation_period": "1h"})
		said("a write", "INFO authenticated: partner_id="+partnerID, "INFO configuration written: partner_id="+partnerID)
		h.rotate()
		said("a rotation", "INFO rotated the partner secret: partner_id="+partnerID)
		h.fake.SetSecret(partnerID, wrongSecret)
		h.pass(2 * time.Hour)
		h.fails(h.read("token", nil), 400, "10001")
		said("a refusal", "WARN authentication failed: partner_id="+partnerID, "INFO attempts: partner_id="+partnerID+" state=held")
		h.pass(5 * time.Minute)
		h.fails(h.read("token", nil), 400, "10001")
		said("another one", "WARN authentication failed: partner_id="+partnerID, "INFO attempts: partner_id="+partnerID+" state=stopped")
		h.tick()
		said("a rotation that must wait", "WARN rotation failed: partner_id="+partnerID, "INFO the rotation that is due is tried again")
		h.succeeds(h.write("config", fields{"partner_secret": wrongSecret}))
		said("the right secret", "INFO attempts: partner_id="+partnerID+" state=ok")
		h.interrupt(true)
		h.pass(time.Minute)
		said("a lost answer", "WARN rotation failed: partner_id="+partnerID)
		h.tick()
		said("settling", "INFO found out which secret is in force: partner_id="+partnerID+" new_secret=true")
		h.succeeds(h.remove("config", nil))
		said("a delete", "INFO configuration deleted: partner_id="+partnerID)
	})
}
