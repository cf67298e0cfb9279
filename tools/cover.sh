#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
#
# Fails unless at least MINIMUM percent of the statements of each package are covered.
# The packages of the list must be covered by their own tests. Those of MOUNT must be
# covered by their own tests and the tests of a whole mount. Prints the least covered
# functions, to show where to start.
#
#   tools/cover.sh MINIMUM 'MOUNT…' PACKAGE...
set -euo pipefail

if [ $# -lt 3 ]; then
	echo "usage: $0 MINIMUM 'MOUNT…' PACKAGE..." >&2
	exit 2
fi
minimum=$1
read -ra mount <<<"$2"
shift 2
go=${GO:-go}
cd "$(dirname "$0")/.."
mkdir -p bin

"$go" test -coverprofile=bin/cover.out -covermode=atomic "$@"
"$go" test -coverprofile=bin/cover.mount -covermode=atomic -coverpkg="$(IFS=,; echo "${mount[*]}")" "${mount[@]}" ./test/mount
sed 1d bin/cover.mount >>bin/cover.out
rm bin/cover.mount
"$go" tool cover -html=bin/cover.out -o bin/cover.html

echo
echo "Least covered functions:"
# The last line is the total over all packages, in which a well-covered package hides
# another one.
"$go" tool cover -func=bin/cover.out | sed '$d' | awk '{print $NF "\t" $0}' | sort -n | cut -f 2- | sed -n 1,15p
echo
echo "Coverage line by line: bin/cover.html"
echo

# A line of the profile is: import/path/file.go:from,to STATEMENTS HITS. Each test
# program has its own lines.
packages=$("$go" list "$@" "${mount[@]}" | tr '\n' ' ')
awk -v minimum="$minimum" -v packages="$packages" '
	NR > 1 {
		statements[$1] = $2
		if ($3 > 0) covered[$1] = 1
	}
	END {
		for (block in statements) {
			file = substr(block, 1, index(block, ".go:") + 2)
			sub("/[^/]*$", "", file)
			all[file] += statements[block]
			if (block in covered) hit[file] += statements[block]
		}
		n = split(packages, name, " ")
		for (i = 1; i <= n; i++) {
			share = all[name[i]] ? 100 * hit[name[i]] / all[name[i]] : 0
			short = share < minimum
			if (short) failed = 1
			printf "%6.2f %% of %s%s\n", share, name[i], short ? ", less than " minimum " %" : ""
		}
		exit failed
	}' bin/cover.out
