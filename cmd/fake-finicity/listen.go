// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"time"
)

// pathCA is where a server with TLS shows its certificate.
const pathCA = "/_fake/ca.pem"

// listen opens the address of the options. Any address but a loopback address needs
// -allow-remote: the admin paths have no authentication, and one of them makes the
// server send requests to loopback addresses of its machine.
func listen(ctx context.Context, o options) (net.Listener, error) {
	address := o.listen
	if address == "" {
		address = defaultListen
		if o.allowRemote {
			address = defaultRemote
		}
	}
	resolved, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, err
	}
	if !o.allowRemote && !resolved.IP.IsLoopback() {
		return nil, fmt.Errorf("%s is not a loopback address, and anyone who can reach the admin paths can use them: "+
			"add -allow-remote if only tests can reach the address", address)
	}
	var config net.ListenConfig
	return config.Listen(ctx, "tcp", resolved.String())
}

// withTLS returns the configuration for a self-signed certificate for the host name and
// for localhost. The handler also shows the certificate, for clients that must trust it.
func withTLS(host string, next http.Handler) (*tls.Config, http.Handler, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "fake-finicity, for tests only"},
		// Clocks of containers and their hosts can differ.
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(0, 1, 0),
		DNSNames:              []string{host, "localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	if ip := net.ParseIP(host); ip != nil {
		template.DNSNames, template.IPAddresses = template.DNSNames[1:], append(template.IPAddresses, ip)
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	shown := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	// An http.ServeMux would redirect unclean paths, which Finicity does not have.
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead || r.URL.Path != pathCA {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = w.Write(shown) // An error means that the client has disconnected.
	})
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}},
		MinVersion:   tls.VersionTLS12,
		// Some faults need the connection itself, which HTTP/2 does not give.
		NextProtos: []string{"http/1.1"},
	}, handler, nil
}
