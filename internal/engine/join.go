// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/attempts"
)

// load returns the state to use: what is stored, or what this process failed to store.
//
// If storage has a state that this process has neither read nor written, another node
// has written it, or a snapshot was restored. Then load returns the stored state, plus
// those facts of this process that only age may remove, such as secrets that it sent.
func (e *Engine) load(ctx context.Context, s logical.Storage) (*State, error) {
	return e.loadAs(ctx, s, true)
}

// view is load for a caller without the upstream lock. A running write may still decide
// which state to use, so view does not.
func (e *Engine) view(ctx context.Context, s logical.Storage) (*State, error) {
	return e.loadAs(ctx, s, false)
}

func (e *Engine) loadAs(ctx context.Context, s logical.Storage, locked bool) (*State, error) {
	e.mu.Lock()
	latest, ahead := e.latest, e.ahead
	e.mu.Unlock()
	stored, err := e.read(ctx, s)
	newer := new(NewerError)
	switch {
	case errors.As(err, &newer):
		e.tokens.Drop()
		return nil, err
	case ahead && (err != nil || e.knows(stored, latest)):
		return latest.clone(), nil
	case err != nil:
		return nil, err
	}
	foreign := latest != nil && !e.knows(stored, latest)
	known := latest
	if foreign && locked {
		known = e.followClock(stored, latest)
	}
	added := foreign && stored.retain(known)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.latest != latest: // Another request has changed it in the meantime.
	case !locked && latest != nil: // A write may be running, and its end decides.
	case foreign:
		e.goBy(stored, added)
		e.tokens.Drop()
	default:
		e.goBy(stored, added)
	}
	return stored, nil
}

// clockSlack is the difference between the clocks of two nodes that is ignored.
const clockSlack = 10 * time.Second

// followClock sets the clock back to that of the node that wrote the stored state, if
// that node has continued from an older copy. Otherwise its secrets and refusals would
// look old here, and age would remove them. followClock returns latest with its times
// moved to that clock. No call to Finicity may be running.
func (e *Engine) followClock(stored, latest *State) *State {
	since := e.now().Sub(stored.Guard.Alive) // by the wall clock
	behind := e.clock.now().Sub(stored.Clock) - since
	if stored.version1 != "" || stored.Guard.Alive.IsZero() || since < 0 || behind <= clockSlack {
		return latest
	}
	e.clock.setBack(behind)
	return latest.redated(stored, -behind)
}

// redated returns the state with all times moved that the other state does not have.
func (st *State) redated(other *State, by time.Duration) *State {
	st = st.clone()
	st.Secrets.Redate(other.Secrets, by)
	for partner := range st.Records {
		record := st.record(partner)
		record.Redate(other.record(partner), by)
		st.Records[partner] = record
	}
	return st
}

// knows reports whether the stored state is the one that st was made from, or one that
// this process has tried to write since.
func (e *Engine) knows(stored, st *State) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if stored.version1 != "" {
		return stored.version1 == st.version1
	}
	return st.version1 == "" && stored.Clock.Equal(st.Clock) || slices.ContainsFunc(e.written, stored.Clock.Equal)
}

// retain adds the facts of another state that only age may remove. If both states have
// the same configuration, these are the secrets that were sent or accepted since, those
// that were replaced, a later token and the attempts. Otherwise it is only that attempts
// were made. It reports whether it has added anything.
func (st *State) retain(other *State) (added bool) {
	same := st.PartnerID == other.PartnerID && st.Since.Equal(other.Since)
	succeeded := time.Time{}
	if same {
		added = st.retainToken(other)
		added = st.Secrets.Retain(other.Secrets, st.version1 != "") || added
		if st.version1 == "" { // Version 1 did not store that time.
			succeeded = st.Secrets.Succeeded()
		}
		added = st.retainRotations(other) || added
	}
	for partner, theirs := range other.Records {
		record, place, at := st.record(partner), "", time.Time{}
		if !st.Clock.Before(other.Clock) { // No snapshot was restored.
			theirs = theirs.Answered()
		}
		if !same {
			theirs = theirs.Settled()
		} else if partner == st.PartnerID {
			place, at = st.Secrets.Place, succeeded
		}
		if record.Merge(theirs, place, at) {
			st.Records = maps.Clone(st.Records)
			if st.Records == nil {
				st.Records = map[string]attempts.Record{}
			}
			st.Records[partner], added = record, true
		}
	}
	return added
}

// retainToken adds the token of a later success. It does not compare the issue times of
// the tokens, because these are from a wall clock, which may be wrong.
func (st *State) retainToken(other *State) (added bool) {
	fits := !elsewhere(st, other) && st.AppKey.Equal(other.AppKey)
	if other.Token == nil || !fits || !other.Secrets.Succeeded().After(st.Secrets.Succeeded()) {
		return false
	}
	st.Token = other.Token
	return true
}

// retainRotations adds the last rotation and the hashes of replaced secrets.
func (st *State) retainRotations(other *State) (added bool) {
	if other.LastRotation.After(st.LastRotation) {
		st.LastRotation, added = other.LastRotation, true
	}
	for _, r := range other.RotatedAway {
		if !slices.ContainsFunc(st.RotatedAway, func(k RotatedAway) bool { return k.Hash == r.Hash }) {
			st.RotatedAway, added = append(st.RotatedAway, r), true
		}
	}
	return added
}
