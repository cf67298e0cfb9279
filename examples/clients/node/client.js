// SPDX-License-Identifier: MPL-2.0

// Calls Finicity's API with the token from Vault, and reads the token again in time: see
// ../README.md.
//
//     node client.js 3 1    3 calls, one per second
//
// It needs Node.js 18 or newer and no packages. test/e2e/testdata/clients.txtar runs it.
'use strict';

const fs = require('node:fs');
const { VAULT_ADDR = 'https://127.0.0.1:8200', VAULT_TOKEN_FILE, VAULT_TOKEN, FINICITY_URL = 'https://api.finicity.com' } = process.env;
let kept = null;
let again = 0;
let reading = null;
let lastRefused = -Infinity; // The last read because of a refused token.

// Following a redirect would send the token to another address.
const get = (url, headers) => fetch(url, { headers, redirect: 'error', signal: AbortSignal.timeout(10_000) });

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
    const response = await get(`${VAULT_ADDR}/v1/finicity/static-token`, request);
    if (!response.ok) throw new Error(`Vault: HTTP ${response.status}`);
    const { data } = await response.json();
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
  const response = await get(FINICITY_URL + path, await headers());
  return response.status === 401 ? get(FINICITY_URL + path, await headers(true)) : response;
}

async function main(calls, seconds) {
  for (let n = 1; n <= calls; n++) {
    const response = await call('/aggregation/v1/customers');
    await response.text(); // A real app uses the body.
    if (!response.ok) throw new Error(`call ${n}: HTTP ${response.status}`);
    console.log(`call ${n}: HTTP 200`);
    await new Promise((done) => { setTimeout(done, seconds * 1000); });
  }
}

main(Number(process.argv[2]), Number(process.argv[3])).catch((err) => {
  console.error(err);
  process.exitCode = 1;
});
