// SPDX-License-Identifier: MPL-2.0

package fakefinicity

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

const (
	// maxBody bounds the body of a call, in bytes. Real bodies are smaller than 1 KiB.
	maxBody = 64 << 10
	// maxDrained is how many bytes of a longer body are still read. A client that is
	// cut off while it sends would not see the answer.
	maxDrained = 1 << 20
)

// call is a complete request without its connection. It can therefore be applied after
// the client has disconnected.
type call struct {
	name      string
	userAgent string
	appKey    string
	token     string
	body      []byte

	partnerID string
	secret    string
	newSecret string
	grace     bool // The request has immediate=false: the old secret works for 30 more days.

	malformed *answer // The refusal of a malformed call.
}

// readCall fails if the client disconnects while it sends.
func readCall(r *http.Request) (*call, error) {
	c := &call{
		userAgent: r.UserAgent(),
		appKey:    strings.TrimSpace(r.Header.Get("Finicity-App-Key")),
		token:     strings.TrimSpace(r.Header.Get("Finicity-App-Token")),
	}
	switch r.Method {
	case http.MethodPost:
		c.name = CallAuthenticate
	case http.MethodPut:
		c.name = CallModifySecret
	default:
		c.name = CallCustomers
	}
	var err error
	if c.body, err = io.ReadAll(io.LimitReader(r.Body, maxBody+1)); err != nil || c.name == CallCustomers {
		return c, err
	}
	if _, err = io.CopyN(io.Discard, r.Body, maxDrained); err != nil && !errors.Is(err, io.EOF) {
		return c, err
	}
	contentType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || contentType != "application/json" || !admitsJSON(r.Header.Values("Accept")) || len(c.body) > maxBody {
		c.malformed = badRequest()
	} else {
		c.malformed = c.parse()
	}
	return c, nil
}

// parse reads the fields by their exact names. encoding/json alone would also accept
// partnerid for partnerId, which Finicity does not.
func (c *call) parse() *answer {
	var fields map[string]any
	if err := json.Unmarshal(c.body, &fields); err != nil || fields == nil {
		return badRequest()
	}
	required := []struct {
		name string
		into *string
	}{{"partnerId", &c.partnerID}, {"partnerSecret", &c.secret}}
	if c.name == CallModifySecret {
		required = append(required, struct {
			name string
			into *string
		}{"newPartnerSecret", &c.newSecret})
		switch immediate := fields["immediate"].(type) {
		case nil:
		case bool:
			c.grace = !immediate
		default:
			return badRequest()
		}
	}
	var missing *answer
	for _, field := range required {
		value, isString := fields[field.name].(string)
		switch {
		case fields[field.name] != nil && !isString:
			return badRequest()
		case strings.TrimSpace(value) == "" && missing == nil:
			missing = missingParameter(field.name)
		}
		*field.into = value
	}
	return missing
}

// admitsJSON reports whether an Accept header is present and allows application/json.
// Without the header, Finicity may answer in XML, so the mock server treats a missing
// header as a mistake of the caller.
func admitsJSON(accept []string) bool {
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		mediaType, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		if q, err := strconv.ParseFloat(params["q"], 64); err == nil && q == 0 {
			continue
		}
		if mediaType == "application/json" || mediaType == "application/*" || mediaType == "*/*" {
			return true
		}
	}
	return false
}
