// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"slices"
	"time"

	"vault-plugin-secrets-finicity/internal/engine"
	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
	"vault-plugin-secrets-finicity/internal/secrets"
)

// changeRefused is the beginning of the error for a refused change.
const changeRefused = "Finicity refused the change, and the engine keeps both secrets until an authentication proves one of them: "

// storedSecret returns the stored entry of a secret, which must be in the list.
func storedSecret(h *mounttest.Harness, value string) secrets.Secret {
	h.T.Helper()
	for _, s := range h.Stored().Secrets.Secrets {
		if s.Value.Reveal() == value {
			return s
		}
	}
	h.T.Fatal("the secret is not stored")
	return secrets.Secret{}
}

// storedCurrent returns the stored value of the current secret.
func storedCurrent(h *mounttest.Harness) string {
	h.T.Helper()
	s, found := h.Stored().Secrets.Current()
	if !found {
		h.T.Fatal("no secret is stored")
	}
	return s.Value.Reveal()
}

// storedPending returns the stored value of the pending secret.
func storedPending(h *mounttest.Harness) string {
	h.T.Helper()
	s, found := h.Stored().Secrets.Pending()
	if !found {
		h.T.Fatal("no secret is pending")
	}
	return s.Value.Reveal()
}

// lastSent returns the value of the last secret that the engine sent.
func lastSent(h *mounttest.Harness) string {
	h.T.Helper()
	for _, s := range slices.Backward(h.Stored().Secrets.Secrets) {
		if s.Origin == secrets.Sent {
			return s.Value.Reveal()
		}
	}
	h.T.Fatal("no secret was sent")
	return ""
}

// keepsTheSecret checks that the secret in effect is stored and may still be tried.
func keepsTheSecret(h *mounttest.Harness) {
	h.T.Helper()
	st := h.Stored()
	if !slices.ContainsFunc(st.Secrets.Secrets, func(s secrets.Secret) bool {
		return h.Fake.HoldsSecret(st.PartnerID, s.Value.Reveal()) && (s.Superseded.IsZero() || s.Grace || !s.GraceEnds.IsZero())
	}) {
		h.T.Fatal("the secret that Finicity holds is stored nowhere")
	}
}

// readMany starts many reads of the token at once.
func readMany(h *mounttest.Harness, n int) []<-chan mounttest.Answer {
	all := make([]<-chan mounttest.Answer, n)
	for i := range all {
		all[i] = h.Background(func() mounttest.Answer { return h.Read("token", nil) })
	}
	return all
}

// onceProposed calls do with the next write that has a new secret in it, right before
// it is stored and sent. end disables that.
func onceProposed(h *mounttest.Harness, do func()) (end func()) {
	learn, armed := h.Storage.Learn, true
	h.Storage.Learn = func(value []byte) {
		learn(value)
		st, err := engine.Decode(value)
		if err != nil || !armed {
			return
		}
		if s, found := st.Secrets.Pending(); found && !slices.ContainsFunc(h.Stored().Secrets.Secrets, func(other secrets.Secret) bool {
			return other.Value.Equal(s.Value)
		}) {
			armed = false
			do()
		}
	}
	return func() { h.Storage.Learn = learn }
}

// diesOnceSent lets the process die during do, after it has sent a change: the proposal
// is stored, and nothing after it.
func diesOnceSent(h *mounttest.Harness, do func()) {
	end := onceProposed(h, func() { h.Storage.Fail(mounttest.Fault{On: mounttest.Put("config"), Skip: 1, Always: true}) })
	defer end()
	do()
	h.Storage.Heal()
	h.Restart()
}

// gatewayRepeats has a gateway send the next change twice. Finicity carries out the
// first copy, and refuses the second one for its old secret. That counts as a failed
// attempt.
func gatewayRepeats(h *mounttest.Harness) {
	nextChange(h, fakefinicity.Fault{Kind: fakefinicity.KindTwice})
}

// minutesInUse lets minutes pass, each with a reader and Vault's periodic call.
// Finicity must accept each token.
func minutesInUse(h *mounttest.Harness, n int) {
	h.T.Helper()
	for range n {
		h.Pass(time.Minute)
		if token := h.Token(); !h.Fake.AcceptsToken(mounttest.PartnerID, token) {
			h.T.Fatal("Finicity does not accept the token that was served")
		}
		h.Tick()
	}
}

// lastRotationError returns the status field about the last scheduled rotation.
func lastRotationError(h *mounttest.Harness) string {
	h.T.Helper()
	text, _ := h.Read("status", nil).Data["last_rotation_error"].(string)
	return text
}

// lostAnswer is a change whose answer is lost. applied says whether Finicity has
// carried it out.
func lostAnswer(applied bool) fakefinicity.Fault {
	if applied {
		return fakefinicity.Fault{Kind: fakefinicity.KindLost}
	}
	return fakefinicity.Fault{Kind: fakefinicity.KindDropped}
}
