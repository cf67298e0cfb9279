// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
)

// answer is what a client of Vault gets.
type answer struct {
	status   int    // as Vault's HTTP status would be
	text     string // of the error
	data     map[string]any
	warnings []string
	secret   *logical.Secret
}

// onTheWire is data after its way through JSON, as it is on the way into a plugin: each number is a float64.
func onTheWire(t *testing.T, data fields) map[string]any {
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

// take turns a response into an answer, and keeps its words for the search for secrets.
func (h *harness) take(path string, resp *logical.Response, err error) answer {
	h.t.Helper()
	status, text := outcome(resp, err)
	a := answer{status: status, text: text}
	public := map[string]any{}
	if resp != nil {
		a.data, a.warnings, a.secret = resp.Data, resp.Warnings, resp.Secret
		maps.Copy(public, resp.Data)
		if token, found := resp.Data["token"].(string); found && path == "token" && a.status == http.StatusOK {
			h.words.add(token)
			delete(public, "token")
			delete(public, "app_key")
		}
		if resp.Secret != nil {
			public["internal"] = resp.Secret.InternalData
		}
	}
	shown, failed := json.Marshal([]any{path, a.text, a.warnings, public})
	if failed != nil {
		h.t.Errorf("the answer of %s cannot be encoded: %v", path, failed)
	}
	h.words.note(string(shown))
	return a
}

// outcome is the HTTP status and the error text that Vault makes of a response.
func outcome(resp *logical.Response, err error) (status int, text string) {
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
