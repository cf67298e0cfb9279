#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
#
# A first tour, on a real Vault server and a mock server for Finicity. It shows each
# command before its output, and fails as soon as a command does not give the expected
# result.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

finish() {
	local status=$?
	stop_all
	if [ "$status" -ne 0 ]; then
		say ""
		say "The demo has failed (exit code $status) at: ${last_command:-the start}" >&2
	fi
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

step() {
	step=$((${step:-0} + 1))
	printf '\n%d. %s\n\n' "$step" "$*"
}

# show COMMAND: prints and runs it, then prints its output and stores the output in
# $out. All secrets and tokens are values of the mock server.
show() {
	last_command=$1
	printf '   $ %s\n' "$1"
	local status=0
	out=$(eval "$1" 2>&1) || status=$?
	[ -z "$out" ] || printf '%s\n' "$out" | sed 's/^/   /'
	return "$status"
}

# refuse COMMAND: like show, for a command that must fail.
refuse() {
	if show "$1"; then
		fail "the command succeeded, but should have been refused"
	fi
}

fail() {
	say "   Unexpected result: $*" >&2
	exit 1
}

expect() { # TEXT: must be in the output of the last command
	case $out in *"$1"*) ;; *) fail "the output does not contain: $1" ;; esac
}

# The demo calls Finicity's API with curl. Without curl, this function supports the few
# flags that the demo uses.
if ! command -v curl >/dev/null; then
	curl() {
		local method=GET data='' headers='' url='' host path line body=
		while [ $# -gt 0 ]; do
			case $1 in
			-H) headers+=$2$'\r\n' && shift 2 ;;
			-d) data=$2 method=POST && shift 2 ;;
			-*) shift ;;
			*) url=$1 && shift ;;
			esac
		done
		host=${url#http://} path=/${host#*/} host=${host%%/*}
		exec 3<>"/dev/tcp/${host%:*}/${host#*:}"
		printf '%s %s HTTP/1.0\r\nHost: %s\r\n%sContent-Length: %d\r\n\r\n%s' \
			"$method" "$path" "$host" "$headers" "${#data}" "$data" >&3
		while IFS= read -r line <&3 && [ "$line" != $'\r' ]; do :; done
		body=$(cat <&3)
		exec 3<&-
		printf '%s' "$body"
	}
fi

authentications() {
	curl -sS "$FINICITY/_fake/counters" | sed "s/.*\"$PARTNER_ID\":{\"authentications\":\([0-9]*\).*/\1/"
}

expect_authentications() {
	local n
	n=$(authentications)
	[ "$n" = "$1" ] || fail "Finicity has counted $n authentications, not $1"
	say "   Authentications that Finicity has counted so far: $n"
}

say "Starting a Vault server and a mock server for Finicity, on this machine only."
start_servers
say ""
say "Vault:    $VAULT_ADDR"
say "Finicity: $FINICITY (the mock server; partner $PARTNER_ID)"

step "Register the plugin with Vault, using the checksum of its binary, and mount it."
# Shown as typed, and expanded when the command runs.
show 'vault plugin register -sha256=$SHA256 secret vault-plugin-secrets-finicity'
show 'vault secrets enable -path=finicity vault-plugin-secrets-finicity'

step "Write the credential. The engine tries it once, and stores it only if Finicity accepts it."
# shellcheck disable=SC2016
show 'vault write finicity/config base_url=$FINICITY \
       partner_id=$PARTNER_ID partner_secret=$PARTNER_SECRET app_key=$APP_KEY'
expect 'Success'
show 'vault read finicity/config'
expect "$PARTNER_ID"
case $out in *"$PARTNER_SECRET"*) fail "the secret was printed" ;; esac

step "Read the token, as any app with the policy for it can."
show 'vault read finicity/token'
expect 'lease_duration'
show 'vault read -field=token finicity/token'
token=$out

step "Read it again: all apps share one token, which costs one authentication."
show 'vault read -field=token finicity/token'
[ "$out" = "$token" ] || fail "the token has changed"
expect_authentications 1

step "Call Finicity's API with the token."
export TOKEN=$token
call='curl -sS -H "Finicity-App-Key: $APP_KEY" -H "Finicity-App-Token: $TOKEN" $FINICITY/aggregation/v1/customers'
show "$call"
expect '"customers"'

step "Rotate the partner secret. From now on, only Vault knows it."
show 'vault write -f finicity/rotate-root'
expect 'last_vault_rotation'
show 'vault read finicity/token'
show 'vault read -field=token finicity/token'
[ "$out" != "$token" ] || fail "the engine still serves the token of the old secret"
export TOKEN=$out
show "$call"
expect '"customers"'
expect_authentications 2

step "The old secret no longer works: Finicity refuses it, and so does the engine, without a call."
# shellcheck disable=SC2016
show 'curl -sS -H "Finicity-App-Key: $APP_KEY" -H "Content-Type: application/json" -H "Accept: application/json" \
       -d "{\"partnerId\":\"$PARTNER_ID\",\"partnerSecret\":\"$PARTNER_SECRET\"}" $FINICITY/aggregation/v2/partners/authentication'
expect '10001'
# shellcheck disable=SC2016
refuse 'vault write finicity/config partner_secret=$PARTNER_SECRET'
expect 'replaced by a rotation'

step "Revoke a lease, which does not invalidate the token, and disable the mount."
# shellcheck disable=SC2016
show 'vault lease revoke $(vault read -field=lease_id finicity/token)'
expect 'revo'
show "$call"
expect '"customers"'
show 'vault secrets disable finicity'
expect 'Success'
refuse 'vault read finicity/token'

say ""
say "Done. Stopping both servers. To experiment with the same environment: make dev"
