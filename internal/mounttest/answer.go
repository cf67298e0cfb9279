// SPDX-License-Identifier: MPL-2.0

package mounttest

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
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
	return a
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
