#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
#
# Builds a large development tool from the module that pins its version, and shows
# progress. A build of several minutes without output looks as if it hangs. The progress
# is plain lines, because a CI log is not a terminal.
#
#   tools/build.sh NAME MODULE_DIR PACKAGE OUTPUT HOW_LONG [go build flag...]
#
# OUTPUT is replaced only by a complete build. The output of go is shown only if the
# build fails.
set -euo pipefail

if [ $# -lt 5 ]; then
	echo "usage: $0 NAME MODULE_DIR PACKAGE OUTPUT HOW_LONG [go build flag...]" >&2
	exit 2
fi
name=$1 module=$2 package=$3 output=$4 how_long=$5
shift 5
go=${GO:-go}

# The tool runs on this machine, even if the plugin is built for another one. A workspace
# in a parent folder does not include the tool's module.
unset GOOS GOARCH
export GOWORK=off

mkdir -p "$(dirname "$output")"
folder=$(cd "$(dirname "$output")" && pwd)
output=$folder/$(basename "$output")
# Next to the output, so that the last step is a rename. The tool is never built in
# place: the output may be a link to an installed program, and go build would write
# through the link.
fresh=$folder/.$(basename "$output").new.$$
log=$folder/$(basename "$output").build.log
child=

stop() {
	# The build has its own process group (set -m), so that its compilers and linkers
	# stop with it.
	[ -z "$child" ] || kill -TERM -- "-$child" 2>/dev/null || true
	rm -f "$fresh"
}
trap stop EXIT
trap 'echo "$name: interrupted" >&2; exit 130' INT
trap 'echo "$name: stopped" >&2; exit 143' HUP TERM

elapsed() { printf '%dm%02ds' $((SECONDS / 60)) $((SECONDS % 60)); }
# With -v, go prints each package that it builds, and mostly omits those from its cache.
progress() {
	awk '/^go: downloading /{d++} !/^go: /{c++} END{printf "%d modules downloaded, %d packages built", d, c}' "$log"
}

echo "$name: building $(basename "$output"): $how_long"
SECONDS=0
set -m
(cd "$module" && exec "$go" build -v -trimpath -buildvcs=false "$@" -o "$fresh" "$package") >"$log" 2>&1 </dev/null &
child=$!
set +m

next=15
while kill -0 "$child" 2>/dev/null; do
	sleep 1
	if [ "$SECONDS" -ge "$next" ]; then
		echo "$name: $(elapsed), $(progress)"
		next=$((SECONDS + 15))
	fi
done

status=0
wait "$child" || status=$?
child=
if [ "$status" -ne 0 ]; then
	{
		echo "$name: the build failed after $(elapsed) (exit code $status):"
		# Leave out the names of packages and modules, which would hide the message: go
		# builds the others to the end.
		grep -v -e '^[^ :]*$' -e '^go: downloading ' "$log" | tail -n 25 | sed 's/^/    /' || true
		echo "$name: to reproduce it, run: cd $module && CGO_ENABLED=$("$go" env CGO_ENABLED) $go build $(printf '%q ' "$@")-o /dev/null $package"
		echo "$name: downloads need a Go module proxy ('$go env GOPROXY'); 'signal: killed' means too little memory (4 GiB is enough),"
		echo "$name: 'no space left' means too little disk for the Go caches (10 GiB is enough). The next build reuses the packages that were built."
		echo "$name: the complete output is in $log"
	} >&2
	exit 1
fi
mv -f "$fresh" "$output"
rm -f "$log"
echo "$name: done in $(elapsed)"
