// SPDX-License-Identifier: MPL-2.0

package mounttest

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
)

// Answer is the response that a client of Vault gets.
type Answer struct {
	Status   int    // As Vault's HTTP status would be.
	Text     string // The text of the error.
	Data     map[string]any
	Warnings []string
	Secret   *logical.Secret
}

// OnTheWire returns data as a plugin receives it: after its conversion to JSON, each
// number is a float64.
func OnTheWire(t *testing.T, data Fields) map[string]any {
	t.Helper()
	encoded, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(encoded, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Take turns a response into an answer, and records its text for the search for
// secrets.
func (h *Harness) Take(path string, resp *logical.Response, err error) Answer {
	h.T.Helper()
	status, text := Outcome(resp, err)
	a := Answer{Status: status, Text: text}
	public := map[string]any{}
	if resp != nil {
		a.Data, a.Warnings, a.Secret = resp.Data, resp.Warnings, resp.Secret
		maps.Copy(public, resp.Data)
		if token, found := resp.Data["token"].(string); found && (path == "token" || path == "static-token") && a.Status == http.StatusOK {
			h.Leaks.Add(token)
			delete(public, "token")
			delete(public, "app_key")
		}
		if resp.Secret != nil {
			public["internal"] = resp.Secret.InternalData
		}
	}
	shown, failed := json.Marshal([]any{path, a.Text, a.Warnings, public})
	if failed != nil {
		h.T.Errorf("the answer of %s cannot be encoded: %v", path, failed)
	}
	h.Leaks.Note(string(shown))
	for text, status := range a.Texts(path) {
		Heard.Store([2]string{text, status}, true)
	}
	return a
}

// Heard has each text that a mount has given to a test, with its status.
var Heard sync.Map

// Texts returns the texts of an answer, each with its status as docs/errors.md has it:
// 200 for a warning or a result of the check, and "status" for a field of the status.
func (a Answer) Texts(path string) map[string]string {
	texts := map[string]string{}
	add := func(text any, status string) {
		if text, _ := text.(string); text != "" {
			texts[text] = status
		}
	}
	for _, warning := range a.Warnings {
		add(warning, "200")
	}
	add(a.Text, strconv.Itoa(a.Status))
	switch {
	case path == "status":
		for _, field := range []string{"last_error", "last_rotation_error", "rotation_paused", "storage_error"} {
			add(a.Data[field], "status")
		}
	case path == "config/check" && a.Status == http.StatusOK:
		add(a.Data["error"], "200")
	}
	return texts
}

// Outcome returns the HTTP status and the error text that Vault derives from a
// response.
func Outcome(resp *logical.Response, err error) (status int, text string) {
	var coded logical.HTTPCodedError
	switch {
	case errors.As(err, &coded):
		return coded.Code(), coded.Error()
	case errors.Is(err, logical.ErrUnsupportedOperation):
		return http.StatusMethodNotAllowed, err.Error()
	case errors.Is(err, logical.ErrUnsupportedPath):
		return http.StatusNotFound, err.Error()
	case err != nil:
		return http.StatusInternalServerError, err.Error()
	case resp == nil:
		return http.StatusNoContent, ""
	case resp.IsError():
		return http.StatusBadRequest, resp.Error().Error()
	default:
		return http.StatusOK, ""
	}
}
