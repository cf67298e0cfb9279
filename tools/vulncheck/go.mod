// Pins govulncheck, and the database of known vulnerabilities that it reads. A separate
// module, so that the plugin does not get its dependencies. To change the version of the
// database: `go get golang.org/x/vulndb@latest && go mod tidy`. The command forks only
// keeps the database in this file.
module vault-plugin-secrets-finicity/tools/vulncheck

go 1.26.0

tool golang.org/x/vulndb/cmd/forks

require golang.org/x/vuln v1.9.0

require (
	golang.org/x/mod v0.42.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/telemetry v0.0.0-20261010193011-f71dc92da45e // indirect
	golang.org/x/tools v0.52.0 // indirect
	golang.org/x/vulndb v0.0.0-20261105234957-e22db6528018 // indirect
)
