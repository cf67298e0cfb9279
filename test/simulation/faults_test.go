// SPDX-License-Identifier: MPL-2.0

package simulation

import (
	"fmt"
	"net/http"
	"time"

	"pgregory.net/rapid"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
)

// answerOf is an answer that did not come from Finicity, or that belongs to another
// call.
type answerOf struct {
	text   string
	status int
	body   string
}

func (a answerOf) in(f fakefinicity.Fault) fakefinicity.Fault {
	f.Status, f.Body = a.status, a.body
	return f
}

func withCode(status int, code string) answerOf {
	return answerOf{fmt.Sprintf("%d %s", status, code), status, fmt.Sprintf(`{"code":%q,"message":"Refused."}`, code)}
}

// unhelpful are answers to a call that was not carried out. The 204 and the answers
// without a code come from a gateway.
func unhelpful() []answerOf {
	return []answerOf{
		{"503", 503, ""},
		{"500", 500, ""},
		{"429", 429, ""},
		{"302", 302, ""},
		{"200", 200, ""},
		{"204", http.StatusNoContent, ""},
		{"204", http.StatusNoContent, ""},
		{"401 without a code", 401, "Unauthorized"},
		{"403 without a code", 403, "<html>Forbidden</html>"},
		{"404 without a code", 404, ""},
		{"407 without a code", 407, ""},
	}
}

// misleading are answers to a call that was carried out.
func misleading() []answerOf {
	return []answerOf{
		{"403 without a code", 403, "<html>Forbidden</html>"},
		{"401 without a code", 401, "Unauthorized"},
		{"404 without a code", 404, ""},
		withCode(400, "24437"),
		withCode(400, "10005"),
		withCode(401, "10001"),
		{"204", http.StatusNoContent, ""},
	}
}

// kinds are the ways in which a call can fail.
func kinds() []fakefinicity.Kind {
	return []fakefinicity.Kind{
		fakefinicity.KindDropped, fakefinicity.KindLost, fakefinicity.KindSlow, fakefinicity.KindSlowAnswer,
		fakefinicity.KindLate, fakefinicity.KindLate, fakefinicity.KindStatus, fakefinicity.KindStatus, fakefinicity.KindCut,
		fakefinicity.KindGarbage, fakefinicity.KindTwice, fakefinicity.KindTwice,
		fakefinicity.KindMisleading, fakefinicity.KindMisleading, fakefinicity.KindMisleading,
	}
}

// fault draws a fault of Finicity. It covers every kind, and every answer that a client
// could misread.
func fault(t *rapid.T, callName string, count int) (fakefinicity.Fault, string) {
	all := append(kinds(), fakefinicity.KindEcho)
	return faultOf(t, callName, count, rapid.SampledFrom(all).Draw(t, "fault"), misleading())
}

func faultOf(t *rapid.T, callName string, count int, kind fakefinicity.Kind, wrongly []answerOf) (fakefinicity.Fault, string) {
	f := fakefinicity.Fault{Call: callName, Count: count, Kind: kind}
	text := fmt.Sprintf("%d× %s %s", count, callName, f.Kind)
	switch f.Kind {
	default:
	case fakefinicity.KindSlow, fakefinicity.KindSlowAnswer:
		f.Delay = duration(t, 10*time.Minute)
	case fakefinicity.KindLate:
		f.Delay = duration(t, 2*time.Hour)
	case fakefinicity.KindTwice:
		if rapid.Bool().Draw(t, "later") {
			f.Delay = duration(t, 2*time.Hour)
		}
	case fakefinicity.KindStatus:
		a := rapid.SampledFrom(unhelpful()).Draw(t, "answer")
		f = a.in(f)
		text += " " + a.text
		switch f.Status {
		case 429:
			f.RetryAfter = rapid.SampledFrom([]string{"", "7", "1800", "999999"}).Draw(t, "retry")
		case 302:
			f.Header = map[string]string{"Location": "http://127.0.0.1/elsewhere"}
		}
	case fakefinicity.KindMisleading:
		a := rapid.SampledFrom(wrongly).Draw(t, "answer")
		f = a.in(f)
		text += " " + a.text
		if rapid.IntRange(0, 2).Draw(t, "later") == 0 {
			f.Delay = duration(t, 2*time.Hour)
		}
	}
	if f.Delay != 0 {
		text += " " + f.Delay.String()
	}
	return f, text
}

func faultStep(t *rapid.T) step {
	if rapid.IntRange(0, 12).Draw(t, "outage") == 0 {
		count, delay := rapid.IntRange(1, 6).Draw(t, "count"), duration(t, 40*time.Second)
		return step{fmt.Sprintf("no connection to Finicity %d×, after %s", count, delay), func(w *company) { w.outage.order(count, delay) }}
	}
	name := rapid.SampledFrom([]string{
		fakefinicity.CallModifySecret, fakefinicity.CallModifySecret, fakefinicity.CallAuthenticate,
	}).Draw(t, "of")
	f, text := fault(t, name, rapid.IntRange(1, 3).Draw(t, "count"))
	return step{"Finicity: " + text, func(w *company) { w.fake.Order(f) }}
}

func diskFaultOf(t *rapid.T) diskFault {
	f := diskFault{
		op:    rapid.SampledFrom([]string{"put", "put", "put", "put", "get", "delete"}).Draw(t, "access"),
		count: rapid.SampledFrom([]int{1, 1, 2, 20, 20}).Draw(t, "count"), applied: rapid.Bool().Draw(t, "applied"),
		every: rapid.Bool().Draw(t, "every"),
	}
	most := 6
	if f.op == "put" { // Only one kind of write fails: attempts are charged but their outcomes cannot be stored, or the reverse.
		f.kind = rapid.SampledFrom([]writeKind{writeAny, writeAny, writeCharge, writeOutcome, writeOutcome, writeOther}).Draw(t, "kind")
		if f.kind != writeAny {
			most = 2
		}
	}
	f.skip = rapid.IntRange(0, most).Draw(t, "skip")
	return f
}

func (f diskFault) text() string {
	text := fmt.Sprintf("storage: %d× %s", f.count, f.op)
	if f.kind != writeAny {
		text += fmt.Sprintf(" (%s)", f.kind)
	}
	text += fmt.Sprintf(" fails after %d, applied: %v", f.skip, f.applied)
	if f.every && f.count > 1 {
		text += fmt.Sprintf(", each with %d in between", max(1, f.skip))
	}
	return text
}

func diskStep(t *rapid.T) step {
	if rapid.IntRange(0, 3).Draw(t, "heal") == 0 {
		return step{"storage heals", func(w *company) { w.disk.heal() }}
	}
	f := diskFaultOf(t)
	return step{f.text(), func(w *company) { w.disk.order(f) }}
}

func crashPointOf(t *rapid.T) crashPoint {
	applied := rapid.Bool().Draw(t, "applied")
	return crashPoint{
		skip: rapid.IntRange(0, 14).Draw(t, "skip"), applied: applied,
		continues: applied && rapid.Bool().Draw(t, "continues"),
	}
}

func (c crashPoint) text() string {
	return fmt.Sprintf("the node dies after %d accesses to storage, the next applied: %v, continues: %v",
		c.skip, c.applied, c.continues)
}

func crashStep(t *rapid.T) step {
	if rapid.Bool().Draw(t, "now") {
		cut := rapid.Bool().Draw(t, "cut")
		return step{fmt.Sprintf("the node dies (cut: %v)", cut), func(w *company) { w.die(cut) }}
	}
	c := crashPointOf(t)
	return step{c.text(), func(w *company) { w.disk.orderCrash(c) }}
}
