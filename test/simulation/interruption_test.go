// SPDX-License-Identifier: MPL-2.0

package simulation

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// interruption is the single failure of a rotation.
type interruption struct {
	text string
	// before is called before rotate-root, and during while Finicity answers. after is
	// how long the company then waits.
	before func(w *company)
	after  time.Duration
	during func(w *company, leave context.CancelFunc)
}

// honestFault draws a fault that does not refuse a call with a Finicity code that
// Finicity did not send. Two such refusals stop attempts, and the second is the refusal
// of the old secret. A 24437 in answer to a change is allowed, because it does not
// count as an attempt. A 10001 in answer to a change that was carried out is also
// allowed, because a copy of the change gets that answer.
func honestFault(t *rapid.T, callName string) (fakefinicity.Fault, string) {
	wrongly := slices.DeleteFunc(misleading(), func(a answerOf) bool {
		return strings.Contains(a.body, "10005") ||
			strings.Contains(a.body, "10001") && callName == fakefinicity.CallAuthenticate
	})
	f, text := faultOf(t, callName, 1, rapid.SampledFrom(kinds()).Draw(t, "fault"), wrongly)
	if strings.Contains(f.Body, "10001") {
		f.Delay = 0 // Otherwise the old secret is still right when the answer calls it wrong.
	}
	return f, text
}

func nothing(*company, context.CancelFunc) {}

func interruptionOf(t *rapid.T) interruption {
	slow := fakefinicity.Fault{
		Call:  rapid.SampledFrom([]string{fakefinicity.CallModifySecret, fakefinicity.CallAuthenticate}).Draw(t, "of"),
		Count: 1, Delay: rapid.SampledFrom([]time.Duration{9 * time.Second, 25 * time.Second}).Draw(t, "delay"),
		Kind: rapid.SampledFrom([]fakefinicity.Kind{
			fakefinicity.KindSlow, fakefinicity.KindSlow, fakefinicity.KindSlowAnswer,
		}).Draw(t, "slow"),
	}
	order := func(w *company) { w.fake.Order(slow) }
	text := fmt.Sprintf("%s %s %s", slow.Call, slow.Kind, slow.Delay)
	switch n := rapid.IntRange(0, 11).Draw(t, "interruption"); {
	case n == 0:
		late := fakefinicity.Fault{Call: fakefinicity.CallModifySecret, Kind: fakefinicity.KindLate, Count: 1}
		late.Delay = duration(t, 2*time.Hour)
		return interruption{"Finicity: late " + late.Delay.String(), func(w *company) { w.fake.Order(late) }, 0, nothing}
	case n < 5:
		f, text := honestFault(t, slow.Call)
		return interruption{"Finicity: " + text, func(w *company) { w.fake.Order(f) }, 0, nothing}
	case n < 6:
		count := rapid.IntRange(1, 2).Draw(t, "count")
		return interruption{
			fmt.Sprintf("no connection to Finicity %d×", count), func(w *company) { w.outage.order(count, time.Second) }, 0, nothing,
		}
	case n < 8:
		f := diskFaultOf(t)
		return interruption{
			f.text(), func(w *company) { w.disk.order(f) }, time.Minute,
			func(w *company, _ context.CancelFunc) { w.disk.heal() },
		}
	case n < 9:
		c := crashPointOf(t)
		return interruption{c.text(), func(w *company) { w.disk.orderCrash(c) }, 0, nothing}
	case n < 11:
		cut := rapid.Bool().Draw(t, "cut")
		return interruption{
			fmt.Sprintf("the node dies while Finicity is at it (%s, cut: %v)", text, cut),
			order, 3 * time.Second, func(w *company, _ context.CancelFunc) { w.die(cut) },
		}
	default:
		return interruption{
			fmt.Sprintf("the caller leaves while Finicity is at it (%s)", text),
			order, 3 * time.Second, func(w *company, leave context.CancelFunc) {
				leave()
				w.awaitRequests()
				st := w.disk.configured()
				if _, pending := st.Secrets.Pending(); pending || st.LastRotation.IsZero() {
					w.violate("a rotation is not completed after its caller has left")
				}
			},
		}
	}
}

// A change that takes effect within the wait before the engine resolves the rotation
// costs no failed attempt. A change that never takes effect costs one, and a later one
// two. Apps read, Vault calls once a minute, and no operator helps.
func TestAnInterruptedRotationCostsOneAttemptAndNoOperator(t *testing.T) {
	check(t, 400, func(rt *rapid.T) {
		x := interrupted{
			grace:      rapid.Bool().Draw(rt, "grace"),
			keepsCount: rapid.IntRange(0, 3).Draw(rt, "keepsCount") == 0,
			age:        rapid.SampledFrom([]time.Duration{0, 100 * time.Minute, 3 * time.Hour}).Draw(rt, "age"),
			what:       interruptionOf(rt),
			pace: rapid.SampledFrom([]time.Duration{
				100 * time.Millisecond, 7 * time.Second, time.Minute, 20 * time.Minute,
			}).Draw(rt, "pace"),
			minutes: rapid.Bool().Draw(rt, "minutes"),
			silence: rapid.SampledFrom([]time.Duration{0, 25 * time.Hour, 31 * day}).Draw(rt, "silence"),
		}
		w, err := simulate(t, x.keepsCount, x.play)
		report(rt, w, scenario{
			{text: fmt.Sprintf("config, with grace: %v", x.grace)},
			{text: "time passes: " + x.age.String()},
			{text: "rotate-root, and " + x.what.text},
			{text: fmt.Sprintf("a read each %s (once a minute: %v)", x.pace, x.minutes)},
			{text: "time passes: " + x.silence.String()},
		}, err)
	})
}

type interrupted struct {
	grace, keepsCount  bool
	age, pace, silence time.Duration
	minutes            bool
	what               interruption
}

func (x interrupted) play(w *company) {
	w.ask(request{op: updateOp, path: "config", data: credentials(fields{"secret_grace_period": x.grace})})
	w.pass(x.age)
	x.what.before(w)
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	w.inBackground(ctx, request{op: updateOp, path: "rotate-root"})
	w.pass(time.Millisecond + x.what.after)
	x.what.during(w, leave)

	use := func(times int, pace time.Duration) (a answer) {
		for range times {
			a = w.ask(read())
			w.rest()
			if x.minutes {
				w.ask(minute())
				w.rest()
			}
			w.pass(pace)
		}
		return a
	}
	use(30, x.pace)
	if x.silence > 0 { // Vault calls once a minute, and the engine notes once an hour that it is alive. One call represents them all.
		w.pass(time.Hour)
		w.ask(minute())
		w.rest()
		w.pass(x.silence - time.Hour)
	}
	// A late change takes effect within two hours, and a hold ends sooner. Then all
	// tokens must be refreshed.
	use(30, 10*time.Minute)
	w.awaitRequests()
	w.undisturbed(use(1, 0), false)
	if x.grace {
		// The old secret has stopped working. The token is refreshed, which costs an
		// attempt if the change was late.
		w.pass(31 * day)
		use(4, 10*time.Minute)
		w.undisturbed(use(1, 0), true)
	}
	w.attempts.checkLock()
	if most, n := w.mostWrong(); n > most {
		w.violate("one interruption costs %d wrong attempts", n)
	}
}

// mostWrong returns how many failed attempts the interruption may cost. It also returns
// how many Finicity has counted, without those that a gateway made.
func (w *company) mostWrong() (most, wrong int) {
	most = 1
	twice, doubted := 0, false
	for _, r := range w.fake.Requests() {
		if r.Fault == fakefinicity.KindTwice {
			if twice++; twice == 2 {
				continue
			}
		}
		if r.Outcome == fakefinicity.OutcomeRejected || r.Outcome == fakefinicity.OutcomeLocked {
			wrong++
		}
		doubted = doubted || r.Call == fakefinicity.CallAuthenticate && r.Fault != "" && r.Status >= 400
		switch {
		case r.Call != fakefinicity.CallModifySecret || !r.Applied:
		case r.Fault == fakefinicity.KindLate, r.Fault == fakefinicity.KindSlow && r.Status == 0:
			most = 2
		case r.Fault == fakefinicity.KindMisleading: // It may also be late.
			most = 2
		case r.Fault == fakefinicity.KindTwice:
			most = 1 // The copy may make the engine try the old secret.
		default:
			most = 0 // The engine tries the new secret first, and it is right.
		}
	}
	if doubted { // A gateway has refused the new secret.
		most = max(most, 1)
	}
	return most, wrong
}

// undisturbed checks that everything works although no operator has acted.
func (w *company) undisturbed(a answer, settled bool) {
	if a.Status != http.StatusOK {
		w.violate("after one interruption, reads still answer %d: %s", a.Status, a.Text)
		return
	}
	w.healthy(a, settled)
	if shown := w.ask(status()); shown.Data["authentication"] != "ok" {
		w.violate("after one interruption, the state of attempts is %v", shown.Data["authentication"])
	}
}
