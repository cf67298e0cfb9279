#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
#
# Provides a Vault server at bin/vault, for the end-to-end tests, the demo and `make
# dev`. Uses the first of these:
#
#   1. VAULT_BIN=/path/to/vault   as a link (OpenBao works too); VAULT_BIN=build skips to 3
#   2. `vault` on PATH            as a link
#   3. tools/vault                built from source, the version that is pinned there
#
# Does nothing if bin/vault is already up to date.
set -euo pipefail

wanted=${VAULT_BIN:-}
case $wanted in
'' | build | /*) ;;
*) wanted=$PWD/$wanted ;;
esac
cd "$(dirname "$0")/.."
mkdir -p bin

fail() {
	printf 'vault: %s\n' "$@" >&2
	exit 1
}

# Reports whether a path is bin/vault of this clone, or leads there through links. Such a
# server is gone when bin/vault is removed, and bin/vault would become a link to itself.
is_ours() {
	local path=$1 target hops=0
	while ! { [ "${path##*/}" = vault ] && [ "$(dirname "$path")" -ef bin ]; }; do
		[ -L "$path" ] && [ $((hops += 1)) -le 40 ] || return 1
		target=$(readlink "$path")
		case $target in /*) path=$target ;; *) path=$(dirname "$path")/$target ;; esac
	done
}

# Like `command -v vault`, but ignores bin/vault of this clone, which some developers have
# on PATH.
on_path() {
	local dir IFS=:
	set -f
	for dir in $PATH; do
		case $dir in /*) ;; *) continue ;; esac
		if [ -f "$dir/vault" ] && [ -x "$dir/vault" ] && ! is_ours "$dir/vault"; then
			printf '%s\n' "$dir/vault"
			return
		fi
	done
}

case $wanted in
build) server= ;;
'')
	server=$(on_path)
	;;
*)
	server=$wanted
	if ! [ -f "$server" ] || ! [ -x "$server" ]; then
		fail "VAULT_BIN is $server, which is not an executable file." \
			"Set it to the path of a vault or bao binary, or leave it unset."
	fi
	if is_ours "$server"; then
		fail "VAULT_BIN is bin/vault, or a link to it, which this script creates. Leave VAULT_BIN unset."
	fi
	;;
esac

# What bin/vault is built from, stored next to it. It compares contents and not times,
# because a fresh checkout gives every file a new time.
flags=(-tags minimal -ldflags '-s -w')
if [ -n "$server" ]; then
	source="link to $server"
else
	source="built with $("${GO:-go}" version), CGO_ENABLED=0 ${flags[*]}, from $(cat tools/vault/go.mod tools/vault/go.sum tools/vault/main.go | cksum)"
fi
if [ -x bin/vault ] && [ "$(cat bin/.vault-source 2>/dev/null)" = "$source" ]; then
	exit 0
fi
# Remove the old one first. Otherwise, after an interruption, bin/vault would not match
# bin/.vault-source.
rm -f bin/vault

if [ -n "$server" ]; then
	# Check the version line, because many programs accept any argument and succeed.
	version=$("$server" version </dev/null) || version=
	case $version in
	'Vault v'* | 'OpenBao v'*) ;;
	*)
		fail "$server is not a Vault or OpenBao server: '$server version' prints neither 'Vault v…' nor 'OpenBao v…'." \
			"Set VAULT_BIN to the path of another binary, or to build: that builds the pinned version from source (about six minutes)."
		;;
	esac
	echo "$source" >bin/.vault-source
	ln -s "$server" bin/vault
	echo "vault: bin/vault is a link to $server ($version)"
else
	echo "$source" >bin/.vault-source
	# exec, so that a signal to this process reaches the build. Without cgo, as in the
	# released binaries. "minimal" leaves out the databases and the clouds, which are
	# half of the code.
	CGO_ENABLED=0 exec bash tools/build.sh vault tools/vault . bin/vault \
		"about six minutes on two idle cores the first time, seconds after that (VAULT_BIN=/path/to/vault avoids the build)" "${flags[@]}"
fi
