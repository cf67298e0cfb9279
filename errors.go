// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// refused is an error that a person must do something about: a 400 with this text.
type refused string

func (r refused) Error() string { return string(r) }

// unsettled is the error of whoever needs the credential while a rotation is pending and can't be settled yet.
type unsettled struct {
	wait time.Duration // until it can be tried; 0 when it was tried, and reason says why it failed
	err  error
}

func (u *unsettled) Error() string {
	if u.err != nil {
		return "a rotation is pending and could not be settled: " + u.err.Error()
	}
	return "a rotation is pending, and its call may still be on its way"
}

func (u *unsettled) Unwrap() error { return u.err }

var errNotConfigured = errors.New("not configured")

// notStored is the error of a config write whose credential was tried and not taken.
type notStored struct {
	err   error
	first bool // nothing is stored from before either
}

func (n *notStored) Error() string { return "nothing was stored: " + n.err.Error() }
func (n *notStored) Unwrap() error { return n.err }

// knownBad is the error of a config write with a credential that Finicity has refused already.
type knownBad struct {
	noted  refusedCredential
	record attempts
}

func (k *knownBad) Error() string {
	return fmt.Sprintf("Finicity refused this very credential on %s, so it is not sent again: %s",
		k.noted.At.Format(time.RFC3339), k.noted.Error)
}

// respond is the one place that decides how an error looks from outside: 400 when a person must act, 502 when Finicity
// gave no verdict, 503 when no call was made for now, and Vault's own 500 for the rest. Vault's clients repeat a
// request after a 5xx by themselves, so a refusal by Finicity must never be one: each repetition may cost an attempt.
func respond(mount string, err error) (*logical.Response, error) {
	var (
		bad     refused
		known   *knownBad
		pending *unsettled
		held    *heldBack
		silent  *unanswered
		halt    *stopped
		refusal *rejection
		failure *finicityapi.Error
	)
	switch {
	case errors.As(err, &bad):
		return logical.ErrorResponse(err.Error()), nil

	case errors.Is(err, errNotConfigured):
		return logical.ErrorResponse("this mount is not configured: type "+
			"vault write %sconfig partner_id=… partner_secret=… app_key=…", mount), nil

	case errors.As(err, &known):
		return guide(mount, err, known.record), nil

	case errors.As(err, &silent):
		return logical.ErrorResponse("%s. It is not repeated by itself, since it may count as an attempt", err), nil

	case errors.As(err, &halt):
		return guide(mount, err, halt.record), nil

	case errors.As(err, &refusal):
		return guide(mount, err, refusal.record), nil

	case errors.As(err, &failure) && failure.Class == finicityapi.RefusedByPolicy:
		return logical.ErrorResponse("%s. The current secret stays in force", err), nil

	case errors.As(err, &pending) && pending.err == nil:
		return nil, logical.CodedError(http.StatusServiceUnavailable,
			fmt.Sprintf("%s: try again in %s, nothing else is to be done", err, roundUp(pending.wait)))

	case errors.As(err, &held):
		return nil, logical.CodedError(http.StatusServiceUnavailable,
			fmt.Sprintf("%s; the next call is made in %s at the earliest", err, roundUp(held.wait)))

	case errors.As(err, &failure):
		return nil, logical.CodedError(http.StatusBadGateway, err.Error())

	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil, logical.CodedError(http.StatusServiceUnavailable,
			"the request ended before Finicity had answered: try again")

	case errors.Is(err, errChanging), errors.Is(err, errTooSlow):
		return nil, logical.CodedError(http.StatusServiceUnavailable, err.Error())

	default:
		return nil, err
	}
}

// guide says what happened, how many attempts are left, when the next one is made, and what to type.
func guide(mount string, err error, record attempts) *logical.Response {
	happened := strings.TrimSuffix(err.Error(), ".") // Finicity's own sentence may have one.
	var unkept *notStored
	errors.As(err, &unkept)
	return logical.ErrorResponse("%s. %s", happened, advice(mount, record, unkept))
}

// advice is for a credential that is stored, unless unkept is given.
func advice(mount string, record attempts, unkept *notStored) string {
	verify := fmt.Sprintf("vault write -f %sconfig/verify", mount)
	if record.left() == 0 {
		verify = fmt.Sprintf("vault write %sconfig/verify force=true", mount)
	}
	write := fmt.Sprintf("vault write %sconfig partner_secret=… (or app_key=…)", mount)
	if unkept != nil {
		verify = "store it with verify_connection=false, then type " + verify
	}
	if unkept != nil && unkept.first {
		write = fmt.Sprintf("vault write %sconfig partner_id=… partner_secret=… app_key=…", mount)
	}
	next := "The engine makes no further attempt by itself"
	if retry := record.retry(); !retry.IsZero() && (unkept == nil || !unkept.first) {
		next = "The engine makes one more by itself, at " + retry.Format(time.RFC3339) + " at the earliest"
	}
	spent := record.Rejected + record.Charged
	switch {
	case record.state() == stateLocked:
		return "Finicity has locked the partner, and only its support can unlock it. When it has: " + verify
	case record.left() == 0:
		return fmt.Sprintf("%d attempts were refused or got no answer since the last success, and the fifth locks the "+
			"partner, so the engine makes no more. When you are sure of the credential, store it with "+
			"verify_connection=false, if you know it, then type vault write %sconfig/verify force=true",
			spent, mount)
	}
	return fmt.Sprintf("%d of the five attempts that lock the partner are spent, and %d more are let through for you. %s. "+
		"If another credential is the right one: %s. If this one is right, and something else was wrong: %s",
		spent, record.left(), next, write, verify)
}

// roundUp is for people: whole seconds, and never 0s.
func roundUp(d time.Duration) time.Duration {
	return max(time.Second, (d + time.Second - 1).Truncate(time.Second))
}
