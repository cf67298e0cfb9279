#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
#
# Starts a Vault server with the engine mounted and configured, and a mock server for
# Finicity. Both run until Ctrl-C or until Vault ends. You can stop the mock server and
# start it again, to simulate an outage.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
trap 'stop_all; say "Both servers are stopped."' EXIT
trap 'exit 0' INT TERM

start_servers
{
	vault plugin register -sha256="$SHA256" secret vault-plugin-secrets-finicity
	vault secrets enable -path=finicity vault-plugin-secrets-finicity
	vault write finicity/config base_url="$FINICITY" \
		partner_id="$PARTNER_ID" partner_secret="$PARTNER_SECRET" app_key="$APP_KEY"
} >/dev/null

cat <<END
Vault and the mock server for Finicity are running, and the engine is mounted at finicity/. In another terminal:

    export PATH="$(dirname "$vault_bin"):\$PATH"
    export VAULT_ADDR=$VAULT_ADDR VAULT_TOKEN=$VAULT_TOKEN FINICITY=$FINICITY
    export PARTNER_ID=$PARTNER_ID PARTNER_SECRET=$PARTNER_SECRET APP_KEY=$APP_KEY
    export PARTNER_ID_2=$PARTNER_ID_2 PARTNER_SECRET_2=$PARTNER_SECRET_2 APP_KEY_2=$APP_KEY_2
    export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
    vault read finicity/token

After a rotation, only Vault knows the secret. To set a new one, as in Finicity's developer portal, and write it to Vault:

    curl -d '{"secret":"Fake-Sandbox-Secret-2"}' \$FINICITY/_fake/partners/\$PARTNER_ID/secret
    vault write finicity/config partner_secret=Fake-Sandbox-Secret-2

To list what else the mock server can do, such as an outage or a lock: curl \$FINICITY/_fake/
Vault's log: $scratch/vault.log

To stop the mock server: kill ${pids[0]}
To start the mock server again, with the same secret and tokens: ${fake_command[*]}

Ctrl-C stops both servers.
END

# `wait -n` would say which process has ended, but the bash of macOS does not support
# it.
ended=
while true; do
	if [ -z "$ended" ] && ! kill -0 "${pids[0]}" 2>/dev/null; then
		ended=true
		say "The mock server has ended. Vault keeps running, as during an outage of Finicity. To start the mock server again: ${fake_command[*]}"
	fi
	kill -0 "${pids[1]}" 2>/dev/null || failed "Vault has ended" "$scratch/vault.log"
	sleep 0.5
done
