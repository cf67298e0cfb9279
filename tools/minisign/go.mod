// Pins minisign, which signs the releases. A separate module, so that the plugin does
// not get its dependencies. To change the version: `go get -tool
// aead.dev/minisign/cmd/minisign@vX.Y.Z && go mod tidy`.
module vault-plugin-secrets-finicity/tools/minisign

go 1.26.0

tool aead.dev/minisign/cmd/minisign

require (
	aead.dev/minisign v0.3.0 // indirect
	golang.org/x/crypto v0.49.0 // indirect
	golang.org/x/sys v0.42.0 // indirect
	golang.org/x/term v0.41.0 // indirect
)
