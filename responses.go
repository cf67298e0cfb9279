// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/attempts"
	"vault-plugin-secrets-finicity/internal/engine"
	"vault-plugin-secrets-finicity/internal/finicityapi"
	"vault-plugin-secrets-finicity/internal/token"
)

// respond is the only place that decides the status and the text of an error: 400
// if the caller or an operator must act, 502 if Finicity gave no verdict, 503 if
// the caller can try again later, and Vault's own 500 for the rest.
//
// Vault's clients retry a 5xx automatically, so a refusal by Finicity must never
// be one: each retry could cost an attempt. docs/errors.md lists every text.
func respond(mount string, err error) (*logical.Response, error) {
	var (
		user       engine.UserError
		only       *engine.OnlyCopy
		move       *engine.MovePending
		incomplete *engine.IncompleteMove
		full       *engine.CandidateLimit
		unknown    *engine.OutcomeUnknown
		silent     *engine.Unanswered
		denied     *engine.NotAllowed
		refusal    *engine.Refusal
		pending    *engine.Pending
		newer      *engine.NewerError
		unstored   *engine.NotStored
		held       *token.HeldError
		failure    *finicityapi.Error
	)
	switch {
	case errors.As(err, &user):
		return logical.ErrorResponse(err.Error()), nil

	case errors.Is(err, engine.ErrNotConfigured):
		return logical.ErrorResponse("%s: type vault write %sconfig partner_id=… partner_secret=… app_key=…",
			engine.ErrNotConfigured, mount), nil

	case errors.Is(err, engine.ErrUndecodable):
		return nil, fmt.Errorf("%w: restore it from a snapshot of Vault, or discard it with vault delete %sconfig force=true",
			err, mount)

	case errors.As(err, &unstored): // Not a 5xx: a client must not repeat what Finicity has carried out.
		return logical.ErrorResponse("%s. The engine keeps the outcome in memory, uses it, and stores it when storage works again: "+
			"repeat the request only if Vault restarts or fails over before the outcome is stored", sentence(err)), nil

	case errors.Is(err, engine.ErrOvertaken) && !errors.As(err, &unknown):
		return nil, logical.CodedError(http.StatusServiceUnavailable, err.Error())

	case errors.As(err, &newer):
		return nil, fmt.Errorf("%w: install the version that wrote it", err)

	case errors.As(err, &denied):
		return logical.ErrorResponse("%s. %s", sentence(err), guide(mount, denied.Standing, err)), nil

	case errors.As(err, &refusal):
		return logical.ErrorResponse("%s. %s", sentence(err), guide(mount, refusal.Standing, err)), nil

	case errors.As(err, &unknown) && errors.As(err, &failure) && failure.Status == http.StatusTooManyRequests:
		return logical.ErrorResponse("%s. The engine resolves this automatically: no action is needed, unless the app key is invalid. "+
			"If it is, type vault write %sconfig app_key=…", sentence(err), mount), nil

	case errors.As(err, &unknown): // Finicity refused nothing, so automatic attempts continue.
		return logical.ErrorResponse("%s. The engine resolves this automatically: no action is needed", sentence(err)), nil

	case errors.As(err, &silent):
		return logical.ErrorResponse("%s. The engine does not retry the request, because it might count toward the lockout",
			sentence(err)), nil

	case errors.As(err, &full):
		return logical.ErrorResponse("%s", err), nil

	case errors.As(err, &failure) && failure.Class == finicityapi.RefusedByPolicy:
		return logical.ErrorResponse("%s. Check password_policy, if you set one, and rotate again", sentence(err)), nil

	case errors.As(err, &pending):
		return nil, logical.CodedError(http.StatusServiceUnavailable,
			fmt.Sprintf("%s: try again in %s, no other action is needed", err, roundUp(pending.Wait)))

	case errors.As(err, &held):
		return nil, logical.CodedError(http.StatusServiceUnavailable,
			fmt.Sprintf("%s; the next request is sent in %s at the earliest", sentence(err), roundUp(held.Wait)))

	case errors.As(err, &failure):
		return nil, logical.CodedError(http.StatusBadGateway, err.Error())

	case errors.As(err, &incomplete):
		return logical.ErrorResponse("%s. To write the new base_url, ca_cert or partner_id%s, type %s",
			err, afterUnlock(incomplete.Standing), moveCommand(mount, incomplete)), nil

	case errors.As(err, &only):
		return onlyCopy(mount, only), nil

	case errors.As(err, &move):
		return logical.ErrorResponse("%s. To resolve it%s: %s. If the current address is gone for good, repeat the write with verify_connection set to false",
			move, afterUnlock(move.Standing), verifyCommand(mount, move.Standing)), nil

	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil, logical.CodedError(http.StatusServiceUnavailable,
			"the request ended before Finicity answered: try again")

	case errors.Is(err, engine.ErrChanging), errors.Is(err, engine.ErrTooSlow):
		return nil, logical.CodedError(http.StatusServiceUnavailable, err.Error())

	default:
		return nil, err
	}
}

func onlyCopy(mount string, only *engine.OnlyCopy) *logical.Response {
	if only.Unresolved {
		return logical.ErrorResponse("%s. To resolve it%s: %s. To discard the secret: vault delete %sconfig force=true",
			only, afterUnlock(only.Standing), verifyCommand(mount, only.Standing), mount)
	}
	return logical.ErrorResponse("%s. For another partner, use another mount. "+
		"To discard the secret: vault delete %sconfig force=true", only, mount)
}

// guide says how many attempts are left, when the engine makes the next one, and
// what to type. Every command works in the state in which it is shown.
func guide(mount string, s engine.Standing, err error) string {
	var denied *engine.NotAllowed
	var unwritten *engine.NothingWritten
	verify := verifyCommand(mount, s)
	used := "Failed attempts: " + ofFive(s.Used)
	write := errors.As(err, &unwritten)
	const locked = "After Finicity support has unlocked the partner, type "
	next := ""
	if !s.Retry.IsZero() {
		next = "; the engine retries once, at " + s.Retry.Format(time.RFC3339) + " at the earliest"
	}
	switch {
	case s.State == attempts.Locked && write:
		return locked + storeThenVerify(mount, s, unwritten.Fields...)
	case s.State == attempts.Locked:
		return locked + verify
	case write:
		return used + guideWrite(mount, s, unwritten)
	case s.Left == 0 && notFinicity(err):
		return fmt.Sprintf("%s%s. If you are sure of the stored credential, type %s; to store another address first, type %s",
			used, next, verify, storeThenVerify(mount, s, address()...))
	case s.Left == 0:
		return fmt.Sprintf("%s%s. If you are sure of the stored credential, type %s; to store another one first, type %s",
			used, next, verify, storeThenVerify(mount, s, "partner_secret"))
	case errors.As(err, &denied) && denied.Verdict == attempts.TooManyForChange:
		return fmt.Sprintf("%s in the last 24 hours, so the secret is not changed now. To allow it, type %s first",
			used, allowChange(mount, s))
	case next == "":
		next = "; the engine makes no further attempt automatically"
	}
	if notFinicity(err) {
		return fmt.Sprintf("%s, and you can make %d more without force%s. If base_url is wrong, type %s; otherwise, type %s", used, s.Left, next, moveAlong(mount, s), verify)
	}
	store := fmt.Sprintf("vault write %sconfig partner_secret=… (or app_key=…)", mount)
	if s.Reserved {
		store = fmt.Sprintf("vault write %sconfig partner_secret=… verify_connection=false (or app_key=…), then %s", mount, verify)
	}
	return fmt.Sprintf("%s, and you can make %d more without force%s. If the secret or the app key changed, type %s; otherwise, type %s", used, s.Left, next, store, verify)
}

// guideWrite is guide for a write whose credential was not stored.
func guideWrite(mount string, s engine.Standing, w *engine.NothingWritten) string {
	reason, unchanged := "", "; the stored credential is unchanged and stays in use"
	untried := storeThenVerify(mount, s, w.Fields...)
	switch {
	case s.Left == 0:
	case s.Reserved:
		reason, unchanged = ", and the fourth is reserved for the stored credential", ", which is unchanged and stays in use"
	default:
		reason = fmt.Sprintf(", and you can make %d more without force", s.Left)
	}
	if w.Stored != nil {
		reason += unchanged
	}
	switch {
	case s.Left == 0, s.Reserved:
		return reason + ". If you are sure of the new one, type " + untried
	case errors.As(w, new(*engine.NotAllowed)):
		return reason + ". If the new one is valid now, type " + untried
	}
	another := fmt.Sprintf("vault write %sconfig partner_secret=… (or app_key=…)", mount)
	switch {
	case notFinicity(w):
		return reason + ". To write another address, type " + moveAlong(mount, s, w.Fields...) + "; if this one is valid now, type " + untried
	case w.Moved:
		another = fmt.Sprintf("vault write %sconfig %s", mount, blanks(w.Fields))
	}
	return reason + ". To write another one, type " + another + "; if this one is valid now, type " + untried
}

// notFinicity reports whether the server that answered does not seem to be Finicity's:
// it has no resource at Finicity's path.
func notFinicity(err error) bool {
	var (
		failure *finicityapi.Error
		denied  *engine.NotAllowed
	)
	switch {
	case errors.As(err, &failure):
		return failure.Status == http.StatusNotFound && !failure.FromFinicity()
	default:
		return errors.As(err, &denied) && strings.Contains(denied.Standing.Failure, finicityapi.AddressHint)
	}
}

// address returns the fields that a write of another address needs, plus those that
// the previous write had.
func address(given ...string) []string {
	needed := []string{"partner_secret", "app_key", "base_url"}
	return slices.DeleteFunc([]string{"partner_id", "partner_secret", "app_key", "base_url", "ca_cert"}, func(name string) bool {
		return !slices.Contains(needed, name) && !slices.Contains(given, name)
	})
}

// moveAlong returns the command that writes another address completely.
func moveAlong(mount string, s engine.Standing, given ...string) string {
	return moveCommand(mount, &engine.IncompleteMove{Fields: address(given...), Standing: s})
}

// ofFive describes a number of failed attempts. Forced ones can make it more than five.
func ofFive(used int) string {
	if used > 5 {
		return fmt.Sprintf("%d (five lock the partner)", used)
	}
	return fmt.Sprintf("%d of 5 (five lock the partner)", used)
}

// moveCommand returns the command that writes another partner or address completely,
// in a form that the number of attempts left allows.
func moveCommand(mount string, m *engine.IncompleteMove) string {
	if m.Standing.Left == 0 || m.Standing.Reserved {
		return storeThenVerify(mount, m.Standing, m.Fields...)
	}
	return fmt.Sprintf("vault write %sconfig %s", mount, blanks(m.Fields))
}

// storeThenVerify returns the commands that store a credential without verifying it,
// and then verify it.
func storeThenVerify(mount string, s engine.Standing, fields ...string) string {
	return fmt.Sprintf("vault write %sconfig %s verify_connection=false, then %s", mount, blanks(fields), verifyCommand(mount, s))
}

// blanks returns the fields of a command with values for the reader to fill in.
func blanks(fields []string) string { return strings.Join(fields, "=… ") + "=…" }

// verifyCommand returns the command that verifies the stored credential, with force
// if the state of attempts requires it.
func verifyCommand(mount string, s engine.Standing) string {
	if s.Left == 0 {
		return fmt.Sprintf("vault write %sconfig/verify force=true", mount)
	}
	return fmt.Sprintf("vault write -f %sconfig/verify", mount)
}

// allowChange returns the command after which the secret may be changed. If operators
// have used up the attempts, only a forced success clears them.
func allowChange(mount string, s engine.Standing) string {
	if s.Left < 2 {
		s.Left = 0
	}
	return verifyCommand(mount, s)
}

// afterUnlock goes before a command that needs an attempt. It is empty unless the
// partner is locked.
func afterUnlock(s engine.Standing) string {
	if s.State == attempts.Locked {
		return " after Finicity support has unlocked the partner"
	}
	return ""
}

// sentence returns an error's text without a period at the end. Texts from Finicity
// can have one.
func sentence(err error) string { return strings.TrimSuffix(err.Error(), ".") }

// roundUp rounds a duration up to whole seconds, at least one, for display.
func roundUp(d time.Duration) time.Duration {
	return max(time.Second, (d + time.Second - 1).Truncate(time.Second))
}

// timeOrNull formats a time for a response. The zero time is null.
func timeOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

// singleResponse describes an operation that has only one kind of response.
func singleResponse(status int, description string, fields map[string]*framework.FieldSchema) map[int][]framework.Response {
	return map[int][]framework.Response{status: {{Description: description, Fields: fields}}}
}

// noContent describes a response without data.
func noContent() map[int][]framework.Response {
	return singleResponse(http.StatusNoContent, "Done. With a warning, the status is 200.", nil)
}
