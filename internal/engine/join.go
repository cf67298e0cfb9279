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

// load returns what this process goes by: what storage has, unless storage did not
// take the last write. If storage has something else than this process has read or
// written, that counts, with what this process knows and nothing but time may remove.
// Then storage did not take it, or a snapshot was restored, or another node has written
// something that was not made from it.
func (e *Engine) load(ctx context.Context, s logical.Storage) (*State, error) {
	return e.loadAs(ctx, s, true)
}

// view is load for a caller that does not hold the upstream lock. It changes nothing.
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
	case e.latest != latest: // Another request has been here.
	case !locked && latest != nil: // A write may be on its way: its end says what this process goes by.
	case foreign:
		e.goBy(stored, added)
		e.tokens.Drop()
	default:
		e.goBy(stored, added)
	}
	return stored, nil
}

// clockSlack is how much the clocks of two nodes may differ.
const clockSlack = 10 * time.Second

// followClock makes this process go by the clock of the node that wrote what is stored,
// if that one is behind: it has gone on from an older copy. Otherwise what it wrote
// would seem old here, and age removes secrets and refusals. followClock returns what
// this process knows, dated by that clock. No call may be on its way.
func (e *Engine) followClock(stored, latest *State) *State {
	since := e.now().Sub(stored.Guard.Alive) // by the wall clock
	behind := e.clock.now().Sub(stored.Clock) - since
	if stored.version1 != "" || stored.Guard.Alive.IsZero() || since < 0 || behind <= clockSlack {
		return latest
	}
	e.clock.setBack(behind)
	return latest.redated(stored, -behind)
}

// redated is the state with the times that another one does not have moved.
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

// knows reports whether what is stored is what the state was made from, or what this
// process has tried to write since.
func (e *Engine) knows(stored, st *State) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if stored.version1 != "" {
		return stored.version1 == st.version1
	}
	return st.version1 == "" && stored.Clock.Equal(st.Clock) || slices.ContainsFunc(e.written, stored.Clock.Equal)
}

// retain adds to the state what another one knows and nothing but time may remove: of
// the same configuration the secrets that were sent or accepted since, those that were
// replaced, a later token and the attempts; of another one only that attempts were
// made. It reports whether there was anything.
func (st *State) retain(other *State) (added bool) {
	same := st.PartnerID == other.PartnerID && st.Since.Equal(other.Since)
	succeeded := time.Time{}
	if same {
		added = st.retainToken(other)
		added = st.Secrets.Retain(other.Secrets, st.version1 != "") || added
		if st.version1 == "" { // It has no such time.
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

// retainToken adds the token of a later success. The time at which a token was issued
// is that of a wall clock, which may be wrong.
func (st *State) retainToken(other *State) (added bool) {
	fits := !elsewhere(st, other) && st.AppKey.Equal(other.AppKey)
	if other.Token == nil || !fits || !other.Secrets.Succeeded().After(st.Secrets.Succeeded()) {
		return false
	}
	st.Token = other.Token
	return true
}

// retainRotations adds what was replaced.
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
