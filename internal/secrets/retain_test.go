// SPDX-License-Identifier: MPL-2.0

package secrets_test

import (
	"strings"
	"testing"
	"time"
)

// Two copies of a list have one beginning. Each then went its own way: on another node,
// or in a snapshot that is restored.
func TestWhatAnotherCopyKnowsIsRetained(t *testing.T) {
	for _, test := range []struct {
		name        string
		here, there [][]string
		later       bool
		want        string // the secrets, in order
		superseded  string // those of them that are
	}{
		{"what was sent", nil, [][]string{do("propose", "b")}, false, "a b", ""},
		{"not what was merely brought", nil, [][]string{do("bring", "x")}, false, "a", ""},
		{"what was brought and accepted since", nil, [][]string{do("write", "x")}, false, "a x", ""},
		{"not if that was before the last success here", [][]string{do("pass", "1h"), do("accept", "a")}, [][]string{do("write", "x")}, false, "a", ""},
		{"in the order of arrival", [][]string{do("pass", "1h"), do("propose", "c")}, [][]string{do("propose", "b")}, false, "a b c", ""},
		{"at the end when the times here are not known", [][]string{do("pass", "1h"), do("propose", "c")}, [][]string{do("propose", "b")}, true, "a c b", ""},
		{
			"as superseded by what was proven since",
			[][]string{do("pass", "1h"), do("propose", "c"), do("accept", "c")},
			[][]string{do("propose", "b"), do("accept", "b")},
			false, "a b c", "a b",
		},
		{
			"not by what was proven before",
			[][]string{do("pass", "1h"), do("propose", "c"), do("accept", "c")},
			[][]string{do("propose", "b"), do("pass", "2h"), do("accept", "b")},
			false, "a b c", "a",
		},
		{
			"nor by one of another address",
			[][]string{do("move", "there"), do("pass", "1h"), do("write", "c")},
			[][]string{do("propose", "b"), do("accept", "b")},
			false, "a b c", "",
		},
		{
			"not when it is too old",
			[][]string{do("pass", "1h"), do("propose", "c"), do("accept", "c"), do("pass", "98h"), do("accept", "c")},
			[][]string{do("propose", "b"), do("accept", "b")},
			false, "c", "",
		},
		{
			"at another address it is another secret",
			[][]string{do("propose", "b")},
			[][]string{do("move", "there"), do("propose", "b")},
			false, "a b b", "",
		},
	} {
		begin := [][]string{do("write", "a")}
		here, there := tell(t, append(begin, test.here...)...), tell(t, append(begin, test.there...)...)
		here.list.Retain(there.list, test.later)
		var all, superseded []string
		for _, s := range here.list.Secrets {
			if all = append(all, s.Value.Reveal()); !s.Superseded.IsZero() {
				superseded = append(superseded, s.Value.Reveal())
			}
		}
		if got := strings.Join(all, " "); got != test.want || strings.Join(superseded, " ") != test.superseded {
			t.Errorf("%s: the list is %s, and %v are superseded", test.name, got, superseded)
		}
		if here.list.Retain(there.list, test.later) && test.name != "not when it is too old" {
			t.Errorf("%s: it is retained twice", test.name)
		}
	}
}

func TestARetainedSecretHasItsTimes(t *testing.T) {
	begin := [][]string{do("write", "a"), do("propose", "b"), do("accept", "b")}
	here := tell(t, append(begin, do("pass", "1h"), do("propose", "d", "grace"), do("accept", "d"))...)
	there := tell(t, append(begin, do("propose", "c"), do("accept", "c"))...)
	here.list.Retain(there.list, false)
	c, d := here.find("c"), here.find("d")
	if !c.Superseded.Equal(d.Added) || !c.GraceEnds.Equal(d.Added.Add(30*24*time.Hour)) {
		t.Errorf("c is superseded at %s, and works until %s", c.Superseded, c.GraceEnds)
	}
	// What had superseded it there stays.
	there = tell(t, append(begin, do("propose", "c"), do("accept", "c"), do("propose", "e"), do("accept", "e"))...)
	replaced := there.find("c").Superseded
	here = tell(t, append(begin, do("pass", "1h"), do("propose", "d"), do("accept", "d"))...)
	if here.list.Retain(there.list, false); !here.find("c").Superseded.Equal(replaced) {
		t.Errorf("c is superseded at %s", here.find("c").Superseded)
	}
}
