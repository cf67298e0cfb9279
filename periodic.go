// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// periodic is called by Vault about once a minute, on each node. It settles what is pending, so that a token which died
// with the old secret does not stay in use until it is due, and rotates when that is due.
func (b *backend) periodic(ctx context.Context, req *logical.Request) error {
	if !b.mayWrite() {
		return nil
	}
	epoch := b.tokens.epoch()
	ctx, cfg, err := b.lockConfig(ctx, req.Storage)
	if errors.Is(err, errNotConfigured) || errors.Is(err, context.Canceled) {
		return nil // Nothing is to be done, or Vault is on its way down.
	}
	if err != nil {
		return err
	}
	defer b.unlock()
	s, cred := req.Storage, &cfg.Credential

	now := b.now().UTC()
	redated := cfg.Plan.redate(cfg.Schedule, &cred.LastRotation, now)
	due, missed := cfg.Plan.due(cfg.Schedule, cred.LastRotation, now)
	if redated || missed {
		if err := b.saveConfig(ctx, s, cfg); err != nil {
			return err
		}
	}
	if missed {
		b.Logger().Warn("no rotation was possible within its window", "partner_id", cred.PartnerID,
			"next", cfg.Plan.next(cfg.Schedule, cred.LastRotation))
	}

	if b.tokens.held(time.Now()) != nil {
		return nil
	}
	was := cred.LastRotation
	if cred.Pending != nil || due && (cred.unproven() || cred.crowded(automatic)) { // Or those that can't come any more would be kept.
		_, err = b.renew(ctx, s, cfg, automatic, epoch)
		if err == nil { // It may have been this rotation that was found out to have happened.
			due, _ = cfg.Plan.due(cfg.Schedule, cred.LastRotation, b.now().UTC())
		}
	}
	var early *unsettled
	if errors.As(err, &early) && early.wait > 0 {
		return nil
	}
	if !due {
		return unreported(err)
	}
	before, begun := cfg.Plan, err == nil
	if begun {
		cfg.Plan.begun(cred.LastRotation, b.now().UTC()) // Stored together with the new secret.
		_, err = b.rotate(ctx, s, cfg, automatic)
	}
	b.rotated(ctx, "rotate", cred, err)
	if err == nil {
		return nil
	}
	// Read anew: what failed may have left in cfg what storage does not hold, and must not.
	cfg, unread := loadConfig(ctx, s)
	if unread != nil || cfg == nil {
		return unread
	}
	last := cfg.Credential.LastRotation
	if !last.Equal(was) {
		return nil // The write that failed has taken effect: it is rotated, and noted.
	}
	if begun {
		cfg.Plan = before
	}
	cfg.Plan.failed(err, last, b.now().UTC())
	if cfg.Plan.stopped(last) {
		b.Logger().Warn("no rotation by schedule until a person has rotated", "partner_id", cfg.Credential.PartnerID)
	} else {
		b.Logger().Info("the rotation that is due is tried again", "partner_id", cfg.Credential.PartnerID,
			"failures", cfg.Plan.Failures, "retry", cfg.Plan.retry(last))
	}
	return b.saveConfig(ctx, s, cfg)
}

// unreported is an error of settling that nobody has been told of. A refusal or an outage is in the log already, and a stop
// would be an error each minute.
func unreported(err error) error {
	var failure *finicityapi.Error
	var halt *stopped
	if errors.As(err, &failure) || errors.As(err, &halt) {
		return nil
	}
	return err
}

// mayWrite reports whether this node's storage takes writes. On the others, what it would do is another node's business.
func (b *backend) mayWrite() bool {
	system := b.System()
	state := system.ReplicationState()
	return !state.HasState(consts.ReplicationPerformanceStandby|consts.ReplicationDRSecondary) &&
		(system.LocalMount() || !state.HasState(consts.ReplicationPerformanceSecondary))
}
