// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * ticks: what process.nextTick() has queued is not called any more when an interrupt has ended a call.
 *
 * Node calls all that is queued before its event loop gets a turn, also where each call queues the
 * next one. Behind an interrupt it would go on with that, and no request would ever be heard.
 */
'use strict';

const calls = require('./calls.js');

function call(ended, callback, all) {
  if (calls.ended[0] === ended)
    callback(...all);
}

function install() {
  const queue = process.nextTick;
  process.nextTick = function nextTick(callback, ...all) {
    if (typeof callback !== 'function')
      queue.call(this, callback); // throws
    queue.call(this, call, calls.ended[0], callback, all);
  };
}

module.exports = { install };
