#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
#
# Writes the SBOM of one binary. goreleaser runs it in dist/.
#
#   sbom.sh VERSION OS ARCHITECTURE BINARY OUTPUT
#
# cyclonedx-gomod does not read the platform from the binary. It also writes the checksums
# of itself, which differ from one system to the next: without them, every machine writes
# the same SBOM.
set -euo pipefail
version=$1 binary=$4 output=$5
export GOOS=$2 GOARCH=$3
../bin/cyclonedx-gomod bin -json -std -noserial -notimestamp -version "$version" -output "$output.new" "$binary"
sed '/^        "hashes": \[$/,/^        \],$/d' "$output.new" >"$output"
rm "$output.new"
