// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
)

// event is a kind of event and of observation, Vault's two ways to tell others what has happened.
type event string

const (
	eventConfigWrite     event = "finicity/config-write"
	eventConfigDelete    event = "finicity/config-delete"
	eventRotate          event = "finicity/root-rotate"
	eventRotateFail      event = "finicity/root-rotate-fail"
	eventToken           event = "finicity/token-create"
	eventAttemptsHeld    event = "finicity/attempts-held"
	eventAttemptsStopped event = "finicity/attempts-stopped"
)

// dataPath is where the outcome is to be read, by those who may. modified is set when what is there has changed.
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

// tellingTakes bounds how long a request waits for Vault to take note, of an observation and of an event each.
const tellingTakes = time.Second

// tell has Vault tell others what happened. The pairs of names and values must hold no secret. It must never fail what it
// tells of: OpenBao has neither service, and Vault has them switched off by default.
func (b *backend) tell(ctx context.Context, e event, operation string, pairs ...string) {
	pairs = append([]string{logical.EventMetadataOperation, operation}, pairs...)
	data := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		data[pairs[i]] = pairs[i+1]
	}
	observing, observed := context.WithTimeout(ctx, tellingTakes)
	defer observed()
	if err := b.RecordObservation(observing, string(e), data); err != nil {
		b.Logger().Trace("the observation was not recorded", "observation", e, "error", err)
	}

	path, modified := e.dataPath()
	pairs = append(pairs, logical.EventMetadataPath, path, logical.EventMetadataDataPath, path)
	if modified {
		pairs = append(pairs, logical.EventMetadataModified, "true")
	}
	sending, sent := context.WithTimeout(ctx, tellingTakes)
	defer sent()
	if err := logical.SendEvent(sending, b, string(e), pairs...); err != nil {
		b.Logger().Trace("the event was not sent", "event", e, "error", err)
	}
}

func (b *backend) tellRotated(ctx context.Context, operation string, cred *credential) {
	b.tell(ctx, eventRotate, operation, "partner_id", cred.PartnerID,
		"last_vault_rotation", cred.LastRotation.Format(time.RFC3339))
}

// tellState tells of a record that holds calls back from now on.
func (b *backend) tellState(ctx context.Context, partnerID string, record *attempts) {
	e := eventAttemptsStopped
	switch record.state() {
	case stateOK:
		return
	case stateHeld:
		e = eventAttemptsHeld
	}
	b.tell(ctx, e, "authenticate", "partner_id", partnerID, "state", record.state(), "error", record.LastError)
}
