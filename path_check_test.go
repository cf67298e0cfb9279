// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"regexp"
	"strings"
	"testing"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

var sentenceEnd = regexp.MustCompile(`\. [A-Za-z]`)

// A different person must fix each kind of failure, and the text makes clear who.
func TestACheckSaysWhatToDo(t *testing.T) {
	t.Parallel()
	at := func(stage finicityapi.Stage, cause finicityapi.Cause) finicityapi.Report {
		return finicityapi.Report{Failed: stage, Cause: cause, Problem: "what Go says."}
	}
	answer := func(status int) finicityapi.Report {
		return finicityapi.Report{Failed: finicityapi.StageHTTP, Status: status}
	}
	proxy := func(status int) finicityapi.Report {
		return finicityapi.Report{Failed: finicityapi.StageProxy, ProxyStatus: status, Problem: "a text of the proxy", Proxy: "proxy.internal:3128"}
	}
	for name, test := range map[string]struct {
		report finicityapi.Report
		says   []string
	}{
		"DNS":            {at(finicityapi.StageDNS, finicityapi.CauseOther), []string{"gateway.internal cannot be resolved: what Go says. ", "HTTPS_PROXY"}},
		"TCP":            {at(finicityapi.StageTCP, finicityapi.CauseOther), []string{"no connection to gateway.internal: what Go says. ", "firewall"}},
		"proxy":          {at(finicityapi.StageProxy, finicityapi.CauseOther), []string{"the proxy cannot be used: what Go says. ", "NO_PROXY"}},
		"proxy's CA":     {at(finicityapi.StageProxy, finicityapi.CauseUntrusted), []string{"certificate of the proxy", "what Go says. ", "ca_cert"}},
		"proxy, 407":     {proxy(407), []string{"HTTP 407", "HTTPS_PROXY=http://USER:PASSWORD@proxy.internal:3128"}},
		"proxy, 502":     {proxy(502), []string{"the proxy answered HTTP 502", "Allow CONNECT"}},
		"CA":             {at(finicityapi.StageTLS, finicityapi.CauseUntrusted), []string{"what Go says. ", "vault write finicity/config/check ca_cert=@ca.pem"}},
		"expired":        {at(finicityapi.StageTLS, finicityapi.CauseExpired), []string{"what Go says. ", "clock"}},
		"name":           {at(finicityapi.StageTLS, finicityapi.CauseWrongName), []string{"what Go says. ", "base_url", "resolves gateway.internal to"}},
		"TLS 1.1":        {at(finicityapi.StageTLS, finicityapi.CauseOldTLS), []string{"TLS 1.2 or higher", "what Go says. "}},
		"no TLS":         {at(finicityapi.StageTLS, finicityapi.CauseNotTLS), []string{"does not speak TLS: what Go says. ", "port"}},
		"cut":            {at(finicityapi.StageTLS, finicityapi.CauseOther), []string{"the TLS handshake failed: what Go says. ", "allow gateway.internal"}},
		"403":            {answer(403), []string{"HTTP 403", "from a country that Finicity accepts calls from, such as the US or Canada"}},
		"407":            {answer(407), []string{"HTTP 407", "HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"}},
		"503":            {answer(503), []string{"HTTP 503", "later"}},
		"no answer":      {at(finicityapi.StageHTTP, finicityapi.CauseOther), []string{"no complete answer", "what Go says. ", "gateway"}},
		"nothing failed": {finicityapi.Report{Status: 404}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := checkError("finicity/", "https://gateway.internal:8443/finicity", test.report)
			if (text == "") != (test.says == nil) {
				t.Fatalf("the text is %q", text)
			}
			for _, phrase := range test.says {
				if !strings.Contains(text, phrase) {
					t.Errorf("%q does not say %q", text, phrase)
				}
			}
			if strings.HasSuffix(text, ".") || len(sentenceEnd.FindAllString(text, -1)) > 2 {
				t.Errorf("%q ends with a full stop, or is too long", text)
			}
			if strings.Contains(text, "a text of the proxy") {
				t.Errorf("%q repeats what the proxy says", text)
			}
		})
	}
}
