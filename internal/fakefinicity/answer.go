// SPDX-License-Identifier: MPL-2.0

package fakefinicity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

const jsonContentType = "application/json"

// answer is Finicity's decision about a call, before a fault changes it.
type answer struct {
	status      int
	contentType string
	header      map[string]string
	body        []byte

	outcome Outcome
	code    string
}

// errorAnswer has the shape ErrorMessage of the OpenAPI document 1.42. The document
// allows the code as a number and as a string.
func errorAnswer(status int, outcome Outcome, code any, message string) *answer {
	return &answer{
		status:      status,
		contentType: jsonContentType,
		body: encode(struct {
			Code    any    `json:"code"`
			Message string `json:"message"`
		}{code, message}),
		outcome: outcome,
		code:    fmt.Sprint(code),
	}
}

func badRequest() *answer {
	return errorAnswer(http.StatusBadRequest, OutcomeRefused, "14020", "Bad request.")
}

func missingParameter(name string) *answer {
	return errorAnswer(http.StatusBadRequest, OutcomeRefused, "10005", "Missing parameter ("+name+")")
}

func againstPolicy() *answer {
	return errorAnswer(http.StatusBadRequest, OutcomeRefused, "24437", "New password is not as per policy")
}

func invalidCredentials() *answer {
	return errorAnswer(http.StatusUnauthorized, OutcomeRejected, "10001", "Invalid credentials")
}

func wrongAppKey(appKey string) *answer {
	message := "Invalid (Finicity-App-Key)"
	if appKey == "" {
		message = "Missing parameter (Finicity-App-Key)"
	}
	return errorAnswer(http.StatusUnauthorized, OutcomeRejected, "10026", message)
}

// rateLimited comes from Finicity's edge. It has no code, and the authentication
// service has not received the call.
func rateLimited() *answer {
	return &answer{status: http.StatusTooManyRequests, contentType: "text/plain", body: []byte("Too Many Requests"), outcome: OutcomeRefused}
}

func wrongToken(token string) *answer {
	if token == "" {
		return errorAnswer(http.StatusUnauthorized, OutcomeRejected, "10022", "Missing parameter (Finicity-App-Token)")
	}
	return errorAnswer(http.StatusUnauthorized, OutcomeRejected, "10023", "Invalid or expired (Finicity-App-Token)")
}

// LockedMessage is what Finicity says about a locked partner, in three sentences.
const LockedMessage = "Bad credentials. For your security, we've locked your account. Contact support to unlock it."

// partnerLocked is the only answer that is not in the OpenAPI document. The partner
// documentation describes it, with HTTP status 500 and the code as a number.
func partnerLocked() *answer {
	return errorAnswer(http.StatusInternalServerError, OutcomeLocked, 24302, LockedMessage)
}

// unknownPartner has the shape ErrorWrapper of the OpenAPI document 1.42. Modify
// Partner Secret has no 404 in that document.
func unknownPartner(callName string) *answer {
	if callName == CallModifySecret {
		return invalidCredentials()
	}
	type wrapped struct {
		Source      string
		ReasonCode  string
		Description string
		Recoverable bool
		Details     string
	}
	var wrapper struct {
		Errors struct{ Error []wrapped }
	}
	wrapper.Errors.Error = []wrapped{{
		Source:      "Partner Authentication Service",
		ReasonCode:  "12401",
		Description: "partner not found",
		Details:     "partner not found",
	}}
	return &answer{
		status:      http.StatusNotFound,
		contentType: jsonContentType,
		body:        encode(wrapper),
		outcome:     OutcomeRejected,
		code:        "12401",
	}
}

// encode does not escape & and <. An echoed secret must look as it was sent; otherwise
// the client's redaction is not tested.
func encode(value any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic("fakefinicity: " + err.Error()) // Only values of this package are encoded.
	}
	return bytes.TrimSpace(b.Bytes())
}

// send writes the answer. If the client has disconnected, it writes nothing, and the
// log does not show the call as answered.
func (s *Server) send(w http.ResponseWriter, r *http.Request, a *answer, entry *Request) {
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler)
	}
	s.answered(entry, a.status)
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	if a.contentType != "" {
		w.Header().Set("Content-Type", a.contentType)
	}
	w.WriteHeader(a.status)
	if len(a.body) == 0 {
		return
	}
	if _, err := w.Write(a.body); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// sendCut sends about half of the answer's body and closes the connection. For an
// answer without a body, it sends half of the status line instead: otherwise the client
// could not tell the answer from a complete one.
func (s *Server) sendCut(w http.ResponseWriter, a *answer, entry *Request) {
	statusLine := fmt.Sprintf("HTTP/1.1 %d %s\r\n", a.status, http.StatusText(a.status))
	cut := statusLine[:len(statusLine)/2]
	if len(a.body) > 0 {
		cut = fmt.Sprintf("%sContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
			statusLine, a.contentType, len(a.body), a.body[:len(a.body)/2])
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // Without a plain HTTP/1.1 connection, closing it is the closest equivalent.
	}
	s.answered(entry, a.status)
	// These fail if the client has disconnected, and the client sees a cut answer
	// anyway.
	_, _ = io.WriteString(conn, cut)
	_ = conn.Close()
}
