#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
#
# Puts a Vault server at bin/vault, for the end-to-end tests, the demo and `make dev`. The first of these that is there:
#
#   1. VAULT_BIN=/path/to/vault   that one, by a link, and likewise an OpenBao server; VAULT_BIN=build goes straight to 3
#   2. `vault` on PATH            that one, by a link
#   3. tools/vault                built from source, the version that is pinned there
#
# Does nothing when bin/vault is what it would make.
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

# Like `command -v vault`, but passes over bin/ of this clone, which some people have on PATH: bin/vault would become a
# link to itself.
on_path() {
	local dir IFS=:
	set -f
	for dir in $PATH; do
		case $dir in /*) ;; *) continue ;; esac
		if [ -f "$dir/vault" ] && [ -x "$dir/vault" ] && ! [ "$dir" -ef bin ]; then
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
		fail "VAULT_BIN is $server, which is not a program that can be run." \
			"Set it to the path of a vault or bao binary, or leave it unset."
	fi
	if [ "$(cd "$(dirname "$server")" && pwd -P)/$(basename "$server")" = "$(pwd -P)/bin/vault" ]; then
		fail "VAULT_BIN is bin/vault itself. Leave it unset: bin/vault is what this makes."
	fi
	;;
esac

# What bin/vault is made from, kept beside it. Contents and not times, since a fresh checkout makes every file new.
flags=(-tags minimal -ldflags '-s -w')
if [ -n "$server" ]; then
	source="link to $server"
else
	source="built with $("${GO:-go}" version), CGO_ENABLED=0 ${flags[*]}, from $(cat tools/vault/go.mod tools/vault/go.sum tools/vault/main.go | cksum)"
fi
if [ -x bin/vault ] && [ "$(cat bin/.vault-source 2>/dev/null)" = "$source" ]; then
	exit 0
fi
# Away with the old one first: were this to be interrupted, bin/vault would be another one than bin/.vault-source says.
rm -f bin/vault

if [ -n "$server" ]; then
	# Vault's own answer, since many a program takes any argument for a reason to succeed.
	version=$("$server" version </dev/null) || version=
	case $version in
	'Vault v'* | 'OpenBao v'*) ;;
	*)
		fail "$server was chosen as the server, but '$server version' answers neither 'Vault v…' nor 'OpenBao v…'." \
			"Set VAULT_BIN to another one, or VAULT_BIN=build to build the pinned one from source (about six minutes)."
		;;
	esac
	echo "$source" >bin/.vault-source
	ln -s "$server" bin/vault
	echo "vault: bin/vault is a link to $server ($version)"
else
	echo "$source" >bin/.vault-source
	# exec, so that a signal to this process is one to the build. No cgo, as in the released binaries; "minimal" leaves
	# out the databases and the clouds, half of the code.
	CGO_ENABLED=0 exec bash tools/build.sh vault tools/vault . bin/vault \
		"about six minutes on two idle cores the first time, seconds later (VAULT_BIN=/path/to/vault spares it)" "${flags[@]}"
fi
