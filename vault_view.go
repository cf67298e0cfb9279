// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"time"

	"github.com/hashicorp/vault/sdk/helper/consts"
)

// viewLasts is how long a vaultView is used before the engine asks Vault again. For that
// long after vault secrets tune, a read may get a lease of the old length. Vault itself
// shortens a lease that is too long by then, with a warning.
const viewLasts = 5 * time.Second

// vaultView is what Vault says about the mount and its node. Each part costs a call from
// the plugin to Vault, and three such calls take longer than the rest of a token read.
type vaultView struct {
	asked         time.Time     // with the monotonic clock
	maxLease      time.Duration // the longest lease that the mount allows; 0 when Vault did not answer
	otherNodeActs bool          // another node is active: this one must not write or call Finicity
}

// view returns what Vault said at most viewLasts ago, or else asks it.
func (b *backend) view() *vaultView {
	if v := b.lastView.Load(); v != nil && time.Since(v.asked) < viewLasts {
		return v
	}
	return b.askVault()
}

// askVault asks Vault and remembers the result if reads can use it. It does not
// remember that another node is active or that Vault did not answer: either may change
// at once.
func (b *backend) askVault() *vaultView {
	v, system := &vaultView{asked: time.Now()}, b.System()
	state := system.ReplicationState()
	v.otherNodeActs = state.HasState(consts.ReplicationPerformanceStandby) ||
		state.HasState(consts.ReplicationPerformanceSecondary) && !system.LocalMount()
	if v.otherNodeActs {
		return v
	}
	if v.maxLease = system.MaxLeaseTTL(); v.maxLease > 0 {
		b.lastView.Store(v)
	}
	return v
}
