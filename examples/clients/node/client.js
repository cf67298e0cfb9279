// SPDX-License-Identifier: MPL-2.0

// Calls Finicity's API with the token from Vault, and reads the token again in time: see
// ../README.md.
//
//     node client.js 3 1    3 calls, one per second
//
// It needs Node.js 18 or newer and no packages. test/e2e/testdata/clients.txtar runs it.
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const { VAULT_ADDR = 'https://127.0.0.1:8200', VAULT_TOKEN_FILE, VAULT_TOKEN, FINICITY_URL = 'https://api.finicity.com' } = process.env;
let kept = null;
let again = 0;
let reading = null;
let lastRefused = -Infinity; // The last read because of a refused token.

// Returns the status and the body. Unlike fetch, it follows no redirect, which would send
// the token to another address, and its time limit also ends a body that stalls.
function get(url, headers) {
  return new Promise((resolve, reject) => {
    const request = (url.startsWith('https:') ? https : http).get(url, { headers }, async (response) => {
      try {
        let body = '';
        for await (const chunk of response.setEncoding('utf8')) body += chunk;
        resolve({ status: response.statusCode, body });
      } catch (err) {
        reject(err);
      }
    });
    const timer = setTimeout(() => request.destroy(new Error('no answer within 10 seconds')), 10_000);
    request.on('error', reject).on('close', () => clearTimeout(timer));
  });
}

async function headers(refused = false) {
  refused &&= performance.now() - lastRefused > 10_000;
  if (refused) lastRefused = performance.now();
  if (!refused && !reading && performance.now() < again) return kept;
  reading ??= read(refused).finally(() => { reading = null; }); // Calls at the same time share one read.
  return reading;
}

async function read(refused) {
  try {
    const vaultToken = VAULT_TOKEN_FILE ? fs.readFileSync(VAULT_TOKEN_FILE, 'utf8').trim() : VAULT_TOKEN || '';
    const request = { 'X-Vault-Request': 'true' };
    if (vaultToken) request['X-Vault-Token'] = vaultToken; // Otherwise, a proxy adds one.
    const { status, body } = await get(`${VAULT_ADDR}/v1/finicity/static-token`, request);
    if (status !== 200) throw new Error(`Vault: HTTP ${status}`);
    const { data } = JSON.parse(body);
    if (!data.app_key || !data.token || !(data.ttl >= 1)) throw new Error('Vault: no token in the answer');
    kept = { 'Finicity-App-Key': data.app_key, 'Finicity-App-Token': data.token, Accept: 'application/json' };
    again = performance.now() + data.ttl * 1000; // The token is due for a refresh then.
    console.log(`token: again in ${data.ttl} seconds`);
  } catch (err) {
    if (refused || kept === null) throw err;
    again = performance.now() + 10_000; // The kept token stays valid for another 25 minutes.
    console.log('token: kept, because Vault returns none:', err.message);
  }
  return kept;
}

async function call(path) {
  const answer = await get(FINICITY_URL + path, await headers());
  return answer.status === 401 ? get(FINICITY_URL + path, await headers(true)) : answer;
}

async function main(calls, seconds) {
  for (let n = 1; n <= calls; n++) {
    const { status } = await call('/aggregation/v1/customers');
    if (status !== 200) throw new Error(`call ${n}: HTTP ${status}`);
    console.log(`call ${n}: HTTP 200`);
    await new Promise((done) => { setTimeout(done, seconds * 1000); });
  }
}

main(Number(process.argv[2]), Number(process.argv[3])).catch((err) => {
  console.error(err);
  process.exitCode = 1;
});
