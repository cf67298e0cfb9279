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

# One worker: on a busy machine more of them starve each other. A new input is not made smaller for long.
fuzz() {
	echo "fuzz: $1, $3"
	"$go" test -run '^$' -fuzz "^$1\$" -fuzztime "$3" -fuzzminimizetime 1s -parallel 1 "$2" 2>&1 | tee "$log"
}

packages=$(find . \( -name .git -o -path ./bin -o -path ./tools \) -prune -o -name '*_test.go' -exec grep -l '^func Fuzz' {} + |
	xargs -n 1 dirname | sort -u)
echo 'fuzz: building; the first time everything that is linked in is built once more, which takes a minute or two'
ran=0
for package in $packages; do
	listed=$("$go" test -list "${FUZZTARGET:-.}" "$package") # A package that does not build ends this here.
	for target in $(grep '^Fuzz' <<<"$listed" || true); do
		ran=$((ran + 1))
		fuzz "$target" "$package" "${FUZZTIME:-10s}" && failed=0 || failed=1
		# The corpus is read within the time, the part of it included that this machine has found before.
		if [ "$failed" = 0 ] && ! grep -q 'now fuzzing' "$log"; then
			fuzz "$target" "$package" 30s && failed=0 || failed=1
			grep -q 'now fuzzing' "$log" || failed=1
		fi
		if [ "$failed" = 1 ]; then
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
