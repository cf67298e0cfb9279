// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// check checks a property of n schedules, or of as many as -rapid.checks says.
func check(t *testing.T, n int, property func(rt *rapid.T)) {
	t.Helper()
	t.Parallel()
	const each = 100 // rapid's default
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" || f.Name == "rapid.failfile" })
	if given || testing.Short() {
		n = each
	}
	for range n / each { // Each time with another seed.
		rapid.Check(t, property)
	}
}

func TestWhateverHappensNoSecretIsLostAndNobodyIsLockedOut(t *testing.T) {
	check(t, 2000, func(rt *rapid.T) {
		grace := rapid.Bool().Draw(rt, "grace")
		steps := scenario(rapid.SliceOfN(rapid.Custom(anyStep), 1, 24).Draw(rt, "steps"))
		w, err := simulate(t, func(w *world) {
			w.ask(request{op: updateOp, path: "config", data: credentials(fields{"secret_grace_period": grace})})
			for i, s := range steps {
				w.tell("%d. %s", i+1, s.text)
				s.do(w)
				w.rest()
			}
			w.tell("--- faults stop")
			w.recovers()
		})
		report(rt, w, steps, err)
	})
}

func report(rt *rapid.T, w *world, steps scenario, err error) {
	if err == nil {
		return
	}
	if os.Getenv("SIMULATION_TRACE") != "" {
		rt.Logf("%s", strings.Join(w.trace, "\n"))
	}
	rt.Fatalf("%v\nthe schedule: %#v", err, steps)
}

// interruption is the one thing that goes wrong with a rotation.
type interruption struct {
	text string
	// before is done before rotate-root is called, and during while it is answered. after is waited for in between.
	before func(w *world)
	after  time.Duration
	during func(w *world, leave context.CancelFunc)
}

func interruptionOf(t *rapid.T) interruption {
	nothing := func(*world, context.CancelFunc) {}
	slow := fakefinicity.Fault{
		Call:  rapid.SampledFrom([]string{fakefinicity.CallModifySecret, fakefinicity.CallAuthenticate}).Draw(t, "of"),
		Count: 1, Delay: rapid.SampledFrom([]time.Duration{9 * time.Second, 25 * time.Second}).Draw(t, "delay"),
		Kind: rapid.SampledFrom([]fakefinicity.Kind{
			fakefinicity.KindSlow, fakefinicity.KindSlow, fakefinicity.KindSlowAnswer,
		}).Draw(t, "slow"),
	}
	order := func(w *world) { w.fake.Order(slow) }
	switch n := rapid.IntRange(0, 9).Draw(t, "interruption"); {
	case n == 0:
		late := fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindLate, Count: 1}
		late.Delay = duration(t, 2*time.Hour)
		return interruption{"Finicity: " + faultText(late), func(w *world) { w.fake.Order(late) }, 0, nothing}
	case n < 3:
		f := fault(t, slow.Call, 1)
		return interruption{"Finicity: " + faultText(f), func(w *world) { w.fake.Order(f) }, 0, nothing}
	case n < 5:
		f := diskFaultOf(t)
		return interruption{
			diskFaultText(f), func(w *world) { w.disk.faults = append(w.disk.faults, f) }, time.Minute,
			func(w *world, _ context.CancelFunc) { w.disk.heal() },
		}
	case n < 7:
		c := crashPointOf(t)
		return interruption{crashText(c), func(w *world) { w.disk.crash = &c }, 0, nothing}
	case n < 9:
		cut := rapid.Bool().Draw(t, "cut")
		return interruption{
			fmt.Sprintf("the node dies while Finicity is at it (%s, cut: %v)", faultText(slow), cut),
			order, 3 * time.Second, func(w *world, _ context.CancelFunc) { w.die(cut) },
		}
	default:
		return interruption{
			fmt.Sprintf("the caller leaves while Finicity is at it (%s)", faultText(slow)),
			order, 3 * time.Second, func(w *world, leave context.CancelFunc) {
				leave()
				w.awaitRequests()
				if cfg := w.stored(); cfg.Credential.Pending != nil || cfg.Credential.LastRotation.IsZero() {
					w.violate("a rotation does not come to its end when its caller has gone")
				}
			},
		}
	}
}

// A change of secret that comes into force within the wait before settling costs no wrong attempt, one that never does
// costs one, and a later one two. Nobody but the readers is there to mend it.
func TestOneInterruptionOfARotationCostsOneAttemptAndNeedsNobody(t *testing.T) {
	check(t, 1600, func(rt *rapid.T) {
		grace := rapid.Bool().Draw(rt, "grace")
		age := rapid.SampledFrom([]time.Duration{0, 100 * time.Minute, 3 * time.Hour}).Draw(rt, "age")
		what := interruptionOf(rt)
		pace := rapid.SampledFrom([]time.Duration{
			100 * time.Millisecond, 7 * time.Second, time.Minute, 20 * time.Minute,
		}).Draw(rt, "pace")
		silence := rapid.SampledFrom([]time.Duration{0, 25 * time.Hour, 31 * 24 * time.Hour}).Draw(rt, "silence")
		w, err := simulate(t, func(w *world) { w.interrupted(grace, age, what, pace, silence) })
		report(rt, w, scenario{
			{text: fmt.Sprintf("config, with grace: %v", grace)},
			{text: "time passes: " + age.String()},
			{text: "rotate-root, and " + what.text},
			{text: "a read each " + pace.String()},
			{text: "time passes: " + silence.String()},
		}, err)
	})
}

func (w *world) interrupted(grace bool, age time.Duration, what interruption, pace, silence time.Duration) {
	w.ask(request{op: updateOp, path: "config", data: credentials(fields{"secret_grace_period": grace})})
	w.pass(age)
	what.before(w)
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	w.inBackground(ctx, request{op: updateOp, path: "rotate-root"})
	w.pass(time.Millisecond + what.after)
	what.during(w, leave)

	read := func() answer {
		a := w.ask(request{op: readOp, path: "token"})
		w.rest()
		return a
	}
	for range 30 {
		read()
		w.pass(pace)
	}
	w.pass(silence)
	// What is late comes into force within two hours; a hold is over sooner; and then all tokens are refreshed.
	for range 30 {
		read()
		w.pass(10 * time.Minute)
	}
	w.awaitRequests()
	w.undisturbed(read())
	if grace {
		w.pass(31 * 24 * time.Hour)
		read() // The old secret has ended. The token is refreshed, at the cost of an attempt when the change was late.
		w.undisturbed(read())
	}
	w.checkAttempts()

	most := 1
	for _, r := range w.fake.Requests() {
		late := r.Fault == fakefinicity.KindLate || r.Fault == fakefinicity.KindSlow && r.Status == 0
		switch {
		case r.Call != fakefinicity.CallModifySecret || !r.Applied:
		case late:
			most = 2
		default:
			most = 0 // The new secret is tried first, and it is the right one.
		}
	}
	if n := w.fake.Counters(partnerID).Rejected; n > most {
		w.violate("one interruption costs %d wrong attempts", n)
	}
}

// undisturbed checks that all is well although no person has done anything, and that the stored secret is the one that
// outlives any grace period.
func (w *world) undisturbed(a answer) {
	if a.status != http.StatusOK {
		w.violate("one interruption, and reads answer %d at last: %s", a.status, a.text)
		return
	}
	w.healthy(a)
	if record := w.disk.record(); record.state() != stateOK {
		w.violate("one interruption, and the attempts are %s at last", record.state())
	}
}
