#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
#
# Starts a Vault server with the engine mounted and configured, and a stand-in for Finicity, until Ctrl-C or until one
# of the two ends.
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
Vault and the stand-in for Finicity are running, and the engine is mounted at finicity/. In another terminal:

    export PATH="$(dirname "$vault_bin"):\$PATH"
    export VAULT_ADDR=$VAULT_ADDR VAULT_TOKEN=$VAULT_TOKEN FINICITY=$FINICITY
    export PARTNER_ID=$PARTNER_ID PARTNER_SECRET=$PARTNER_SECRET APP_KEY=$APP_KEY
    export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
    vault read finicity/token

To play Finicity's portal and make a new secret, when after a rotation nobody knows the one in force:

    curl -d '{"secret":"Fake-Sandbox-Secret-2"}' \$FINICITY/_fake/partners/\$PARTNER_ID/secret
    vault write finicity/config partner_secret=Fake-Sandbox-Secret-2

The stand-in's requests: curl \$FINICITY/_fake/requests      Vault's log: $scratch/vault.log

Ctrl-C stops both.
END

# `wait -n` would say who has ended, but the bash of macOS has none.
while true; do
	kill -0 "${pids[0]}" 2>/dev/null || failed "The stand-in has ended" "$scratch/fake.log"
	kill -0 "${pids[1]}" 2>/dev/null || failed "Vault has ended" "$scratch/vault.log"
	sleep 0.5
done
