// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"testing"
	"testing/synctest"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// A delete of an unconfigured mount whose second read fails: in the meantime, another node
// has written the configuration.
func TestADeleteWhoseReadFailsDeletesNoOthersConfiguration(t *testing.T) {
	t.Parallel()
	for name, hangs := range map[string]bool{"fails": false, "no answer": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := mounttest.NewConfigured(t, nil)
				theirs, _ := h.Storage.Peek("config")
				h.Storage.Discard("config")
				h.Restart()
				n := 0
				h.Storage.AfterGet = func(key string) {
					if n++; key == "config" && n == 1 {
						h.Storage.Plant("config", theirs)
						h.Storage.Fail(mounttest.Fault{On: mounttest.Get("config"), Hangs: hangs})
					}
				}
				a := h.Remove("config", nil)
				if _, there := h.Storage.Peek("config"); !there {
					t.Errorf("a %d, and the configuration of another node is deleted: %s", a.Status, a.Text)
				}
			})
		})
	}
}
