#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
#
# Looks for known vulnerabilities in the code that this repository calls, and in what is
# linked into the plugin. It needs no network: the database is a Go module, which
# tools/vulncheck pins. `make vulncheck` uses this script.
#
#   VULNDB  another version of the database, such as latest, which is then downloaded
#   STD     fail: also fail for the standard library, which only another Go release fixes
#
# It fails if it finds one, or if govulncheck misses the one in tools/vulncheck/testdata.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
module=golang.org/x/vulndb
export GOWORK=off

say() { printf 'vulncheck: %s\n' "$*"; }
fail() {
	printf 'vulncheck: %s\n' "$@" >&2
	exit 1
}

# With a version, go ignores the module that pins another one.
downloaded=$(cd tools/vulncheck && "$go" mod download -json "$module${VULNDB:+@$VULNDB}") ||
	fail "the database could not be downloaded: $downloaded"
field() { awk -F '"' -v name="$1" '$2 == name {print $4}' <<<"$downloaded"; }
database=$(field Dir)/data/osv
files=("$database"/GO-*.json)
[ -f "${files[0]}" ] || fail "$database has no entries"
say "the database $(field Version) has ${#files[@]} entries"

check() { bin/vulncheck -std="${STD:-warn}" "$database" "$@"; }

# Without this, a database or a mode that finds nothing would look like a success.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
sample=tools/vulncheck/testdata/vulnerable
# program FOLDER PACKAGE NAME: with a symbol table, which a release does not have. Without
# one, govulncheck reports every vulnerability of each module, linked or not.
program() {
	CGO_ENABLED=0 "$go" build -C "$1" -trimpath -buildvcs=false -o "$scratch/$3" "$2"
}
program "$sample" . vulnerable
expect() {
	local status=0
	check "$@" >"$scratch/out" 2>&1 || status=$?
	if [ "$status" != 3 ] || ! grep -q '^vulnerable: GO-2020-0036: ' "$scratch/out"; then
		cat "$scratch/out" >&2
		fail "govulncheck $* did not find GO-2020-0036 (exit code $status)"
	fi
}
expect -C "$sample" ./...
expect -mode=binary "$scratch/vulnerable"
say "govulncheck finds the vulnerability in $sample, in the source and in the binary"

status=0
say "the source of this repository:"
check ./... || status=$?
say "the program of the plugin:"
program . ./cmd/vault-plugin-secrets-finicity plugin
check -mode=binary "$scratch/plugin" || status=$?
exit "$status"
