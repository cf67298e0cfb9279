// SPDX-License-Identifier: MPL-2.0

// Receives Finicity's Connect webhooks without knowing the partner secret: Vault says whether a signature is valid. See
// ../README.md. It needs Node.js 18 or newer, and no packages. test/e2e/testdata/webhook.txtar runs it.
'use strict';

const http = require('node:http');

const MAX_BODY = 1 << 20; // bytes, as many as webhook/verify takes
const MAX_SEEN = 10_000;

const env = process.env;
const vault = (env.VAULT_ADDR || 'https://127.0.0.1:8200').replace(/\/+$/, '');
const mount = (env.FINICITY_MOUNT || 'finicity').replace(/^\/+|\/+$/g, '');
const verifyURL = `${vault}/v1/${mount}/webhook/verify`;
const headers = { 'Content-Type': 'application/json', 'X-Vault-Request': 'true' };
if (env.VAULT_TOKEN) headers['X-Vault-Token'] = env.VAULT_TOKEN; // Not needed behind a Vault Agent that adds its own.
if (env.VAULT_NAMESPACE) headers['X-Vault-Namespace'] = env.VAULT_NAMESPACE;

// Finicity signed the raw bytes. JSON that was parsed and written again has other bytes, and so has decoded text.
async function rawBody(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size <= MAX_BODY) chunks.push(chunk); // The rest is thrown away, and the connection kept for the answer.
  }
  return size <= MAX_BODY ? Buffer.concat(chunks) : null;
}

// Vault compares in constant time, and also knows the secret before the last rotation. Throws if Vault gives no verdict.
async function verify(body, signature) {
  const response = await fetch(verifyURL, {
    method: 'POST',
    headers,
    body: JSON.stringify({ input: body.toString('base64'), signature }),
    redirect: 'error', // It would take the token along to wherever it leads.
    signal: AbortSignal.timeout(5_000),
  });
  const answer = await response.json(); // Read even if it is not needed, which gives the connection back.
  if (response.status !== 200) throw new Error(`HTTP ${response.status}`);
  if (typeof answer.data?.valid !== 'boolean') throw new Error('an answer without a verdict');
  return answer.data.valid;
}

// A webhook arrives again if its answer was lost, or if someone replays it. Its signature is valid each time. This memory
// ends with the process and is not shared. A real app inserts the eventId into a column with a unique key, in the same
// transaction as the work. Nothing awaits between the check and the insert, so no event passes twice.
const seen = new Set(); // In the order of their arrival.

function once({ eventId, eventType }) {
  if (seen.has(eventId)) return;
  work(eventType, eventId); // If it throws, the event is not remembered, and the next one tries again.
  if (seen.size === MAX_SEEN) seen.delete(seen.values().next().value);
  seen.add(eventId);
}

function work(eventType, eventId) {
  console.log(`done: ${JSON.stringify(eventType)} ${JSON.stringify(eventId)}`);
}

// The status to answer with. Finicity retries a webhook for three days until the answer is a 200.
async function receive(request) {
  if (request.method !== 'POST') return 405;
  const body = await rawBody(request);
  if (body === null) return 413;
  const signature = request.headers['x-finicity-signature'];
  if (!signature) {
    console.error('refused: no signature');
    return 401;
  }
  try {
    if (!(await verify(body, signature))) {
      console.error("refused: the signature is not Finicity's, or the body has changed on its way");
      return 401;
    }
  } catch (err) {
    // The webhook might be Finicity's. A 401 would say that it is not.
    console.error('no verdict from Vault:', err.cause?.message || err.message);
    return 503;
  }
  let event;
  try {
    event = JSON.parse(body);
  } catch (err) {
    console.error('signed, but not understood:', err.message);
    return 400;
  }
  if (event.eventId) once(event); // A ping has none: it only wants to know whether anybody is there.
  return 200;
}

const server = http.createServer({ headersTimeout: 10_000, requestTimeout: 10_000 }, async (request, response) => {
  let status = 500;
  try {
    status = await receive(request);
  } catch (err) {
    console.error(err.message);
  }
  response.writeHead(status).end();
});

// A loopback address: Finicity connects with TLS to the proxy in front of it.
const [, host, port] = /^(.*):(\d+)$/.exec(env.LISTEN || '127.0.0.1:8300');
server.listen(Number(port), host, () => console.log(`listening on http://${host}:${server.address().port}`));
