#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
#
# Fails unless each of the packages is covered by its own tests to at least MINIMUM per cent of its statements. Prints
# the functions that are covered least, so that whoever is below knows where to begin.
#
#   tools/cover.sh MINIMUM PACKAGE...
set -euo pipefail

if [ $# -lt 2 ]; then
	echo "usage: $0 MINIMUM PACKAGE..." >&2
	exit 2
fi
minimum=$1
shift
go=${GO:-go}
cd "$(dirname "$0")/.."
mkdir -p bin

"$go" test -coverprofile=bin/cover.out -covermode=atomic "$@"
"$go" tool cover -html=bin/cover.out -o bin/cover.html

echo
echo "Least covered functions:"
# The last line is the total over all packages, where a well covered one hides the other.
"$go" tool cover -func=bin/cover.out | sed '$d' | awk '{print $NF "\t" $0}' | sort -n | cut -f 2- | sed -n 1,15p
echo
echo "Line by line: bin/cover.html"
echo

# A line of the profile: import/path/file.go:from,to STATEMENTS HITS
packages=$("$go" list "$@" | tr '\n' ' ')
awk -v minimum="$minimum" -v packages="$packages" '
	NR > 1 {
		file = substr($1, 1, index($1, ".go:") + 2)
		sub("/[^/]*$", "", file)
		all[file] += $2
		if ($3 > 0) hit[file] += $2
	}
	END {
		n = split(packages, name, " ")
		for (i = 1; i <= n; i++) {
			share = all[name[i]] ? 100 * hit[name[i]] / all[name[i]] : 0
			short = share < minimum
			if (short) failed = 1
			printf "%6.2f %% of %s%s\n", share, name[i], short ? ", less than " minimum " %" : ""
		}
		exit failed
	}' bin/cover.out
