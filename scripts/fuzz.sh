#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
#
# Runs each fuzz target for a while, one after the other. `make fuzz` uses it, and `make
# test` for a few seconds per target.
#   FUZZTIME    how long each target is run (10s)
#   FUZZTARGET  regular expression of the targets to run (all)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

go=${GO:-go}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM

# One worker, because on a busy machine several starve each other. Minimizing a new
# input gets little time.
fuzz() {
	echo "fuzz: $1, $3"
	"$go" test -run '^$' -fuzz "^$1\$" -fuzztime "$3" -fuzzminimizetime 1s -parallel 1 "$2" 2>&1 | tee "$log"
}

packages=$(find . \( -name .git -o -path ./bin -o -path ./tools \) -prune -o -name '*_test.go' -exec grep -l '^func Fuzz' {} + |
	xargs -n 1 dirname | sort -u)
echo 'fuzz: building; the first build takes a minute or two, because all dependencies are instrumented'
ran=0
for package in $packages; do
	listed=$("$go" test -list "${FUZZTARGET:-.}" "$package") # A package that does not build ends the script here.
	for target in $(grep '^Fuzz' <<<"$listed" || true); do
		ran=$((ran + 1))
		fuzz "$target" "$package" "${FUZZTIME:-10s}" && failed=0 || failed=1
		# The time includes reading the corpus, with the inputs that this machine has
		# found before.
		if [ "$failed" = 0 ] && ! grep -q 'now fuzzing' "$log"; then
			fuzz "$target" "$package" 30s && failed=0 || failed=1
			grep -q 'now fuzzing' "$log" || failed=1
		fi
		if [ "$failed" = 1 ]; then
			# Go before 1.27 sometimes fails when the time is up although it found
			# nothing: https://go.dev/issue/75804
			if grep -q 'context deadline exceeded' "$log" && ! grep -qE 'Failing input written|panic|_test\.go:' "$log"; then
				echo "fuzz: $target: the time is up, no failure found"
				continue
			fi
			echo "fuzz: $target found a failure. The input is in testdata/fuzz: write a test for it, and commit both"
			exit 1
		fi
	done
done
[ "$ran" -gt 0 ] || { echo "fuzz: no target matches ${FUZZTARGET:-.}"; exit 1; }
echo "fuzz: $ran targets, no failure found"
