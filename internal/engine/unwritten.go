// SPDX-License-Identifier: MPL-2.0

package engine

import "vault-plugin-secrets-finicity/internal/confidential"

// NothingWritten is the failure of a config write whose credential was not accepted.
type NothingWritten struct {
	Err error
	// Moved means that the write had another partner or address, or was the first one.
	Moved bool
	// Fields are the fields of the credential and the address in the write. A second try
	// must have them too.
	Fields []string
	// Stored is the standing of the stored credential, if there is one and the write had
	// another one.
	Stored *Standing
}

func (n *NothingWritten) Error() string { return "nothing was stored: " + n.Err.Error() }
func (n *NothingWritten) Unwrap() error { return n.Err }

// IncompleteMove is a write of another partner or address without its credential.
type IncompleteMove struct {
	Fields   []string // that a complete write has
	Standing Standing // of the partner, at the address
}

func (*IncompleteMove) Error() string {
	return "a new base_url, ca_cert or partner_id needs partner_secret and app_key in the same write: " +
		"the engine does not send the stored ones to another address. After a rotation only Vault knows the secret, so first create a new one " +
		"in the Finicity developer portal, or ask Mastercard support for one"
}

// nothingWritten returns the failure of a write whose credential was not accepted.
func (e *Engine) nothingWritten(st *State, w Write, c change, err error) error {
	failed := &NothingWritten{Err: answered("", err), Moved: c.moved, Fields: w.credentialFields()}
	if st.Configured() && c.credential {
		standing := e.standing(st, st)
		failed.Stored = &standing
	}
	return failed
}

// incomplete returns the error that names the fields of the write, plus the secret and
// the app key.
func (e *Engine) incomplete(st, next *State, w Write) *IncompleteMove {
	w.PartnerSecret, w.AppKey = new(confidential.Text), new(confidential.Text)
	return &IncompleteMove{Fields: w.credentialFields(), Standing: e.standing(st, next)}
}

// credentialFields returns the names of the given fields that are part of a credential or
// its address.
func (w Write) credentialFields() (names []string) {
	for _, field := range []struct {
		name  string
		given bool
	}{
		{"partner_id", w.PartnerID != nil},
		{"partner_secret", w.PartnerSecret != nil},
		{"app_key", w.AppKey != nil},
		{"base_url", w.BaseURL != nil},
		{"ca_cert", w.CACert != nil},
	} {
		if field.given {
			names = append(names, field.name)
		}
	}
	return names
}

// reserves reports whether the last attempt is reserved for the stored credential. It is
// not reserved if Finicity has refused that credential too.
func (st *State) reserves() bool {
	current, _ := st.Secrets.Current()
	record := st.recordAt(st)
	return !current.Proven.IsZero() && !record.StoredRefused()
}
