# SPDX-License-Identifier: MPL-2.0
"""Calls Finicity's API with the token from Vault, and reads the token again in time: see ../README.md.

    python3 client.py 3 1    3 calls, one per second

It needs Python 3.8 or newer and no packages. test/e2e/testdata/clients.txtar runs it.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request

VAULT = os.environ.get("VAULT_ADDR", "https://127.0.0.1:8200")
FINICITY = os.environ.get("FINICITY_URL", "https://api.finicity.com")
kept, again = None, 0.0
# The last read because of a refused token, as a time of day: AWS Lambda freezes a function
# between two calls, and the monotonic clock can stop meanwhile.
last_refused = 0.0


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None  # Following a redirect would send the token to another address.


http = urllib.request.build_opener(NoRedirect)


def get(url, headers):
    with http.open(urllib.request.Request(url, headers=headers), timeout=10) as answer:
        return json.load(answer)


def headers(refused=False):
    global kept, again, last_refused
    refused = refused and abs(time.time() - last_refused) > 10
    if refused:
        last_refused = time.time()
    if refused or time.monotonic() >= again:
        try:
            file = os.environ.get("VAULT_TOKEN_FILE")
            vault_token = open(file).read().strip() if file else os.environ.get("VAULT_TOKEN", "")
            request = {"X-Vault-Request": "true"}
            if vault_token:  # Otherwise, a proxy adds one.
                request["X-Vault-Token"] = vault_token
            data = get(VAULT + "/v1/finicity/static-token", request)["data"]
            if not (data["app_key"] and data["token"] and data["ttl"] >= 1):
                raise ValueError("no token in the answer")
            kept = {"Finicity-App-Key": data["app_key"], "Finicity-App-Token": data["token"], "Accept": "application/json"}
            again = time.monotonic() + data["ttl"]  # The token is due for a refresh then.
            print(f"token: again in {data['ttl']} seconds", flush=True)
        except Exception as err:
            if refused or kept is None:
                raise
            again = time.monotonic() + 10  # The kept token stays valid for another 25 minutes.
            print("token: kept, because Vault returns none:", err, flush=True)
    return kept


def call(path):
    try:
        return get(FINICITY + path, headers())
    except urllib.error.HTTPError as err:
        if err.code != 401:
            raise
        return get(FINICITY + path, headers(refused=True))


if __name__ == "__main__":
    for n in range(int(sys.argv[1])):
        call("/aggregation/v1/customers")
        print(f"call {n + 1}: HTTP 200", flush=True)
        time.sleep(float(sys.argv[2]))
