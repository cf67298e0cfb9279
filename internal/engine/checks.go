// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// Bounds of the fields. Finicity accepts a token for two hours.
const (
	DefaultRequestTimeout = 30 * time.Second
	minRequestTimeout     = time.Second
	maxRequestTimeout     = 2 * time.Minute
	DefaultTokenLifetime  = 2 * time.Hour
	minTokenLifetime      = time.Minute
	maxTokenLifetime      = 2 * time.Hour

	maxIdentifier = 255 // characters of a partner ID, a secret (Finicity's rule) or an app key
	maxURL        = 2048
	maxCACert     = 256 << 10
)

// checkIdentifier refuses values that can't be right, before they cost one of five
// attempts. It does not apply the rules for new secrets: an existing secret may be
// older than those rules.
func checkIdentifier(name, value string) error {
	switch {
	case value == "":
		return userErrorf("field %q is empty: leave it out to keep the stored value", name)
	case len(value) > maxIdentifier:
		return userErrorf("field %q is too long: it has %d characters, and the maximum is %d",
			name, len(value), maxIdentifier)
	case strings.TrimSpace(value) != value:
		return userErrorf("field %q begins or ends with white space, often the line break at the end of a file: "+
			"remove it", name)
	case strings.ContainsAny(value[:1]+value[len(value)-1:], "\"'`"):
		return userErrorf("field %q begins or ends with quotes, which would be part of the value: remove them", name)
	}
	for _, c := range []byte(value) {
		if c <= ' ' || c > '~' {
			return userErrorf("field %q contains a space, a control character or a non-ASCII character: "+
				"copy it again from the Finicity developer portal", name)
		}
	}
	return nil
}

// checkPolicyName checks only the form. Vault checks whether the policy exists.
func checkPolicyName(name string) error {
	if len(name) > maxIdentifier || strings.ContainsFunc(name, unicode.IsControl) {
		return userErrorf("field %q is not a valid policy name: it is too long, or contains a control character", "password_policy")
	}
	return nil
}

// checkBaseURL checks the address, and returns it in the form in which the engine stores
// and compares it.
func checkBaseURL(value string) (string, error) {
	refuse := func(reason string) (string, error) {
		return "", userErrorf("field %q %s: write an address like %s", "base_url", reason, finicityapi.DefaultBaseURL)
	}
	if len(value) > maxURL {
		return refuse(fmt.Sprintf("is longer than %d characters", maxURL))
	}
	u, err := url.Parse(value)
	if err != nil {
		return refuse("is not a URL with a host")
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	switch {
	case host == "" || strings.HasSuffix(host, ".") || strings.Contains(u.Host, "%"):
		return refuse("is not a URL with a host")
	case !isPort(u.Port()):
		return refuse("has an invalid port")
	case strings.ContainsFunc(u.Host, func(r rune) bool { return r > unicode.MaxASCII }):
		return refuse("has a host with a non-ASCII character, which must be in xn-- form")
	case u.User != nil:
		return refuse("must not contain user info")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(value, "#"):
		return refuse("must not contain a query or a fragment")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(host)):
		return refuse("must begin with https:// (plain http is for a loopback host only)")
	case strings.TrimSpace(value) != value:
		return refuse("begins or ends with white space")
	}
	// Normalize the host: with two spellings, one address would look like two.
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is6() {
		host = "[" + addr.String() + "]"
	} else if strings.ContainsAny(host, ":[]") {
		return refuse("is not a URL with a host")
	}
	port, _ := strconv.Atoi(u.Port()) // 0 without a port.
	if standard := map[string]int{"https": 443, "http": 80}[u.Scheme]; port != 0 && port != standard {
		host += ":" + strconv.Itoa(port)
	}
	address := u.Scheme + "://" + host
	prefix := strings.TrimSuffix(path.Clean("/"+u.EscapedPath()), "/")
	// Finicity's older help pages show the address with a part of the path, and people
	// paste the whole authentication URL.
	own := path.Clean("/" + u.Path)
	at := len(own)
	for _, end := range []string{
		"/aggregation", "/aggregation/v1", "/aggregation/v2", "/aggregation/v2/partners", "/partners/authentication", "/v2/partners/authentication",
		"/aggregation/v2/partners/authentication",
	} {
		if strings.HasSuffix(strings.ToLower(own), end) {
			at = min(at, len(own)-len(end))
		}
	}
	if address == finicityapi.DefaultBaseURL && own != "/" { // Only a gateway has a prefix.
		at = 0
	}
	if at < len(own) {
		return "", userErrorf("field %q ends in a part of Finicity's own path, which the engine adds: write %s",
			"base_url", address+(&url.URL{Path: own[:at]}).EscapedPath())
	}
	return address + prefix, nil
}

func isPort(port string) bool {
	n, err := strconv.Atoi(port)
	return port == "" || err == nil && n > 0 && n < 1<<16
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.IsLoopback()
}

func checkCACert(bundle string) error {
	if len(bundle) > maxCACert {
		return userErrorf("field %q is too long: the maximum is %d bytes", "ca_cert", maxCACert)
	}
	n := 0
	for rest := []byte(bundle); len(rest) > 0; {
		n++
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return userErrorf("field %q: block %d is not PEM: write the content of a file that has "+
				"-----BEGIN CERTIFICATE----- in it, for example with ca_cert=@ca.pem", "ca_cert", n)
		}
		if len(block.Headers) > 0 { // The TLS library silently skips such a block.
			return userErrorf("field %q: certificate %d has lines before its content, such as friendlyName: remove them",
				"ca_cert", n)
		}
		if block.Type != "CERTIFICATE" {
			return userErrorf("field %q: block %d is not a certificate: write certificates only", "ca_cert", n)
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return userErrorf("field %q: certificate %d cannot be parsed: %v", "ca_cert", n, err)
		}
		rest = []byte(strings.TrimSpace(string(rest)))
	}
	// The decoder, and later the TLS library, skip a truncated or corrupted block.
	if begun := strings.Count(bundle, "-----BEGIN "); begun != n {
		return userErrorf("field %q: %d of %d blocks cannot be parsed: write complete certificates only",
			"ca_cert", begun-n, begun)
	}
	return nil
}
