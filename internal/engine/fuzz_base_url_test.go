// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// net/http parses the address again and decides where the credential goes. Both must
// agree: otherwise the check for a loopback host would be about another host than the
// one that is dialed, and one address with two spellings would look like two.
func FuzzABaseURLIsStoredInTheOneFormOfWhatIsDialed(f *testing.F) {
	for _, value := range []string{
		"", "https://api.finicity.com", "HTTPS://API.Finicity.com:443/", "https://proxy.example:8443/a%2Fb/", "http://127.0.0.1:80", "http://[::1]:8080",
		"http://localhost@evil.com", "https://user:pass@host", "https://host?x", "https://host#x", "http://localhost.evil.com", "https://[fe80::1%25eth0]",
		"https://host:", "https://host:0443", "https://host:0", "https://host\\@evil", "https://host/../x", "https://ho%73t", "https://h ost", "//host",
		"http://[::ffff:127.0.0.1]", "http://127.1", "http://0x7f.0.0.1", "http://ｌocalhost", "https://host/%zz", "https://host/a b", "https://host/\x00",
		"http://localhost:80:80", "https://[::1]x", "https://a,b", "https://host/é", "https://bücher.example",
	} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		stored, err := checkBaseURL(value)
		if err != nil {
			if !strings.HasPrefix(err.Error(), `field "base_url" `) || stored != "" {
				t.Error("the refusal does not name its field, or comes with an address")
			}
			return
		}
		if again, err := checkBaseURL(stored); err != nil || again != stored {
			t.Errorf("%q is stored, and read again it is %q (%v)", stored, again, err)
		}
		u, err := url.Parse(stored)
		if err != nil || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "" ||
			strings.ContainsAny(stored, "#?\\ \t\r\n") || strings.HasSuffix(stored, "/") {
			t.Fatalf("%q is stored (%v)", stored, err)
		}
		host, port := dialed(t, stored)
		if addr, err := netip.ParseAddr(host); u.Scheme != "https" && host != "localhost" && (err != nil || !addr.IsLoopback()) {
			t.Errorf("%q makes the credential go to %s in the clear", stored, host)
		}
		number, err := strconv.Atoi(port)
		if err != nil || number < 1 || number > 65535 {
			t.Errorf("%q has a port that does not exist", stored)
		}
		place := net.JoinHostPort(host, strconv.Itoa(number))
		if usual := map[string]int{"https": 443, "http": 80}[u.Scheme]; number == usual {
			place = strings.TrimSuffix(place, ":"+strconv.Itoa(usual))
		}
		if want := u.Scheme + "://" + place + u.EscapedPath(); stored != want {
			t.Errorf("%q is stored for the place that is dialed as %q", stored, want)
		}
	})
}

// dialed returns the host and port that a call to this address connects to.
func dialed(t *testing.T, baseURL string) (host, port string) {
	t.Helper()
	var address string
	client, err := finicityapi.New(finicityapi.Config{
		BaseURL: baseURL, Timeout: time.Minute, DialContext: func(_ context.Context, _, to string) (net.Conn, error) {
			address = to
			return nil, errors.New("no network here")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Authenticate(t.Context(), finicityapi.Credential{PartnerID: "1000000000001"}); err == nil || address == "" {
		t.Fatalf("a call to %q dials nothing: %v", baseURL, err)
	}
	host, port, err = net.SplitHostPort(address)
	if err != nil {
		t.Fatalf("%q dials %q", baseURL, address)
	}
	return host, port
}
