// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/attempts"
)

// Delete removes the credential and the token. Failed attempts remain counted for 24
// hours, because Finicity counts them too. used is their number.
func (e *Engine) Delete(ctx context.Context, s logical.Storage, force bool, operation string) (used int, err error) {
	if err := e.upstream.take(ctx); err != nil {
		return 0, err
	}
	defer e.upstream.release()
	st, err := e.load(ctx, s)
	ctx = context.WithoutCancel(ctx)
	switch {
	case force && errors.Is(err, ErrUndecodable):
		st = e.attemptsAlone()
	case err != nil:
		return 0, err
	case st.Configured() && !force && (st.Secrets.OnlyCopy() || st.Secrets.Unresolved()):
		return 0, &OnlyCopy{Unresolved: st.Secrets.Unresolved(), Standing: e.standing(st, st)}
	}
	now, partner := e.clock.now(), st.PartnerID
	used = e.standing(st, st).Used
	left := &State{Records: maps.Clone(st.Records), Clock: st.Clock, version1: st.version1, imported: st.imported}
	maps.DeleteFunc(left.Records, func(_ string, r attempts.Record) bool { return r.Empty(now) })
	if len(left.Records) > 0 {
		if err := e.store(ctx, s, left, st); err != nil {
			e.disown(left.Clock) // The failed write may have taken effect, like the delete below.
			return 0, fmt.Errorf("deleting the configuration: %w", err)
		}
	} else {
		if err := e.checkOvertaken(ctx, s, st); err != nil {
			return 0, fmt.Errorf("deleting the configuration: %w", err)
		}
		if err := s.Delete(ctx, stateKey); err != nil {
			// If storage is empty later, this delete has taken effect, or one on another node.
			// Then this process must not store the configuration again.
			e.noteUnstored(err, st.Clock, st.Clock, st)
			return 0, fmt.Errorf("deleting the configuration from storage: %w", err)
		}
		e.noteStored(&State{})
		e.forgetVersion1(ctx, s, st)
	}
	e.tokens.Drop()
	if partner != "" {
		e.host.Logger().Info("configuration deleted", "partner_id", partner)
		e.emit(ctx, eventConfigDelete, operation, "partner_id", partner)
	}
	return used, nil
}

// attemptsAlone returns a state with only the attempts that this process knows of. It
// replaces a damaged entry.
func (e *Engine) attemptsAlone() *State {
	e.mu.Lock()
	defer e.mu.Unlock()
	st := &State{}
	if e.latest != nil {
		st.Records = e.latest.clone().Records
	}
	return st
}

// Configuration is what a read of config returns. It contains no secret.
type Configuration struct {
	PartnerID    string
	Settings     Settings
	Pending      bool
	LastRotation time.Time
	NextRotation time.Time
}

// Configuration returns nil on a mount that is not configured.
func (e *Engine) Configuration(ctx context.Context, s logical.Storage) (*Configuration, error) {
	st, err := e.view(ctx, s)
	if err != nil || !st.Configured() {
		return nil, err
	}
	_, pending := st.Secrets.Pending()
	return &Configuration{
		PartnerID: st.PartnerID, Settings: st.Settings, Pending: pending,
		LastRotation: st.LastRotation, NextRotation: st.nextRotation(),
	}, nil
}

// nextRotation returns when the schedule rotates next. It is zero while the schedule is
// paused.
func (st *State) nextRotation() time.Time {
	if st.Guard.IsPaused() {
		return time.Time{}
	}
	return st.Plan.Announced(st.Settings.Schedule.spec(), st.LastRotation)
}

// Signers returns the secrets that a webhook may be signed with.
func (e *Engine) Signers(ctx context.Context, s logical.Storage) (current, previous []string, err error) {
	st, err := e.view(ctx, s)
	if err == nil && !st.Configured() {
		err = ErrNotConfigured
	}
	if err != nil {
		return nil, nil, err
	}
	now, old := st.Secrets.Signers(e.clock.now())
	for _, secret := range now {
		current = append(current, secret.Reveal())
	}
	for _, secret := range old {
		previous = append(previous, secret.Reveal())
	}
	return current, previous, nil
}
