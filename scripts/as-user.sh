#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
#
# Lets root run a command as an ordinary user, in a copy of this clone. .ci/run uses it.
#
#   scripts/as-user.sh make test
#
# The user has an empty home directory, which contains Go's caches. Modules that root
# has downloaded are used from root's cache. Findings of fuzzing and of the simulation
# are copied back to this clone.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
user=65534 # An unprivileged user on most systems. It need not have a name.

say() { printf 'as-user: %s\n' "$*" >&2; }

change=()
for way in "setpriv --reuid=$user --regid=$user --clear-groups" "chroot --userspec=$user:$user --groups=$user /"; do
	read -ra words <<<"$way"
	if [ "$("${words[@]}" id -u 2>/dev/null)" = "$user" ]; then
		change=("${words[@]}")
		break
	fi
done
if [ "${#change[@]}" = 0 ]; then
	say "can't run as another user, because neither setpriv nor chroot works here; running as root instead: $*"
	exec "$@"
fi

# The path is short, because sockets are created in it, and the user may enter its
# parent folders.
dir=
for parent in "${TMPDIR:-/tmp}" /tmp /var/tmp; do
	dir=$(mktemp -d "$parent/ci.XXXXXX" 2>/dev/null) || continue
	chown "$user:$user" "$dir"
	if "${change[@]}" ls "$dir" >/dev/null 2>&1; then break; fi
	rmdir "$dir"
	dir=
done
if [ -z "$dir" ]; then
	say "user $user can't enter any folder for temporary files: set TMPDIR to a folder that this user can enter"
	exit 1
fi
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM

say "copying the clone to $dir"
mkdir -p "$dir/clone" "$dir/home/.config/go" "$dir/tmp"
cp -Rp . "$dir/clone"
settings=(HOME="$dir/home" USER=tests LOGNAME=tests TMPDIR="$dir/tmp" VAULT_BIN=build)
if [ -L bin/vault ]; then # An installed server, which may be in root's home.
	cp -L bin/vault "$dir/vault"
	settings+=(VAULT_BIN="$dir/vault")
fi
# Keep the settings of go env -w, except for root's folders.
if [ -f "$("$go" env GOENV)" ]; then
	grep -vE '^(GOPATH|GOBIN|GOCACHE|GOMODCACHE|GOTMPDIR|GOROOT)=' "$("$go" env GOENV)" >"$dir/home/.config/go/env" || true
fi
if ! "${change[@]}" env HOME="$dir/home" "$go" version >/dev/null 2>&1; then # Go is in root's home.
	cp -Rp "$("$go" env GOROOT)" "$dir/go"
	settings+=(GO="$dir/go/bin/go" PATH="$dir/go/bin:$PATH")
fi
GOPROXY="file://$("$go" env GOMODCACHE)/cache/download,$("$go" env GOPROXY)" GOMODCACHE=$dir/home/go/pkg/mod "$go" mod download ||
	say "downloading the modules failed, so the tests will download the missing ones"
for program in java node python3 ruby; do
	if command -v "$program" >/dev/null && ! "${change[@]}" bash -c "command -v $program" >/dev/null; then
		say "user $user can't run $program, so the tests that need it run as root: aws.txtar, clients.txtar, webhook.txtar and TestClients"
		for script in aws clients webhook; do
			make e2e SCRIPT="$script"
		done
		make e2e TEST='^TestClients'
		settings+=(CI=)
		break
	fi
done
chown -R "$user:$user" "$dir"

say "running as user $user: $*"
touch "$dir/started"
status=0
"${change[@]}" env -u XDG_CACHE_HOME -u XDG_CONFIG_HOME -u XDG_RUNTIME_DIR -u XDG_DATA_HOME -u XDG_STATE_HOME \
	-u GOPATH -u GOBIN -u GOCACHE -u GOMODCACHE -u GOENV -u GOTMPDIR -u GOROOT "${settings[@]}" \
	bash -c 'cd "$0" && exec "$@"' "$dir/clone" "$@" || status=$?
(cd "$dir/clone" && find . -path '*/testdata/*' -type f -newer "$dir/started") | while IFS= read -r file; do
	mkdir -p "$(dirname "$file")"
	cp "$dir/clone/$file" "$file"
	say "the command has written $file"
done
if [ -n "$(ls -A "$dir/tmp")" ]; then
	say "the command has left files in TMPDIR: $(ls -A "$dir/tmp")"
	[ "$status" != 0 ] || status=1
fi
exit "$status"
