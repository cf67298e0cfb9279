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
	// maxBody bounds the body of a call, in bytes. Real ones are below one KiB.
	maxBody = 64 << 10
	// maxDrained is how much of a longer one is still read: a client that is cut off while it sends sees no answer.
	maxDrained = 1 << 20
)

// call is a request, read to its end and detached from its connection, so that it can be applied after its client has
// gone.
type call struct {
	name      string
	userAgent string
	appKey    string
	token     string
	body      []byte

	partnerID string
	secret    string
	newSecret string
	grace     bool // immediate is false: the old secret stays good for a while

	malformed *answer // the refusal of a call that cannot be understood
}

// readCall fails if the client goes away while it is still sending.
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

// parse reads the fields by their exact names; encoding/json alone would also take partnerid for partnerId, which
// Finicity does not.
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

// admitsJSON reports whether an Accept header is there and admits application/json. Without the header Finicity may
// answer in XML, so its absence is the caller's error here.
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
