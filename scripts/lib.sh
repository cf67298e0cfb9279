# SPDX-License-Identifier: MPL-2.0
# shellcheck shell=bash
#
# Shared by the demo and `make dev`. They start a Vault development server and the mock
# server for Finicity on free loopback ports. When the script ends, they stop these two
# servers and nothing else. Source this file; do not run it.

# `make` sets these. The defaults are for running a script directly.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
vault_bin=${FINICITY_E2E_VAULT:-$root/bin/vault}
plugin_bin=${FINICITY_E2E_PLUGIN:-$root/bin/vault-plugin-secrets-finicity}
fake_bin=${FINICITY_E2E_FAKE:-$root/bin/fake-finicity}

# Settings for another server (an agent's address, an output format, a proxy) must not
# affect these two servers.
unset ${!VAULT_@}
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1

# Vault's plugins listen on sockets in Vault's TMPDIR, which is $scratch, for example
# $scratch/plugin1234567890. The path of a socket can have at most 103 bytes on macOS,
# and 107 on Linux.
scratch=$(mktemp -d)
too_long() { local LC_ALL=C; [ "${#scratch}" -gt 86 ]; }
if too_long; then
	rm -rf "$scratch"
	scratch=$(mktemp -d /tmp/finicity.XXXXXX) || {
		printf '%s\n' "TMPDIR is $TMPDIR, which is too long for the sockets of Vault's plugins, and /tmp is not usable:" \
			"set TMPDIR to a folder with a path of at most 71 characters." >&2
		exit 1
	}
fi
pids=()

say() { printf '%s\n' "$*"; }

stop_all() {
	local pid
	for pid in ${pids[@]+"${pids[@]}"}; do
		kill "$pid" 2>/dev/null || true
	done
	for pid in ${pids[@]+"${pids[@]}"}; do
		wait "$pid" 2>/dev/null || true
	done
	pids=()
	rm -rf "$scratch"
}

# wait_for LOG TEXT PID: waits until TEXT is in LOG. Fails if the process ends first, or
# hangs for five minutes.
wait_for() {
	local tries=0
	until grep -q "$2" "$1" 2>/dev/null; do
		tries=$((tries + 1))
		if ! kill -0 "$3" 2>/dev/null || [ "$tries" -gt 3000 ]; then
			return 1
		fi
		sleep 0.1
	done
}

# failed NAME LOG: prints the failure with the end of the log, and ends the script.
failed() {
	say "$1. The last lines of its log:" >&2
	tail -n 20 "$2" >&2
	exit 1
}

# free_port FIRST: prints the first port from FIRST on that no process listens on.
free_port() {
	local port=$1
	while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
		port=$((port + 1))
	done
	printf '%s' "$port"
}

# start_fake: starts the mock server at $FINICITY. The server stores secrets and tokens
# in a file, and loads them when it starts again.
start_fake() {
	local port=8210 tries=0
	while true; do
		port=$(free_port "$port")
		fake_command=("$fake_bin" -listen "127.0.0.1:$port" -state "$scratch/fake.json"
			-partner "$PARTNER_ID:$PARTNER_SECRET:$APP_KEY" -partner "$PARTNER_ID_2:$PARTNER_SECRET_2:$APP_KEY_2")
		"${fake_command[@]}" >"$scratch/fake.log" 2>&1 &
		pids=($!)
		if wait_for "$scratch/fake.log" 'listens on' "${pids[0]}"; then
			break
		fi
		tries=$((tries + 1))
		if kill -0 "${pids[0]}" 2>/dev/null || [ "$tries" -eq 20 ] ||
			! grep -q 'address already in use' "$scratch/fake.log"; then
			failed "The mock server did not start" "$scratch/fake.log"
		fi
		port=$((port + 1))
	done
	FINICITY=$(sed -n 's/.* listens on //p' "$scratch/fake.log")
}

# start_servers: starts the mock server at $FINICITY and a Vault development server at
# $VAULT_ADDR, with the root token $VAULT_TOKEN. Their process IDs are pids[0] and
# pids[1]. Their logs are fake.log and vault.log.
start_servers() {
	start_fake

	# A copy, because the next `make build` replaces the original, and then Vault would
	# refuse to start it.
	mkdir "$scratch/plugins"
	cp "$plugin_bin" "$scratch/plugins/"
	cat >"$scratch/vault.hcl" <<-END
		plugin_directory = "$scratch/plugins"
		disable_mlock    = true
	END
	# Before the server listens, another process may take the free port. Then try the
	# next port.
	local port=8200 tries=0
	while true; do
		port=$(free_port "$port")
		# HOME, because a development server may write a token file to it.
		HOME=$scratch TMPDIR=$scratch "$vault_bin" server -dev -dev-no-store-token -dev-root-token-id=root \
			-dev-listen-address="127.0.0.1:$port" -config="$scratch/vault.hcl" >"$scratch/vault.log" 2>&1 &
		pids=("${pids[0]}" $!)
		if wait_for "$scratch/vault.log" 'Development mode should NOT be used' "${pids[1]}"; then
			break
		fi
		tries=$((tries + 1))
		if kill -0 "${pids[1]}" 2>/dev/null || [ "$tries" -eq 20 ] ||
			! grep -q 'address already in use' "$scratch/vault.log"; then
			failed "Vault did not start" "$scratch/vault.log"
		fi
		port=$((port + 1))
	done
	export VAULT_ADDR=http://127.0.0.1:$port VAULT_TOKEN=root

	export FINICITY
	PATH=$(dirname "$vault_bin"):$PATH
	SHA256=$(sha256 "$plugin_bin")
	export PATH SHA256
}

sha256() {
	if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}

# The two partners of the mock server.
export PARTNER_ID=1000000000001 PARTNER_SECRET=Fake-Sandbox-Secret-1 APP_KEY=fake-sandbox-app-key
export PARTNER_ID_2=2000000000002 PARTNER_SECRET_2=Fake-Production-Secret-2 APP_KEY_2=fake-production-app-key
