// SPDX-License-Identifier: MPL-2.0

package documents

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/confidential"
	"vault-plugin-secrets-finicity/internal/fakefinicity"
	"vault-plugin-secrets-finicity/internal/secrets"
)

// mockPartner is the partner of a mock server.
type mockPartner struct{ *fakefinicity.Server }

const oldSecret, newSecret = "Fake-Secret-Old-1", "Fake-Secret-New-2"

func newMockPartner(t *testing.T) mockPartner {
	t.Helper()
	m := mockPartner{fakefinicity.New(fakefinicity.Config{Partners: []fakefinicity.Partner{{ID: "1", Secret: oldSecret, AppKey: "key"}}})}
	t.Cleanup(m.Close)
	return m
}

// call returns the status of the answer, or 0 without an answer. With a new secret, it
// is a change.
func (m mockPartner) call(t *testing.T, secret, newSecret string) (status int) {
	t.Helper()
	method, body := http.MethodPost, fmt.Sprintf(`{"partnerId":"1","partnerSecret":%q}`, secret)
	if newSecret != "" {
		method, body = http.MethodPut, fmt.Sprintf(`{"partnerId":"1","partnerSecret":%q,"newPartnerSecret":%q}`, secret, newSecret)
	}
	request := httptest.NewRequestWithContext(t.Context(), method, fakefinicity.PathAuthentication, strings.NewReader(body))
	for name, value := range map[string]string{
		"Finicity-App-Key": "key", "Content-Type": "application/json", "Accept": "application/json",
	} {
		request.Header.Set(name, value)
	}
	answer := httptest.NewRecorder()
	defer func() {
		if err, broken := recover().(error); broken && errors.Is(err, http.ErrAbortHandler) {
			status = 0
		} else if broken {
			t.Error(err)
		}
	}()
	m.ServeHTTP(answer, request)
	return answer.Code
}

// lockOfTheMock returns how many failed attempts lock a partner, and the code of the
// answer.
func lockOfTheMock(t *testing.T) (failures int, code string) {
	t.Helper()
	m := newMockPartner(t)
	for failures < 10 && !m.Counters("1").Locked {
		m.call(t, "wrong", "")
		failures++
	}
	return failures, m.Requests()[failures-1].Code
}

// What storage has between the steps of a rotation is what the rules of secrets say.
func TestThePictureOfARotationHasTheListOfTheCode(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	list, old, next := secrets.List{Place: "here"}, confidential.New("old"), confidential.New("new")
	var want []string
	stored := func() {
		for _, s := range list.Secrets {
			fact := "sent"
			switch {
			case !s.Superseded.IsZero():
				fact = "superseded"
			case !s.Proven.IsZero():
				fact = "proven"
			case !s.Acknowledged.IsZero():
				fact = "204"
			}
			want = append(want, s.Value.Reveal()+": "+fact)
		}
		now = now.Add(time.Second)
	}
	list.Bring(old, now)
	list.Accept(old, now)
	stored() // Crash 1.
	list.Propose(next, false, now.Add(30*time.Second), now)
	stored() // Crash 2, before the call, and crash 3, after it.
	stored()
	list.Acknowledge(next, now)
	stored() // Crash 4, before the proof, and crash 5, after it.
	stored()
	list.Accept(next, now)
	stored()
	var got []string
	for _, l := range drawn(t, "docs/pictures/rotation.svg").labels {
		if strings.HasPrefix(l.text, "old: ") || strings.HasPrefix(l.text, "new: ") {
			got = append(got, l.text)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("it has\n%q\nand the code has\n%q", got, want)
	}
}

// The mock server says which secret is in effect: after an answer, without an answer, and
// after the answer of a gateway that never called Finicity.
func TestThePictureOfARotationHasTheSecretInEffectOfTheMock(t *testing.T) {
	t.Parallel()
	inEffect := func(m mockPartner) string {
		if m.HoldsSecret("1", newSecret) {
			return "new"
		}
		return "old"
	}
	before := inEffect(newMockPartner(t))
	var sent, acknowledged, proven, misled []string
	for _, kind := range []fakefinicity.Kind{fakefinicity.KindDropped, fakefinicity.KindLost, "", fakefinicity.KindStatus} {
		m, gateway := newMockPartner(t), 0
		if kind == fakefinicity.KindStatus {
			gateway = http.StatusNoContent
		}
		if kind != "" {
			m.Order(fakefinicity.Fault{Kind: kind, Status: gateway})
		}
		status := m.call(t, oldSecret, newSecret)
		sent = append(sent, inEffect(m))
		switch {
		case status != http.StatusNoContent:
			continue
		case gateway != 0:
			misled = append(misled, inEffect(m))
		default:
			acknowledged = append(acknowledged, inEffect(m))
		}
		if m.call(t, newSecret, "") == http.StatusOK {
			proven = append(proven, inEffect(m))
		}
	}
	either := func(all []string) string {
		slices.Sort(all)
		slices.Reverse(all) // Old comes before new.
		return strings.Join(slices.Compact(all), " or ")
	}
	ifTrue := either(acknowledged)
	if either(misled) != ifTrue {
		ifTrue += ", if 204 is true"
	}
	want := []string{"In effect", before, before, either(sent), ifTrue, either(proven), either(proven)}
	var got []string
	for _, l := range drawn(t, "docs/pictures/rotation.svg").labels {
		if l.x0 == 614 {
			got = append(got, l.text)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("it has\n%q\nand the mock server has\n%q", got, want)
	}
}

// kept is for how many hours the list has a refused secret, while Finicity accepts the
// one before it.
func kept(grace bool) (hours int) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	old, next := confidential.New("old"), confidential.New("new")
	for ; hours < 10_000; hours++ {
		list := secrets.List{Place: "here"}
		list.Bring(old, now)
		list.Accept(old, now)
		list.Propose(next, grace, now, now)
		list.Refuse(next, true, now)
		list.Accept(old, now.Add(time.Duration(hours+1)*time.Hour))
		if len(list.Secrets) == 1 {
			break
		}
	}
	return hours
}

func TestThePictureOfARotationHasTheFiguresOfTheCode(t *testing.T) {
	t.Parallel()
	figures := []string{
		"A rotation step by step: what storage holds and which secret is in effect if the process dies between two steps",
		"new: 204", "204: store that. It is no proof", "new, if 204 is true", "After crash 2, 3, 4 or 5, and when no answer comes",
		"The engine waits until the PUT has timed out, then tries new, within a minute or two.",
		fmt.Sprintf("Accepted: the rotation is done. Refused: it tries old at once, and keeps new for %d hours or more.", kept(false)),
		"That costs at most one refused attempt, and a second one if the change takes effect late.",
	}
	for i := range 5 {
		figures = append(figures, fmt.Sprintf("crash %d", i+1))
	}
	drawn(t, "docs/pictures/rotation.svg").hasTheFigures(t, figures...)
}
