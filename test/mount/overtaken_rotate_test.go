// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"net/http"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// takeovers are what another node may do while a node that is about to rotate proves
// the secret. In each case, the next step is not a change, or belongs to another mount.
func takeovers() map[string]func(h *mounttest.Harness) {
	write := func(fields mounttest.Fields) func(h *mounttest.Harness) {
		return func(h *mounttest.Harness) { h.Succeeds(h.Write("config", fields)) }
	}
	untried := mounttest.Fields{"verify_connection": false}
	return map[string]func(h *mounttest.Harness){
		"another partner":            write(otherPartner()),
		"another partner, untried":   write(joined(otherPartner(), untried)),
		"another secret, untried":    write(joined(mounttest.Fields{"partner_secret": mounttest.WrongSecret}, untried)),
		"a rotation that is pending": func(h *mounttest.Harness) { h.Interrupt(true) },
		"the first write once more": func(h *mounttest.Harness) {
			h.Succeeds(h.Remove("config", mounttest.Fields{"force": true}))
			h.Configure(joined(mounttest.Fields{"partner_secret": mounttest.WrongSecret}, untried))
		},
	}
}

// The secret is proven first, because it was stored untried. Another node takes over
// during that.
func TestARotationOfAFormerLeaderChangesNothing(t *testing.T) {
	t.Parallel()
	for name, takeOver := range takeovers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.New(t)
				h.Configure(mounttest.Fields{"verify_connection": false})
				sent := 0
				a := meanwhile(h, func() mounttest.Answer { return h.Write("rotate-root", nil) }, func() {
					takeOver(h)
					sent = changes(h)
				})
				h.Fails(a, http.StatusServiceUnavailable, "has changed in the meantime: try again")
				if n := changes(h) - sent; n != 0 {
					t.Errorf("%d changes were sent", n)
				}
				h.Wrongly(0)
			})
		})
	}
}

// The plan of the schedule is the other node's too.
func TestAScheduledRotationOfAFormerLeaderChangesNothing(t *testing.T) {
	t.Parallel()
	for name, takeOver := range takeovers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.New(t)
				h.Configure(mounttest.Fields{"verify_connection": false, "rotation_period": "1h"})
				h.Pass(time.Hour + time.Minute)
				sent, plan := 0, h.Stored().Plan
				meanwhile(h, func() mounttest.Answer { h.Tick(); return mounttest.Answer{} }, func() {
					takeOver(h)
					sent, plan = changes(h), h.Stored().Plan
				})
				if n := changes(h) - sent; n != 0 {
					t.Errorf("%d changes were sent", n)
				}
				if !reflect.DeepEqual(h.Stored().Plan, plan) {
					t.Error("the plan of the schedule has changed")
				}
				if h.Leaks.Logged("the scheduled rotation will be retried") || h.Leaks.Logged("a write to storage failed") {
					t.Error("the log says that the old plan is still followed")
				}
				h.Wrongly(0)
			})
		})
	}
}

// A rotation is due, and a pending one is resolved before it. Meanwhile the next node
// has another partner, or no schedule.
func TestAFormerLeaderRotatesByTheScheduleThatIsStored(t *testing.T) {
	t.Parallel()
	for name, takeOver := range map[string]func(h *mounttest.Harness){
		"another partner": func(h *mounttest.Harness) {
			h.Succeeds(h.Remove("config", mounttest.Fields{"force": true}))
			h.Configure(joined(otherPartner(), mounttest.Fields{"rotation_period": "1h"}))
		},
		"no schedule": func(h *mounttest.Harness) {
			h.Succeeds(h.Write("config", mounttest.Fields{"disable_automated_rotation": true}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewUnresolved(t, false, mounttest.Fields{"rotation_period": "1h"})
				h.Pass(2 * time.Hour)
				meanwhile(h, func() mounttest.Answer { h.Tick(); return mounttest.Answer{} }, func() { takeOver(h) })
				if n := changes(h); n != 1 {
					t.Errorf("%d changes were sent, want that of before", n)
				}
			})
		})
	}
}
