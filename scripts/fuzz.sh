#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
#
# Runs each fuzz target for a while, one after the other. Made for `make fuzz`; `make test` runs it for a few seconds each.
#   FUZZTIME    how long each target is run (10s)
#   FUZZTARGET  regular expression of the targets to run (all)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

go=${GO:-go}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM

packages=$(find . \( -name .git -o -path ./bin -o -path ./tools \) -prune -o -name '*_test.go' -exec grep -l '^func Fuzz' {} + |
	xargs -n 1 dirname | sort -u)
echo 'fuzz: building; the first time everything that is linked in is built once more, which takes a minute or two'
ran=0
for package in $packages; do
	for target in $("$go" test -list "${FUZZTARGET:-.}" "$package" | grep '^Fuzz' || true); do
		echo "fuzz: $target, ${FUZZTIME:-10s}"
		ran=$((ran + 1))
		# One worker: on a busy machine more of them starve each other. A new input is not made smaller for long.
		if ! "$go" test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-10s}" -fuzzminimizetime 1s -parallel 1 "$package" 2>&1 |
			tee "$log"; then
			# Go before 1.27 now and then fails when the time is up, having found nothing: https://go.dev/issue/75804
			if grep -q 'context deadline exceeded' "$log" && ! grep -qE 'Failing input written|panic|_test\.go:' "$log"; then
				echo "fuzz: $target: the time is up, and nothing was found"
				continue
			fi
			echo "fuzz: $target has found something. The input is in testdata/fuzz: make it a test of its own, and commit both"
			exit 1
		fi
	done
done
[ "$ran" -gt 0 ] || { echo 'fuzz: no such target'; exit 1; }
echo "fuzz: $ran targets, nothing found"
