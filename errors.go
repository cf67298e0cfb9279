// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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

// respond is the one place that decides how an error looks from outside: 400 when a person must act, 502 when Finicity
// gave no verdict, 503 when no call was made for now, and Vault's own 500 for the rest. Vault's clients repeat a
// request after a 5xx by themselves, so a refusal by Finicity must never be one: each repetition may cost an attempt.
func respond(mount string, err error) (*logical.Response, error) {
	write := fmt.Sprintf("vault write %sconfig", mount)
	var (
		bad     refused
		pending *unsettled
		held    *heldBack
		failure *finicityapi.Error
	)
	switch {
	case errors.As(err, &bad):
		return logical.ErrorResponse(err.Error()), nil

	case errors.Is(err, errNotConfigured):
		return logical.ErrorResponse("this mount is not configured: type %s partner_id=… partner_secret=… app_key=…",
			write), nil

	case errors.As(err, &pending) && pending.err == nil:
		return nil, logical.CodedError(http.StatusServiceUnavailable,
			fmt.Sprintf("%s: try again in %s, nothing else is to be done", err, roundUp(pending.wait)))

	case errors.As(err, &held) && held.wait > 0:
		return nil, logical.CodedError(http.StatusServiceUnavailable,
			fmt.Sprintf("%s; the next call is made in %s at the earliest", err, roundUp(held.wait)))

	case errors.As(err, &held):
		return refusedByFinicity(write, held.last, err), nil

	case errors.As(err, &failure) && failure.Class != finicityapi.Unavailable:
		return refusedByFinicity(write, failure, err), nil

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

func refusedByFinicity(write string, failure *finicityapi.Error, err error) *logical.Response {
	var advice string
	switch failure.Class {
	case finicityapi.Locked:
		advice = "Only Finicity's support can unlock the partner; then type " + write + " partner_secret=… app_key=…"
	case finicityapi.RefusedByPolicy:
		advice = "Nothing has changed; the current secret stays in force"
	default:
		advice = "No further attempt is made automatically, because five of them lock the partner. " +
			"Look the credential up in the Finicity developer portal, then type " + write + " partner_secret=… app_key=…"
	}
	return logical.ErrorResponse("%s. %s", err, advice)
}

// roundUp is for people: whole seconds, and never 0s.
func roundUp(d time.Duration) time.Duration {
	return max(time.Second, (d + time.Second - 1).Truncate(time.Second))
}
