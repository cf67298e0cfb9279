// Pins gojq, with which the tests run the queries of examples/monitoring/audit on
// machines without jq. A separate module, so that the plugin does not get its
// dependencies. To change the version: `go get github.com/itchyny/gojq@vX.Y.Z && go mod
// tidy`.
module vault-plugin-secrets-finicity/tools/jq

go 1.26.0

require github.com/itchyny/gojq v0.12.20

require github.com/itchyny/timefmt-go v0.1.9 // indirect
