// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"encoding/base64"
	"net/http"
	"slices"

	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/mounttest"
)

// scene is a mount after a request. The test checks the texts of the answer.
type scene struct {
	*mounttest.Harness
	// ask repeats the request.
	ask func() mounttest.Answer
	// wrote are the fields if the request was a write of config.
	wrote mounttest.Fields
	// status is the HTTP status of each text, or "status" for a text in the status.
	status map[string]string
}

// requests are the requests that operators and jobs send to a mount. Each returns the
// scene.
func requests() map[string]func(s *scene) mounttest.Answer {
	write := func(prepare func(s *scene), fields mounttest.Fields) func(s *scene) mounttest.Answer {
		return func(s *scene) mounttest.Answer {
			prepare(s)
			s.wrote = fields
			if !s.readable() || !s.IsConfigured() { // The first write needs all fields.
				s.wrote = joined(mounttest.Credentials(nil), fields)
			}
			return s.Write("config", s.wrote)
		}
	}
	plain := func(path string, fields mounttest.Fields) func(s *scene) mounttest.Answer {
		return func(s *scene) mounttest.Answer { return s.Write(path, fields) }
	}
	nothing := func(*scene) {}
	newSecret := func(s *scene) { s.Fake.SetSecret(mounttest.PartnerID, portalSecret) }
	newKey := func(s *scene) { s.Fake.SetAppKey(mounttest.PartnerID, mounttest.NewKey) }
	const wrong = "Nob0dys#Secret-of-these"
	unverified := mounttest.Fields{"verify_connection": false}
	return map[string]func(s *scene) mounttest.Answer{
		"token":       func(s *scene) mounttest.Answer { return s.Read("token", nil) },
		"min_ttl":     func(s *scene) mounttest.Answer { return s.Read("token", mounttest.Fields{"min_ttl": "80m"}) },
		"config read": func(s *scene) mounttest.Answer { return s.Read("config", nil) },
		"status":      func(s *scene) mounttest.Answer { return s.Read("status", nil) },
		"rotate-root": plain("rotate-root", nil),
		"rotate-root, the proof refused": func(s *scene) mounttest.Answer {
			if s.readable() && s.IsConfigured() && !s.Stored().Secrets.MustProve() { // The change comes first.
				refusal := mounttest.Rejections()["10001"]
				refusal.Call = fakefinicity.CallAuthenticate
				s.Fake.Order(refusal)
			}
			return s.Write("rotate-root", nil)
		},
		"rotate-root, a rate limit": func(s *scene) mounttest.Answer {
			if s.readable() {
				nextChange(s.Harness, fakefinicity.Fault{Kind: fakefinicity.KindStatus, Status: http.StatusTooManyRequests})
			}
			return s.Write("rotate-root", nil)
		},
		"rotate-token":  plain("rotate-token", nil),
		"config/verify": plain("config/verify", nil),
		"webhook/verify": plain("webhook/verify", mounttest.Fields{
			"input": base64.StdEncoding.EncodeToString([]byte("{}")), "signature": "00",
		}),
		"delete":        func(s *scene) mounttest.Answer { return s.Remove("config", nil) },
		"delete, force": func(s *scene) mounttest.Answer { return s.Remove("config", mounttest.Fields{"force": true}) },

		"a setting":              write(nothing, mounttest.Fields{"request_timeout": "20s"}),
		"the same secret":        write(nothing, mounttest.Fields{"partner_secret": mounttest.PartnerSecret}),
		"a right secret":         write(newSecret, mounttest.Fields{"partner_secret": portalSecret}),
		"a right app key":        write(newKey, mounttest.Fields{"app_key": mounttest.NewKey}),
		"a wrong secret":         write(nothing, mounttest.Fields{"partner_secret": wrong}),
		"a wrong app key":        write(nothing, mounttest.Fields{"app_key": mounttest.OtherKey}),
		"both wrong":             write(nothing, mounttest.Fields{"partner_secret": wrong, "app_key": mounttest.OtherKey}),
		"a right secret, later":  write(newSecret, joined(mounttest.Fields{"partner_secret": portalSecret}, unverified)),
		"a wrong secret, later":  write(nothing, joined(mounttest.Fields{"partner_secret": wrong}, unverified)),
		"another address":        write(newSecret, move(elsewhere, portalSecret)),
		"another address, wrong": write(nothing, move(elsewhere, wrong)),
		"another address, not Finicity": func(s *scene) mounttest.Answer {
			if s.readable() && s.IsConfigured() {
				s.Answering(http.StatusNotFound, "nothing here", 1)
			}
			return write(nothing, move(elsewhere, portalSecret))(s)
		},
		"another address, alone": write(nothing, mounttest.Fields{"base_url": elsewhere}),
		"another address, later": write(newSecret, joined(move(elsewhere, portalSecret), unverified)),
		"another partner, alone": write(nothing, mounttest.Fields{"partner_id": mounttest.OtherID}),
		"another partner, wrong": write(nothing, joined(otherPartner(), mounttest.Fields{"partner_secret": wrong})),
		"a wrong secret, twice": func(s *scene) mounttest.Answer {
			again := write(nothing, mounttest.Fields{"partner_secret": wrong})
			again(s)
			return again(s)
		},
	}
}

// portalSecret is a secret that an operator creates in the developer portal.
const portalSecret = "P0rtal!made-4nother-One"

// readable reports whether this version of the engine can use the entry.
func (s *scene) readable() bool { return s.Read("status", nil).Data != nil }

// fill replaces the placeholders of a command with the values that are right at
// Finicity now.
func (s *scene) fill(c command) mounttest.Fields {
	s.T.Helper()
	fields := joined(c.fields, nil)
	partner := s.partner()
	for _, name := range c.blanks {
		switch name {
		case "partner_id":
			fields[name] = partner
		case "partner_secret":
			fields[name] = s.rightSecret(partner)
		case "app_key":
			fields[name] = s.rightKey(partner)
		case "base_url":
			fields[name] = elsewhere
			if url, given := s.wrote["base_url"]; given {
				fields[name] = url
			}
		default:
			s.T.Fatalf("the test has no value to fill in for %s", name)
		}
	}
	if c.orKey && s.Stored().AppKey.Reveal() != s.rightKey(partner) {
		fields["app_key"] = s.rightKey(partner)
	}
	// The mock server is not at the default address.
	if _, given := s.wrote["base_url"]; c.path == "finicity/config" && c.verb == "write" && !given && !s.IsConfigured() {
		fields["base_url"] = here
	}
	return fields
}

// partner returns the partner of the write, or else the stored one.
func (s *scene) partner() string {
	if id, given := s.wrote["partner_id"].(string); given {
		return id
	}
	return mounttest.PartnerID
}

// rightSecret returns the secret in effect if an operator knows it, or a new one from
// the portal.
func (s *scene) rightSecret(partner string) string {
	for _, secret := range []string{mounttest.PartnerSecret, mounttest.WrongSecret, mounttest.OtherSecret, portalSecret} {
		if s.Fake.HoldsSecret(partner, secret) {
			return secret
		}
	}
	s.Fake.SetSecret(partner, portalSecret)
	return portalSecret
}

// rightKey returns the app key that Finicity has for a partner: the request's, or else
// the original one.
func (s *scene) rightKey(partner string) string {
	if partner == mounttest.OtherID {
		return mounttest.OtherKey
	}
	if s.keyIsNew() {
		return mounttest.NewKey
	}
	return mounttest.AppKey
}

// keyIsNew reports whether the request has changed the app key at Finicity.
func (s *scene) keyIsNew() bool { return s.wrote["app_key"] == mounttest.NewKey }

// storedIsRight puts the stored credential in effect. If several secrets were refused,
// the one that the engine tries next becomes the right one. The simulation shows that
// the engine tries each of them within four attempts.
func (s *scene) storedIsRight() {
	st := s.Stored()
	s.Fake.SetAppKey(st.PartnerID, st.AppKey.Reveal())
	for _, each := range st.Secrets.Secrets {
		if each.Place == st.Secrets.Place && each.Superseded.IsZero() && !st.Secrets.Refused(each) &&
			s.Fake.AcceptsSecret(st.PartnerID, each.Value.Reveal()) {
			return
		}
	}
	next, _ := st.Secrets.Next()
	s.Fake.SetSecret(st.PartnerID, next.Value.Reveal())
}

// anotherIsRight makes the stored secret wrong.
func (s *scene) anotherIsRight() {
	if !s.IsConfigured() {
		return
	}
	st := s.Stored()
	if current, _ := st.Secrets.Current(); s.Fake.HoldsSecret(st.PartnerID, current.Value.Reveal()) {
		s.Fake.SetSecret(st.PartnerID, portalSecret)
	}
}

// writtenIsRight puts the written credential in effect.
func (s *scene) writtenIsRight() {
	partner := s.partner()
	if secret, given := s.wrote["partner_secret"].(string); given {
		s.Fake.SetSecret(partner, secret)
	} else {
		s.storedIsRight()
	}
	if key, given := s.wrote["app_key"].(string); given {
		s.Fake.SetAppKey(partner, key)
	}
}

// same replaces the placeholders of a command with the values of the request.
func (s *scene) same(c command) mounttest.Fields {
	fields := joined(c.fields, nil)
	for _, name := range c.blanks {
		fields[name] = s.wrote[name]
	}
	if len(c.blanks) > 0 && slices.ContainsFunc(c.blanks, func(name string) bool { return s.wrote[name] == nil }) {
		s.T.Errorf("a field to give again that was not given: %v", c.blanks)
	}
	return fields
}
