// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"vault-plugin-secrets-finicity/internal/finicityapi"
)

func (b *backend) pathConfigCheck() *framework.Path {
	result := singleResponse(http.StatusOK, "The result of the check, even if it failed.", checkShown())
	return &framework.Path{
		Pattern:      "config/check",
		DisplayAttrs: &framework.DisplayAttributes{OperationPrefix: "finicity", OperationVerb: "check"},
		Fields: map[string]*framework.FieldSchema{
			"base_url": {
				Type:         framework.TypeString,
				Description:  "Address to check. Defaults to the configured one, or to Finicity's.",
				DisplayAttrs: &framework.DisplayAttributes{Name: "Base URL", Group: groupConnection},
			},
			"ca_cert": {
				Type:        framework.TypeString,
				Description: "PEM bundle to use instead of the system roots. Defaults to the configured one.",
				DisplayAttrs: &framework.DisplayAttributes{
					Name: "CA certificates", Group: groupConnection, EditType: "file",
				},
			},
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			// Only the active node calls Finicity, so its network is the one to check.
			logical.ReadOperation: &framework.PathOperation{
				Callback:                    b.configCheck,
				Summary:                     "Check the connection to Finicity, without a credential.",
				DisplayAttrs:                &framework.DisplayAttributes{OperationVerb: "check", OperationSuffix: "connection"},
				ForwardPerformanceStandby:   true,
				ForwardPerformanceSecondary: true,
				Responses:                   result,
			},
			logical.UpdateOperation: &framework.PathOperation{
				Callback:                    b.configCheck,
				Summary:                     "Check the connection to an address, or with a CA, before you write it.",
				DisplayAttrs:                &framework.DisplayAttributes{OperationVerb: "check", OperationSuffix: "address"},
				ForwardPerformanceStandby:   true,
				ForwardPerformanceSecondary: true,
				Responses:                   result,
			},
		},
		HelpSynopsis:    "Check the connection to Finicity, without a credential.",
		HelpDescription: strings.TrimSpace(configCheckHelp),
	}
}

func checkShown() map[string]*framework.FieldSchema {
	shown := map[string]*framework.FieldSchema{
		"ok":       {Type: framework.TypeBool, Description: "Whether Finicity can be reached."},
		"base_url": {Type: framework.TypeString, Description: "The address that was checked."},
		"proxy":    {Type: framework.TypeString, Description: "Host and port of the proxy in use. Empty without a proxy."},
		"ip_addresses": {
			Type:        framework.TypeStringSlice,
			Description: "IP addresses of the host, as the node resolves it. Empty if the host is an IP address, and with a proxy, which resolves the host itself.",
		},
		"connected_to":        {Type: framework.TypeString, Description: "IP address and port of the connection. With a proxy, these are the proxy's."},
		"tls_version":         {Type: framework.TypeString, Description: "The TLS version in use. Empty if the handshake failed."},
		"certificate_subject": {Type: framework.TypeString, Description: "Subject of the server's certificate, even if it is not trusted."},
		"certificate_issuer":  {Type: framework.TypeString, Description: "Issuer of the certificate. If a proxy inspects TLS, this is your own CA."},
		"certificate_expire_time": {
			Type: framework.TypeString, Description: "When the certificate expires, in RFC 3339. Null without a certificate.",
		},
		"http_status": {Type: framework.TypeInt, Description: "HTTP status of the response, 0 without one. 404 is as good as 200."},
		"stage":       {Type: framework.TypeString, Description: "Stage that failed: dns, tcp, proxy, tls or http. Empty if none did."},
		"error":       {Type: framework.TypeString, Description: "Why the check failed, and what to do. Empty if it succeeded."},
	}
	for _, field := range shown {
		field.Required = true
	}
	return shown
}

func (b *backend) configCheck(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	if req.Operation == logical.ReadOperation && len(d.Raw) > 0 { // A policy might allow the read only.
		return logical.ErrorResponse("a read takes no fields. To check another address, type vault write %sconfig/check base_url=… ca_cert=…", req.MountPoint), nil
	}
	address, report, err := b.engine.Check(ctx, req.Storage, optional[string](d, "base_url"), optional[string](d, "ca_cert"))
	if err != nil {
		return respond(req.MountPoint, err)
	}
	data := map[string]any{
		"ok":                      report.Failed == "",
		"base_url":                address,
		"proxy":                   report.Proxy,
		"ip_addresses":            report.Addresses,
		"connected_to":            report.ConnectedTo,
		"tls_version":             report.TLSVersion,
		"certificate_subject":     "",
		"certificate_issuer":      "",
		"certificate_expire_time": nil,
		"http_status":             report.Status,
		"stage":                   string(report.Failed),
		"error":                   checkError(req.MountPoint, address, report),
	}
	if c := report.Certificate; c != nil {
		data["certificate_subject"], data["certificate_issuer"] = c.Subject, c.Issuer
		data["certificate_expire_time"] = timeOrNull(c.Expires)
	}
	return &logical.Response{Data: data}, nil
}

// checkError says what failed, why, and what to do. Empty if nothing failed.
func checkError(mount, address string, r finicityapi.Report) string {
	problem := strings.TrimSuffix(r.Problem, ".")
	host := address
	if u, err := url.Parse(address); err == nil {
		host = u.Hostname()
	}
	switch r.Failed {
	case finicityapi.StageDNS:
		return fmt.Sprintf("%s cannot be resolved: %s. Correct DNS on this node, or set HTTPS_PROXY for the plugin: a proxy resolves "+
			"the name itself", host, problem)
	case finicityapi.StageTCP:
		return fmt.Sprintf("no connection to %s: %s. Allow egress to this address and port in the firewall, or set HTTPS_PROXY "+
			"for the plugin", host, problem)
	case finicityapi.StageProxy:
		return proxyError(host, problem, r)
	case finicityapi.StageTLS:
		return tlsError(mount, host, problem, r.Cause)
	case finicityapi.StageHTTP:
		return answerError(host, problem, r.Status)
	default:
		return ""
	}
}

func proxyError(host, problem string, r finicityapi.Report) string {
	switch {
	case r.ProxyStatus == http.StatusProxyAuthRequired:
		return fmt.Sprintf("the proxy answered HTTP 407: the user or the password in HTTPS_PROXY is missing or wrong. Set "+
			"HTTPS_PROXY=http://USER:PASSWORD@%s for the plugin", r.Proxy)
	case r.ProxyStatus != 0:
		return fmt.Sprintf("the proxy answered HTTP %d, and did not connect to %s. Allow CONNECT to this host in the proxy, and check "+
			"the proxy's own DNS and egress", r.ProxyStatus, host)
	case r.Cause == finicityapi.CauseUntrusted:
		return fmt.Sprintf("the certificate of the proxy is not trusted: %s. Add its CA to ca_cert, or to the system's roots if ca_cert "+
			"is empty", problem)
	default:
		return fmt.Sprintf("the proxy cannot be used: %s. Check HTTPS_PROXY and NO_PROXY in the environment of the plugin, and egress "+
			"from this node to the proxy", problem)
	}
}

func tlsError(mount, host, problem string, cause finicityapi.Cause) string {
	switch cause {
	case finicityapi.CauseUntrusted:
		return fmt.Sprintf("the certificate is not trusted: %s. If a proxy that inspects TLS presents this certificate, "+
			"ca_cert must contain the proxy's CA; if Finicity presents it, ca_cert must be empty. To try a CA, type vault write %sconfig/check ca_cert=@ca.pem", problem, mount)
	case finicityapi.CauseExpired:
		return fmt.Sprintf("the certificate is not valid now: %s. Check the clock of this node. If the clock is right, the owner of the "+
			"certificate must renew it: certificate_issuer says who issued it", problem)
	case finicityapi.CauseWrongName:
		return fmt.Sprintf("the certificate is for another host: %s. Check base_url, and which addresses this node resolves %s to", problem, host)
	case finicityapi.CauseOldTLS:
		return fmt.Sprintf("the server does not support TLS 1.2 or higher: %s. Finicity does, so a gateway or a proxy in between "+
			"answered: update it, or exempt %s from its inspection", problem, host)
	case finicityapi.CauseNotTLS:
		return fmt.Sprintf("the server does not speak TLS: %s. Check the host and the port in base_url", problem)
	default:
		return fmt.Sprintf("the TLS handshake failed: %s. A firewall that filters by host name often ends the connection here: allow %s",
			problem, host)
	}
}

func answerError(host, problem string, status int) string {
	switch {
	case status/100 == 3:
		return fmt.Sprintf("the server answered HTTP %d, a redirect, which the engine does not follow. Check base_url, and whether "+
			"a proxy or a gateway in between requires a login", status)
	case status == http.StatusForbidden:
		return "the server answered HTTP 403, most often a geographic block. Egress must be from a country that Finicity accepts " +
			"calls from, such as the US or Canada: check the public IP address of this node or of the proxy"
	case status == http.StatusProxyAuthRequired:
		return "the server answered HTTP 407: the user or the password for a proxy in between is missing or wrong. Set " +
			"HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT for the plugin"
	case status >= http.StatusInternalServerError:
		return fmt.Sprintf("the server answered HTTP %d: Finicity, or a gateway in between, is unavailable. Check again later", status)
	default:
		return fmt.Sprintf("%s sent no complete answer: %s. Check again; if that fails too, look at the gateway or the proxy in between", host, problem)
	}
}

const configCheckHelp = `
Connects to Finicity as the real calls do: from the active node, through the proxy of the plugin, with ca_cert, and
with TLS 1.2 or higher. It sends one GET without a credential, so it cannot count as an attempt, and does not retry.
It works in every state, even before the first write of the configuration. A failure is a result, not an error.

    vault read finicity/config/check

Each node has its own DNS, proxy and firewall. To check another one, make it the active node first:

    vault operator step-down

Check an address or a CA before you write it:

    vault write finicity/config/check base_url=… ca_cert=@ca.pem
`
