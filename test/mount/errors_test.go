// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"testing/synctest"
)

func TestDump(t *testing.T) {
	all := map[string]string{}
	states := refusedStates()
	maps.Copy(states, otherStates())
	maps.Copy(states, newStates())
	for _, state := range slices.Sorted(maps.Keys(states)) {
		for _, name := range slices.Sorted(maps.Keys(asks())) {
			t.Run(state+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := enter(t, state)
					a := asks()[name].of(h)
					for _, text := range texts(a) {
						key := fmt.Sprintf("%d %s", a.Status, text)
						if all[key] == "" {
							all[key] = state + " / " + name
						}
					}
				})
			})
		}
	}
	out := ""
	for _, text := range slices.Sorted(maps.Keys(all)) {
		out += fmt.Sprintf("%s\n    [%s]\n", text, all[text])
	}
	os.WriteFile("/tmp/tok/dump.txt", []byte(out), 0o600)
}
