// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"time"

	"github.com/hashicorp/vault/sdk/helper/consts"
)

// viewLasts is how long what Vault has said of the mount is used again. For that long after vault secrets tune, a reader may
// get a lease of the old length. Vault itself cuts one that has become too long, with a warning.
const viewLasts = 5 * time.Second

// vaultView is what Vault says of the mount and of its node. Each part is a call from the plugin to Vault, and three of them
// take longer than all else that a read of the token does in the plugin.
type vaultView struct {
	asked         time.Time     // with the monotonic clock
	maxLease      time.Duration // the longest lease that the mount allows; 0 when Vault did not answer
	otherNodeActs bool          // another node is in charge: this one may not write, nor call Finicity
}

// view is what Vault says, or what it has said within viewLasts.
func (b *backend) view() *vaultView {
	if v := b.lastView.Load(); v != nil && time.Since(v.asked) < viewLasts {
		return v
	}
	return b.askVault()
}

// askVault remembers only what lets reads go on: that another node acts, or that Vault did not answer, may be over at once.
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
