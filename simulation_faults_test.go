// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// fault is one of Finicity's. All that can be ordered is, with all that a client could mistake it for.
func fault(t *rapid.T, callName string, count int) fakefinicity.Fault {
	f := fakefinicity.Fault{Call: callName, Count: count, Kind: rapid.SampledFrom([]fakefinicity.Kind{
		fakefinicity.KindDropped, fakefinicity.KindLost, fakefinicity.KindSlow, fakefinicity.KindSlowAnswer,
		fakefinicity.KindLate, fakefinicity.KindLate, fakefinicity.KindStatus, fakefinicity.KindCut,
		fakefinicity.KindGarbage, fakefinicity.KindEcho,
	}).Draw(t, "fault")}
	switch f.Kind {
	default:
	case fakefinicity.KindSlow, fakefinicity.KindSlowAnswer:
		f.Delay = duration(t, 10*time.Minute)
	case fakefinicity.KindLate:
		f.Delay = duration(t, 2*time.Hour)
	case fakefinicity.KindStatus:
		f.Status = rapid.SampledFrom([]int{503, 500, 429, 403, 302, 200}).Draw(t, "status")
		switch f.Status {
		case 429:
			f.RetryAfter = rapid.SampledFrom([]string{"", "7", "1800", "999999"}).Draw(t, "retry")
		case 302:
			f.Header = map[string]string{"Location": "http://127.0.0.1/elsewhere"}
		}
	}
	return f
}

func faultText(f fakefinicity.Fault) string {
	text := fmt.Sprintf("%d× %s %s", f.Count, f.Call, f.Kind)
	if f.Delay != 0 {
		text += " " + f.Delay.String()
	}
	if f.Status != 0 {
		text += fmt.Sprintf(" %d %s", f.Status, f.RetryAfter)
	}
	return text
}

func faultStep(t *rapid.T) step {
	name := rapid.SampledFrom([]string{
		fakefinicity.CallModifySecret, fakefinicity.CallModifySecret, fakefinicity.CallAuthenticate,
	}).Draw(t, "of")
	f := fault(t, name, rapid.IntRange(1, 3).Draw(t, "count"))
	return step{"Finicity: " + faultText(f), func(w *world) { w.fake.Order(f) }}
}

func diskFaultOf(t *rapid.T) diskFault {
	if rapid.IntRange(0, 5).Draw(t, "outcomes") == 5 { // Attempts are charged, and what comes of them cannot be stored.
		return diskFault{op: "put", prefix: attemptsPrefix, left: 1, skip: 1, count: 20, every: true}
	}
	op := rapid.SampledFrom([]string{"put", "put", "put", "get", "delete"}).Draw(t, "access")
	f := diskFault{
		op: op, prefix: rapid.SampledFrom([]string{"", configKey, tokenKey, attemptsPrefix}).Draw(t, "key"),
		skip:  rapid.SampledFrom([]int{0, 1, 1, 2, 3, 4, 5, 6}).Draw(t, "skip"),
		count: rapid.SampledFrom([]int{1, 1, 2, 20, 20}).Draw(t, "count"), applied: rapid.Bool().Draw(t, "applied"),
		every: rapid.Bool().Draw(t, "every"),
	}
	f.left = f.skip
	return f
}

func diskFaultText(f diskFault) string {
	text := fmt.Sprintf("storage: %d× %s %s* fails after %d, applied: %v", f.count, f.op, f.prefix, f.skip, f.applied)
	if f.every && f.count > 1 {
		text += fmt.Sprintf(", each with %d in between", max(1, f.skip))
	}
	return text
}

func diskStep(t *rapid.T) step {
	if rapid.IntRange(0, 3).Draw(t, "heal") == 0 {
		return step{"storage heals", func(w *world) { w.disk.heal() }}
	}
	f := diskFaultOf(t)
	return step{diskFaultText(f), func(w *world) {
		w.disk.mu.Lock()
		defer w.disk.mu.Unlock()
		w.disk.faults = append(w.disk.faults, f)
	}}
}

func crashPointOf(t *rapid.T) crashPoint {
	applied := rapid.Bool().Draw(t, "applied")
	return crashPoint{
		skip: rapid.IntRange(0, 14).Draw(t, "skip"), applied: applied,
		goesOn: applied && rapid.Bool().Draw(t, "goesOn"),
	}
}

func crashText(c crashPoint) string {
	return fmt.Sprintf("the node dies after %d accesses to storage, the next applied: %v, goes on: %v",
		c.skip, c.applied, c.goesOn)
}

func crashStep(t *rapid.T) step {
	if rapid.Bool().Draw(t, "now") {
		cut := rapid.Bool().Draw(t, "cut")
		return step{fmt.Sprintf("the node dies (cut: %v)", cut), func(w *world) { w.die(cut) }}
	}
	c := crashPointOf(t)
	return step{crashText(c), func(w *world) {
		w.disk.mu.Lock()
		defer w.disk.mu.Unlock()
		w.disk.crash = &c
	}}
}
