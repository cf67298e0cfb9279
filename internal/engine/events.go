// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/attempts"
)

// event is the type of an event and of an observation, the two ways in which Vault
// publishes what has happened.
type event string

const (
	eventConfigWrite     event = "finicity/config-write"
	eventConfigDelete    event = "finicity/config-delete"
	eventRotate          event = "finicity/root-rotate"
	eventRotateFail      event = "finicity/root-rotate-fail"
	eventRotatePaused    event = "finicity/root-rotate-paused"
	eventToken           event = "finicity/token-create"
	eventAttemptsHeld    event = "finicity/attempts-held"
	eventAttemptsStopped event = "finicity/attempts-stopped"
)

// dataPath returns the path that shows the outcome. modified means that the data at
// that path has changed.
func (e event) dataPath() (path string, modified bool) {
	switch e {
	case eventConfigWrite, eventConfigDelete, eventRotate:
		return "config", true
	case eventToken:
		return "token", true
	case eventRotateFail:
		return "status", false
	default:
		return "status", true
	}
}

// emitTimeout bounds how long a request waits for Vault to accept an event, and an
// observation.
const emitTimeout = time.Second

// emit publishes an event and an observation. The pairs of names and values must not
// contain a secret. A failure is only logged: OpenBao has neither service, and Vault
// disables both by default.
func (e *Engine) emit(ctx context.Context, kind event, operation string, pairs ...string) {
	pairs = append([]string{logical.EventMetadataOperation, operation}, pairs...)
	data := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		data[pairs[i]] = pairs[i+1]
	}
	observing, observed := context.WithTimeout(ctx, emitTimeout)
	defer observed()
	if err := e.host.RecordObservation(observing, string(kind), data); err != nil {
		e.host.Logger().Trace("the observation was not recorded", "observation", kind, "error", err)
	}

	path, modified := kind.dataPath()
	pairs = append(pairs, logical.EventMetadataPath, path, logical.EventMetadataDataPath, path)
	if modified {
		pairs = append(pairs, logical.EventMetadataModified, "true")
	}
	sending, sent := context.WithTimeout(ctx, emitTimeout)
	defer sent()
	if err := logical.SendEvent(sending, e.host, string(kind), pairs...); err != nil {
		e.host.Logger().Trace("the event was not sent", "event", kind, "error", err)
	}
}

func (e *Engine) emitRotated(ctx context.Context, operation string, st *State) {
	e.host.Logger().Info("the new partner secret is in effect", "partner_id", st.PartnerID)
	e.emit(ctx, eventRotate, operation, "partner_id", st.PartnerID,
		"last_vault_rotation", st.LastRotation.Format(time.RFC3339))
}

// logFailed logs a failed authentication. It skips one that was not sent: the log has
// the failure that prevents it, and each read would add a line.
func (e *Engine) logFailed(partner, message string, err error) {
	var denied *NotAllowed
	var uncharged *NotCharged
	if errors.As(err, &denied) || errors.As(err, &uncharged) {
		return
	}
	e.host.Logger().Warn(message, "partner_id", partner, "error", err)
}

// reportStanding logs a change of the state of attempts, and emits an event if the new
// state stops or delays calls. Operators alert on the log level: error means that they
// must act.
func (e *Engine) reportStanding(ctx context.Context, st, to *State, before attempts.State) {
	after, partner := e.standing(st, to), to.PartnerID
	// For the stored address, compare with the state that was logged last, because a
	// process that has just started has logged none. A lock counts at every address.
	if !elsewhere(st, to) {
		before = e.lastReported()
	}
	if !elsewhere(st, to) || st.PartnerID == partner && after.State == attempts.Locked {
		e.mu.Lock()
		e.reported = after.State
		e.mu.Unlock()
	}
	if after.State == before {
		return
	}
	kind, log := eventAttemptsStopped, e.host.Logger().Error
	switch after.State {
	case attempts.OK:
		kind, log = "", e.host.Logger().Info
	case attempts.Held:
		kind, log = eventAttemptsHeld, e.host.Logger().Warn
	case attempts.Stopped, attempts.Locked:
	}
	log("authentication state changed", "partner_id", partner, "state", after.State, "rejected", after.Rejected, "left", after.Left)
	if kind != "" {
		e.emit(ctx, kind, "authenticate", "partner_id", partner, "state", string(after.State), "error", after.Failure)
	}
}

// lastReported returns the state of attempts that was logged last. A process that has
// just started has logged none, so it logs the stored state again unless that is ok.
func (e *Engine) lastReported() attempts.State {
	e.mu.Lock()
	defer e.mu.Unlock()
	return cmp.Or(e.reported, attempts.OK)
}
