# SPDX-License-Identifier: MPL-2.0
"""Receives Finicity's Connect webhooks without knowing the partner secret: Vault says whether a signature is valid.

See ../README.md. It needs Python 3.8 or newer, and no packages. test/e2e/testdata/webhook.txtar runs it.
"""

import base64
import json
import os
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAX_BODY = 1 << 20  # bytes, as many as webhook/verify takes
MAX_SEEN = 10_000

VAULT_ADDR = os.environ.get("VAULT_ADDR", "https://127.0.0.1:8200").rstrip("/")
MOUNT = os.environ.get("FINICITY_MOUNT", "finicity").strip("/")
VERIFY_URL = f"{VAULT_ADDR}/v1/{MOUNT}/webhook/verify"
HEADERS = {"Content-Type": "application/json", "X-Vault-Request": "true"}
if os.environ.get("VAULT_TOKEN"):  # Not needed behind a Vault Agent that adds its own.
    HEADERS["X-Vault-Token"] = os.environ["VAULT_TOKEN"]
if os.environ.get("VAULT_NAMESPACE"):
    HEADERS["X-Vault-Namespace"] = os.environ["VAULT_NAMESPACE"]


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None  # It would take the token along to wherever it leads.


vault = urllib.request.build_opener(NoRedirect)


def verify(body, signature):
    """Ask Vault, which compares in constant time and knows the secret before the last rotation too."""
    question = json.dumps({"input": base64.b64encode(body).decode(), "signature": signature}).encode()
    request = urllib.request.Request(VERIFY_URL, data=question, headers=HEADERS, method="POST")
    with vault.open(request, timeout=5) as response:  # Any status but 2xx is an exception.
        valid = json.load(response)["data"]["valid"]
    if not isinstance(valid, bool):
        raise ValueError("an answer without a verdict")
    return valid


# A webhook arrives again if its answer was lost, or if someone replays it. Its signature is valid each time. This memory
# ends with the process and is not shared. A real app inserts the eventId into a column with a unique key, in the same
# transaction as the work.
seen = {}  # In the order of their arrival.
lock = threading.Lock()


def once(event):
    with lock:  # During the work too: a repetition must not be answered before it is known how that ends.
        if event["eventId"] in seen:
            return
        work(event)  # If it raises, the event is not remembered, and the next one tries again.
        if len(seen) == MAX_SEEN:
            del seen[next(iter(seen))]
        seen[event["eventId"]] = True


def work(event):
    print("done:", json.dumps(event.get("eventType")), json.dumps(event["eventId"]), flush=True)


class Receiver(BaseHTTPRequestHandler):
    timeout = 10  # seconds in which something has to arrive

    def do_POST(self):
        try:
            status = self.receive()
        except Exception as err:
            self.log_error("%s", err)
            status = 500
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def receive(self):
        """Return the status to answer with. Finicity repeats what is not answered with a 200, for three days."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():  # This server knows no chunks. The proxy in front of it does, or a framework.
            return 411
        # Finicity signed the raw bytes. JSON that was parsed and written again has other bytes, and so has decoded text.
        body = self.rfile.read(min(int(length), MAX_BODY + 1))
        if len(body) > MAX_BODY:
            return 413
        signature = self.headers.get("X-Finicity-Signature")
        if not signature:
            self.log_error("refused: no signature")
            return 401
        try:
            if not verify(body, signature):
                self.log_error("refused: the signature is not Finicity's, or the body has changed on its way")
                return 401
        except Exception as err:  # It may well be Finicity's. A 401 would say that it is not.
            self.log_error("no verdict from Vault: %s", err)
            return 503
        try:
            event = json.loads(body)
        except ValueError as err:
            self.log_error("signed, but not understood: %s", err)
            return 400
        if event.get("eventId"):  # A ping has none: it only wants to know whether anybody is there.
            once(event)
        return 200


if __name__ == "__main__":
    # A loopback address: Finicity connects with TLS to the proxy in front of it.
    host, _, port = os.environ.get("LISTEN", "127.0.0.1:8300").rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Receiver)
    print(f"listening on http://{host}:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(130)
