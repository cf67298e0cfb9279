// SPDX-License-Identifier: MPL-2.0

package simulation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// step is an event in the company. It is drawn before the company begins, so it is a plain
// value.
type step struct {
	text string
	do   func(w *company)
}

// GoString makes a failing schedule readable.
func (s step) GoString() string { return s.text }

type scenario []step

// GoString makes a failing schedule readable.
func (s scenario) GoString() string {
	text := "\n"
	for i, step := range s {
		text += fmt.Sprintf("  %2d. %s\n", i+1, step.text)
	}
	return text
}

// anyStep draws a step. The probabilities make faults coincide often enough.
func anyStep(t *rapid.T) step {
	switch n := rapid.IntRange(0, 99).Draw(t, "step"); {
	case n < 32:
		return requestStep(t, anyCall(t))
	case n < 37:
		return readsStep(t)
	case n < 46:
		d := duration(t, 31*day)
		return step{"time passes: " + d.String(), func(w *company) { w.pass(d) }}
	case n < 60:
		return faultStep(t)
	case n < 67:
		return togetherStep(t)
	case n < 73:
		return portalStep(t)
	case n < 80:
		return diskStep(t)
	case n < 85:
		return crashStep(t)
	case n < 88:
		return clockStepOf(t)
	case n < 90:
		return invalidateStep(t)
	case n < 94:
		return snapshotStep(t)
	case n < 96:
		return checkStep(t)
	case n < 98:
		return deleteStep(t)
	default:
		return step{"support unlocks the partner", func(w *company) { w.fake.Unlock(partnerID) }}
	}
}

// requestStep makes a request, in one of the ways in which callers make them.
func requestStep(t *rapid.T, c call) step {
	switch n := rapid.IntRange(0, 9).Draw(t, "manner"); {
	case n < 6:
		return step{c.text, func(w *company) { w.ask(c.make(w)) }}
	case n == 6:
		return step{c.text + ", in the background", func(w *company) { w.inBackground(context.Background(), c.make(w)) }}
	case n == 7:
		after := duration(t, time.Minute)
		return step{fmt.Sprintf("%s, and its caller leaves after %s", c.text, after), func(w *company) {
			ctx, leave := context.WithCancel(context.Background())
			w.inBackground(ctx, c.make(w))
			w.pass(after + time.Millisecond)
			leave()
		}}
	default:
		f := fakefinicity.Fault{Kind: fakefinicity.KindSlow, Delay: 9 * time.Second}
		if rapid.Bool().Draw(t, "applied") {
			f.Kind = fakefinicity.KindSlowAnswer
		}
		cut := rapid.Bool().Draw(t, "cut")
		n := rapid.IntRange(1, 6).Draw(t, "times")
		return step{fmt.Sprintf("%d× %s (%s), and the node dies after 2s (cut: %v)", n, c.text, f.Kind, cut), func(w *company) {
			for range n {
				w.fake.Order(f)
				w.inBackground(context.Background(), c.make(w))
				w.pass(2 * time.Second)
				w.die(cut)
				w.pass(5 * time.Second)
				w.rest()
			}
		}}
	}
}

// readsStep reads repeatedly, at intervals long enough for tokens to be refreshed and
// holds to end.
func readsStep(t *rapid.T) step {
	n := rapid.IntRange(2, 6).Draw(t, "n")
	apart := rapid.SampledFrom([]time.Duration{61 * time.Second, 6 * time.Minute, 40 * time.Minute, 91 * time.Minute, 2 * time.Hour}).Draw(t, "apart")
	return step{fmt.Sprintf("%d× read token, %s apart", n, apart), func(w *company) {
		for range n {
			w.pass(apart)
			w.ask(read())
			w.rest()
			w.ask(minute())
			w.rest()
		}
	}}
}

// togetherStep makes several requests at the same time, while Finicity is slow: those
// of a fleet of apps, or some of each kind.
func togetherStep(t *rapid.T) step {
	var calls []call
	if rapid.Bool().Draw(t, "alike") {
		calls = slices.Repeat([]call{anyCall(t)}, rapid.SampledFrom([]int{2, 3, 5, 7, 20}).Draw(t, "n"))
	} else {
		calls = rapid.SliceOfN(rapid.Custom(anyCall), 2, 4).Draw(t, "calls")
	}
	delay := duration(t, 20*time.Second)
	apart := rapid.SampledFrom([]time.Duration{0, time.Millisecond, 3 * time.Second}).Draw(t, "apart")
	text := fmt.Sprintf("all at once, %s apart, Finicity taking %s:", apart, delay)
	for _, c := range calls {
		text += " [" + c.text + "]"
	}
	return step{text, func(w *company) {
		w.fake.Order(fakefinicity.Fault{Kind: fakefinicity.KindSlowAnswer, Delay: delay, Count: 2})
		for _, c := range calls {
			w.inBackground(context.Background(), c.make(w))
			w.pass(apart)
		}
		w.awaitRequests()
	}}
}

// portalStep is a change outside the engine.
func portalStep(t *rapid.T) step {
	switch rapid.IntRange(0, 4).Draw(t, "portal") {
	case 0:
		return step{"portal: a new app key", func(w *company) { w.setPortalKey() }}
	case 1: // A wrong secret becomes right.
		return step{"portal: the wrong secret becomes the right one", func(w *company) { w.setPortal(wrongSecret) }}
	default:
		return step{"portal: a new secret", func(w *company) { w.setPortal(w.freshSecret()) }}
	}
}

func clockStepOf(t *rapid.T) step {
	by := rapid.SampledFrom([]time.Duration{
		time.Minute, -time.Minute, 4 * time.Minute, -4 * time.Minute, time.Hour, -time.Hour, 3 * time.Hour, -3 * time.Hour,
		2 * day, -2 * day, 40 * day, -40 * day,
	}).Draw(t, "by")
	return step{fmt.Sprintf("the wall clock is set by %s", by), func(w *company) { w.setClock(by) }}
}

func invalidateStep(t *rapid.T) step {
	key := rapid.SampledFrom([]string{stateKey, stateKey, "salt"}).Draw(t, "key")
	return step{"the node is told that " + key + " was written by another one", func(w *company) { w.aliveNode().invalidate(key) }}
}

func snapshotStep(t *rapid.T) step {
	if rapid.Bool().Draw(t, "taken") {
		return step{"a snapshot is taken", func(w *company) { w.takeSnapshot() }}
	}
	latest, cut := rapid.Bool().Draw(t, "latest"), rapid.Bool().Draw(t, "cut")
	return step{fmt.Sprintf("a snapshot is restored (the latest: %v, cut: %v)", latest, cut), func(w *company) {
		which := 0
		if latest {
			which = len(w.disk.snapshots) - 1
		}
		w.restoreSnapshot(which, cut)
	}}
}

func checkStep(t *rapid.T) step {
	if rapid.Bool().Draw(t, "status") {
		return step{"status and token are read", func(w *company) { w.statusAgrees() }}
	}
	return step{"webhooks arrive", func(w *company) {
		w.checkSignature(wrongSecret)
		w.checkSignature(neverRight)
	}}
}

func deleteStep(t *rapid.T) step {
	if rapid.IntRange(0, 3).Draw(t, "force") == 0 {
		return step{"delete config force=true", func(w *company) {
			w.ask(request{op: deleteOp, path: "config", data: fields{"force": true}})
		}}
	}
	return step{"delete config", func(w *company) { w.ask(request{op: deleteOp, path: "config"}) }}
}
