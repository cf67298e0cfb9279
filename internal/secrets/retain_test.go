// SPDX-License-Identifier: MPL-2.0

package secrets_test

import (
	"strings"
	"testing"
	"time"
)

// Two copies of a list start out equal. Then each changes separately: on another node,
// or in a snapshot that is restored.
func TestWhatAnotherCopyKnowsIsRetained(t *testing.T) {
	for _, test := range []struct {
		name        string
		here, there [][]string
		want        string // the secrets, in order
		superseded  string // those of them that are
	}{
		{"what was sent", nil, [][]string{do("propose", "b")}, "a b", ""},
		{"not what was merely brought", nil, [][]string{do("bring", "x")}, "a", ""},
		{"what was brought and accepted since", nil, [][]string{do("write", "x")}, "a x", ""},
		{"not if that was before the last success here", [][]string{do("pass", "1h"), do("accept", "a")}, [][]string{do("write", "x")}, "a", ""},
		{"in the order of arrival", [][]string{do("pass", "1h"), do("propose", "c")}, [][]string{do("propose", "b")}, "a b c", ""},
		{"before what only this copy has", [][]string{do("propose", "c")}, [][]string{do("pass", "1h"), do("propose", "b"), do("propose", "d")}, "a b d c", ""},
		{"after the one before it", [][]string{do("propose", "b"), do("propose", "c")}, [][]string{do("propose", "b"), do("propose", "d")}, "a b d c", ""},
		{
			"as superseded by what was proven since",
			[][]string{do("pass", "1h"), do("propose", "c"), do("accept", "c")},
			[][]string{do("propose", "b"), do("accept", "b")},
			"a b c", "a b",
		},
		{
			"not by what was proven before",
			[][]string{do("pass", "1h"), do("propose", "c"), do("accept", "c")},
			[][]string{do("propose", "b"), do("pass", "2h"), do("accept", "b")},
			"a b c", "a",
		},
		{
			"nor by one of another address",
			[][]string{do("move", "there"), do("pass", "1h"), do("write", "c")},
			[][]string{do("propose", "b"), do("accept", "b")},
			"a b c", "",
		},
		{
			"not when it is too old",
			[][]string{do("pass", "1h"), do("propose", "c"), do("accept", "c"), do("pass", "98h"), do("accept", "c")},
			[][]string{do("propose", "b"), do("accept", "b")},
			"c", "",
		},
		{
			"at another address it is another secret",
			[][]string{do("propose", "b")},
			[][]string{do("move", "there"), do("propose", "b")},
			"a b b", "",
		},
	} {
		begin := [][]string{do("write", "a")}
		here, there := play(t, append(begin, test.here...)...), play(t, append(begin, test.there...)...)
		here.list.Retain(there.list, false)
		var all, superseded []string
		for _, s := range here.list.Secrets {
			if all = append(all, s.Value.Reveal()); !s.Superseded.IsZero() {
				superseded = append(superseded, s.Value.Reveal())
			}
		}
		if got := strings.Join(all, " "); got != test.want || strings.Join(superseded, " ") != test.superseded {
			t.Errorf("%s: the list is %s, and %v are superseded", test.name, got, superseded)
		}
		if here.list.Retain(there.list, false) && test.name != "not when it is too old" {
			t.Errorf("%s: it is retained twice", test.name)
		}
	}
}

// Age has removed the common secrets from one of the copies.
func TestWithoutACommonSecretTheLaterSuccessIsNewer(t *testing.T) {
	for _, test := range []struct {
		name        string
		here, there string
		undated     bool
		want        string
	}{
		{"this copy is newer", "2h", "1h", false, "b a"},
		{"the other one is", "1h", "2h", false, "a b"},
		{"this one has no times", "2h", "1h", true, "a b"},
	} {
		here, there := play(t, do("pass", test.here), do("write", "a")), play(t, do("pass", test.there), do("propose", "b"), do("accept", "b"))
		here.list.Retain(there.list, test.undated)
		if got := here.list.Secrets[0].Value.Reveal() + " " + here.list.Secrets[1].Value.Reveal(); got != test.want {
			t.Errorf("%s: the list is %s", test.name, got)
		}
	}
}

func TestAnOlderSecretIsRetainedBeforeACommonOne(t *testing.T) {
	here := play(t, do("write", "a"))
	there := play(t, do("propose", "b"), do("accept", "b"), do("write", "a"), do("pass", "1h"), do("accept", "a"))
	if here.list.Retain(there.list, false); here.list.Secrets[0].Value.Reveal() != "b" {
		t.Errorf("the list is %s", here.state())
	}
}

func TestARetainedSecretHasItsTimes(t *testing.T) {
	begin := [][]string{do("write", "a"), do("propose", "b"), do("accept", "b")}
	here := play(t, append(begin, do("pass", "1h"), do("propose", "d", "grace"), do("accept", "d"))...)
	there := play(t, append(begin, do("propose", "c"), do("accept", "c"))...)
	here.list.Retain(there.list, false)
	c, d := here.find("c"), here.find("d")
	if !c.Superseded.Equal(d.Added) || !c.GraceEnds.Equal(d.Added.Add(30*24*time.Hour)) {
		t.Errorf("c is superseded at %s, and works until %s", c.Superseded, c.GraceEnds)
	}
	// The time at which it was superseded in the other copy stays.
	there = play(t, append(begin, do("propose", "c"), do("accept", "c"), do("propose", "e"), do("accept", "e"))...)
	replaced := there.find("c").Superseded
	here = play(t, append(begin, do("pass", "1h"), do("propose", "d"), do("accept", "d"))...)
	if here.list.Retain(there.list, false); !here.find("c").Superseded.Equal(replaced) {
		t.Errorf("c is superseded at %s", here.find("c").Superseded)
	}
}

// The clock of the other copy is two hours behind. Times that only that copy has are
// moved; times that both copies have are not.
func TestTimesOfAnotherClockAreMoved(t *testing.T) {
	begin := [][]string{do("write", "a"), do("move", "there"), do("propose", "a"), do("move", "here")}
	here := play(t, append(begin, do("pass", "1h"), do("propose", "b", "grace"),
		do("acknowledge", "b"), do("accept", "b"), do("refuse", "a"), do("propose", "c"), do("deny", "c", "b"), do("bring", "b"))...)
	there := play(t, append(begin, do("bring", "a"))...)
	want := here.list.Clone()
	here.list.Redate(there.list, 2*time.Hour)
	for i, got := range here.list.Secrets {
		w, n := want.Secrets[i], 0
		for _, pair := range [][2]time.Time{
			{w.Added, got.Added},
			{w.Written, got.Written},
			{w.CallEnds, got.CallEnds},
			{w.Acknowledged, got.Acknowledged},
			{w.Denied, got.Denied},
			{w.Proven, got.Proven},
			{w.Refused, got.Refused},
			{w.Superseded, got.Superseded},
			{w.GraceEnds, got.GraceEnds},
		} {
			before, moved := pair[0], !pair[1].Equal(pair[0])
			if moved && !pair[1].Equal(before.Add(2*time.Hour)) {
				t.Errorf("a time of secret %d is moved by %s", i, pair[1].Sub(before))
			}
			if moved {
				n++
			}
		}
		known := i < 2
		if known && (!got.Added.Equal(w.Added) || !got.Proven.Equal(w.Proven) || !got.Written.IsZero()) || n == 0 && i != 1 {
			t.Errorf("%d times of secret %d are moved: %+v", n, i, got)
		}
	}
}
