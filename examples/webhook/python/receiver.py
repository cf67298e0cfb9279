# SPDX-License-Identifier: MPL-2.0
"""Receives Finicity's Connect webhooks. It does not know the partner secret: Vault verifies each signature.

See ../README.md. It needs Python 3.8 or newer and no packages. test/e2e/testdata/webhook.txtar runs it.
"""

import base64
import json
import os
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAX_BODY = 1 << 20  # In bytes. webhook/verify accepts as many.
MAX_SEEN = 10_000

VAULT_ADDR = os.environ.get("VAULT_ADDR", "https://127.0.0.1:8200").rstrip("/")
MOUNT = os.environ.get("FINICITY_MOUNT", "finicity").strip("/")
VERIFY_URL = f"{VAULT_ADDR}/v1/{MOUNT}/webhook/verify"
HEADERS = {"Content-Type": "application/json", "X-Vault-Request": "true"}
if os.environ.get("VAULT_TOKEN"):  # Not needed if a Vault Agent adds its own token.
    HEADERS["X-Vault-Token"] = os.environ["VAULT_TOKEN"]
if os.environ.get("VAULT_NAMESPACE"):
    HEADERS["X-Vault-Namespace"] = os.environ["VAULT_NAMESPACE"]


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None  # Following a redirect would send the token to another address.


vault = urllib.request.build_opener(NoRedirect)


def verify(body, signature):
    """Ask Vault, which compares signatures in constant time and also accepts the secret from before the last rotation."""
    question = json.dumps({"input": base64.b64encode(body).decode(), "signature": signature}).encode()
    request = urllib.request.Request(VERIFY_URL, data=question, headers=HEADERS, method="POST")
    with vault.open(request, timeout=5) as response:  # Any status other than 2xx raises an exception.
        valid = json.load(response)["data"]["valid"]
    if not isinstance(valid, bool):
        raise ValueError("the answer has no verdict")
    return valid


# A webhook arrives again if its answer was lost, or if someone recorded and replays it.
# Its signature is right each time. This memory is lost when the process ends, and other
# instances do not share it. A real app inserts the eventId into a column with a unique
# key, in the same transaction as the work.
seen = {}  # In the order of arrival.
lock = threading.Lock()


def once(event):
    with lock:  # Also during the work: a repeated webhook must not be answered before the result of the work is known.
        if event["eventId"] in seen:
            return
        work(event)  # If it raises, the event is not recorded, and the next delivery tries again.
        if len(seen) == MAX_SEEN:
            del seen[next(iter(seen))]
        seen[event["eventId"]] = True


def work(event):
    print("done:", json.dumps(event.get("eventType")), json.dumps(event["eventId"]), flush=True)


class Receiver(BaseHTTPRequestHandler):
    timeout = 10  # Seconds without any data after which a connection is closed.

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
        """Return the HTTP status of the answer. If it is not 200, Finicity repeats the webhook for three days."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():  # This server does not support chunked bodies. Use a proxy or a framework that does.
            return 411
        # Finicity signs the raw bytes. JSON that is parsed and encoded again has
        # different bytes, and so may text.
        body = self.rfile.read(min(int(length), MAX_BODY + 1))
        if len(body) > MAX_BODY:
            return 413
        signature = self.headers.get("X-Finicity-Signature")
        if not signature:
            self.log_error("refused: no signature")
            return 401
        try:
            if not verify(body, signature):
                self.log_error("refused: the signature is not Finicity's, or the body was changed in transit")
                return 401
        except Exception as err:  # The webhook may be from Finicity. A 401 would say that it is not.
            self.log_error("no verdict from Vault: %s", err)
            return 503
        try:
            event = json.loads(body)
        except ValueError as err:
            self.log_error("signed, but not readable: %s", err)
            return 400
        if event.get("eventId"):  # A ping has none: it only checks whether the receiver is running.
            once(event)
        return 200


if __name__ == "__main__":
    # A loopback address. TLS and Finicity's requests end at the proxy in front of it.
    host, _, port = os.environ.get("LISTEN", "127.0.0.1:8300").rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Receiver)
    print(f"listening on http://{host}:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(130)
