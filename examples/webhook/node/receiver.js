// SPDX-License-Identifier: MPL-2.0

// Receives Finicity's Connect webhooks. It does not know the partner secret: Vault
// verifies each signature. See ../README.md. It needs Node.js 18 or newer and no
// packages. test/e2e/testdata/webhook.txtar runs it.
'use strict';

const http = require('node:http');
const https = require('node:https');

const MAX_BODY = 1 << 20; // In bytes. webhook/verify accepts as many.
const MAX_SEEN = 10_000;

const env = process.env;
const vault = (env.VAULT_ADDR || 'https://127.0.0.1:8200').replace(/\/+$/, '');
const mount = (env.FINICITY_MOUNT || 'finicity').replace(/^\/+|\/+$/g, '');
const verifyURL = `${vault}/v1/${mount}/webhook/verify`;
const headers = { 'Content-Type': 'application/json', 'X-Vault-Request': 'true' };
if (env.VAULT_TOKEN) headers['X-Vault-Token'] = env.VAULT_TOKEN; // Not needed if a Vault Agent adds its own token.
if (env.VAULT_NAMESPACE) headers['X-Vault-Namespace'] = env.VAULT_NAMESPACE;

// Finicity signs the raw bytes. JSON that is parsed and encoded again has different
// bytes, and so may text.
async function rawBody(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size <= MAX_BODY) chunks.push(chunk); // Discard the rest, but keep the connection for the answer.
  }
  return size <= MAX_BODY ? Buffer.concat(chunks) : null;
}

// Returns the status and the body of Vault's answer. Unlike fetch, it follows no redirect,
// which would send the token to another address, and its time limit also ends a body that
// stalls.
function ask(question) {
  return new Promise((resolve, reject) => {
    const request = (verifyURL.startsWith('https:') ? https : http).request(verifyURL, { method: 'POST', headers }, async (response) => {
      try {
        let answer = '';
        for await (const chunk of response.setEncoding('utf8')) answer += chunk;
        resolve([response.statusCode, answer]);
      } catch (err) {
        reject(err);
      }
    });
    const timer = setTimeout(() => request.destroy(new Error('no answer within 5 seconds')), 5_000);
    request.on('error', reject).on('close', () => clearTimeout(timer)).end(question);
  });
}

// Vault compares signatures in constant time, and also accepts the secret from before
// the last rotation. Throws if there is no verdict.
async function verify(body, signature) {
  const [status, text] = await ask(JSON.stringify({ input: body.toString('base64'), signature }));
  if (status !== 200) throw new Error(`HTTP ${status}`);
  const answer = JSON.parse(text);
  if (typeof answer.data?.valid !== 'boolean') throw new Error('the answer has no verdict');
  return answer.data.valid;
}

// A webhook arrives again if its answer was lost, or if someone recorded and replays
// it. Its signature is right each time. This memory is lost when the process ends, and
// other instances do not share it. A real app inserts the eventId into a column with a
// unique key, in the same transaction as the work. There is no await between the check
// and the insert, so two deliveries cannot both pass.
const seen = new Set(); // In the order of arrival.

function once({ eventId, eventType }) {
  if (seen.has(eventId)) return;
  work(eventType, eventId); // If it throws, the event is not recorded, and the next delivery tries again.
  if (seen.size === MAX_SEEN) seen.delete(seen.values().next().value);
  seen.add(eventId);
}

function work(eventType, eventId) {
  console.log(`done: ${JSON.stringify(eventType)} ${JSON.stringify(eventId)}`);
}

// Returns the HTTP status of the answer. If it is not 200, Finicity repeats the webhook
// for three days.
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
      console.error("refused: the signature is not Finicity's, or the body was changed in transit");
      return 401;
    }
  } catch (err) {
    // The webhook may be from Finicity. A 401 would say that it is not.
    console.error('no verdict from Vault:', err.message);
    return 503;
  }
  let event;
  try {
    event = JSON.parse(body);
  } catch (err) {
    console.error('signed, but not readable:', err.message);
    return 400;
  }
  if (event.eventId) once(event); // A ping has none: it only checks whether the receiver is running.
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

// A loopback address. TLS and Finicity's requests end at the proxy in front of it.
const [, host, port] = /^(.*):(\d+)$/.exec(env.LISTEN || '127.0.0.1:8300');
server.listen(Number(port), host, () => console.log(`listening on http://${host}:${server.address().port}`));
