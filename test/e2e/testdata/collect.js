// SPDX-License-Identifier: MPL-2.0

// Loaded before an example in Node.js: collects garbage all the time, as Node.js does at
// some time. Until then, an object that nothing keeps can still work, such as a time limit.
'use strict';

require('node:v8').setFlagsFromString('--expose-gc');
setInterval(require('node:vm').runInNewContext('gc'), 200).unref();
