// SPDX-License-Identifier: MPL-2.0

package mount_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vault-plugin-secrets-finicity/internal/mounttest"
)

// After all tests of the package, the texts that they got are compared with the statuses
// in docs/errors.md, in both directions.
func TestMain(m *testing.M) {
	code := m.Run()
	for _, some := range []string{"test.run", "test.skip", "test.list", "test.fuzz"} {
		if flag.Lookup(some).Value.String() != "" {
			os.Exit(code)
		}
	}
	if code == 0 {
		for _, problem := range wrongStatuses() {
			code = 1
			fmt.Fprintln(os.Stderr, "docs/errors.md:", problem)
		}
	}
	os.Exit(code)
}

// wrongStatuses compares the page with the texts that the mounts have answered.
func wrongStatuses() (problems []string) {
	page, heard := errorsPage(), map[string]map[string]bool{}
	mounttest.Heard.Range(func(key, _ any) bool {
		if text, isPair := key.([2]string); isPair {
			rows := rowsOf(page, text[0])
			if rows == nil && aField.MatchString(text[0]) {
				problems = append(problems, "there is no such text: "+text[0])
			}
			for row := range rows {
				if heard[row] == nil {
					heard[row] = map[string]bool{}
				}
				heard[row][text[1]] = true
			}
		}
		return true
	})
	for _, c := range page {
		want, noMount := answeredElsewhere[c.text]
		if got := strings.Join(slices.Sorted(maps.Keys(heard[c.text])), ", "); !noMount {
			want = got
		} else if got != "" {
			problems = append(problems, "the tests of this package get a text that the list has for another one: "+c.text)
		}
		if want != strings.Join(c.statuses, ", ") {
			problems = append(problems, fmt.Sprintf("the status is %s, and the tests get %q: %s", c.statuses, want, c.text))
		}
	}
	return problems
}

// aField is the beginning of a text about a field. Some other texts have what a server
// answers at random, and are not on the page.
var aField = regexp.MustCompile(`^(?:unknown )?field `)

// answeredElsewhere has the status of each error that no test of this package gets, so
// that no test shows its status.
var answeredElsewhere = map[string]string{
	`writing to storage: cannot write to storage during setup. The plugin was missing, or had a different checksum, when this node became active: to make the mount writable, restart the node or, with high availability, type vault operator step-down`:       "500, status",
	`the certificate is not trusted: MESSAGE. If a proxy that inspects TLS presents this certificate, ca_cert must contain the proxy's CA; if Finicity presents it, ca_cert must be empty. To try a CA, type vault write finicity/config/check ca_cert=@ca.pem`: "200",
	`the certificate is not valid now: MESSAGE. Check the clock of this node. If the clock is right, the owner of the certificate must renew it: certificate_issuer says who issued it`:                                                                         "200",
	`the server answered HTTP 407: the user or the password for a proxy in between is missing or wrong. Set HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT for the plugin`:                                                                                          "200",
	`the server does not support TLS 1.2 or higher: MESSAGE. Finicity does, so a gateway or a proxy in between answered: update it, or exempt HOST from its inspection`:                                                                                         "200",
	`the proxy answered HTTP 407: the user or the password in HTTPS_PROXY is missing or wrong. Set HTTPS_PROXY=http://USER:PASSWORD@HOST for the plugin`:                                                                                                        "200",
	`the proxy answered HTTP STATUS, and did not connect to HOST. Allow CONNECT to this host in the proxy, and check the proxy's own DNS and egress`:                                                                                                            "200",
	`the proxy cannot be used: MESSAGE. Check HTTPS_PROXY and NO_PROXY in the environment of the plugin, and egress from this node to the proxy`:                                                                                                                "200",
	`HOST cannot be resolved: MESSAGE. Correct DNS on this node, or set HTTPS_PROXY for the plugin: a proxy resolves the name itself`:                                                                                                                           "200",
	`the certificate of the proxy is not trusted: MESSAGE. Add its CA to ca_cert, or to the system's roots if ca_cert is empty`:                                                                                                                                 "200",
	`the TLS handshake failed: MESSAGE. A firewall that filters by host name often ends the connection here: allow HOST`:                                                                                                                                        "200",
	`HOST sent no complete answer: MESSAGE. Check again; if that fails too, look at the gateway or the proxy in between`:                                                                                                                                        "200",
	`the certificate is for another host: MESSAGE. Check base_url, and which addresses this node resolves HOST to`:                                                                                                                                              "200",
	`the proxy address in the environment (HTTPS_PROXY, HTTP_PROXY) cannot be used`:                                                                                                                                                                             "400, 502, status",
	`field "FIELD": COUNT of COUNT blocks cannot be parsed: write complete certificates only`:                                                                                                                                                                   "400",
	`[not shown, because it repeats the secret or the app key]`:                                                                                                                                                                                                 "400, 502, status",
	`[not shown, because it repeats the password of the proxy]`:                                                                                                                                                                                                 "200",
	`field "FIELD" must be at least 1h, or 0 for no limit`:                                                                                                                                                                                                      "400",
	`the stored record of attempts cannot be decoded`:                                                                                                                                                                                                           "status",
	`reading the attempts from storage: MESSAGE`: "500",
	`reading the token from storage: MESSAGE`:    "500",
	`the request cannot be encoded`:              "400, 502, status",
	`the base URL cannot be used`:                "400, 502, status",
	`setting up the backend: MESSAGE`:            "500",
	`the answer was cut off: MESSAGE`:            "200",
	`reading random bytes: MESSAGE`:              "500",
}
