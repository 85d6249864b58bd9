// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * ticks: after an interrupt has ended a call, drops the calls that process.nextTick() has queued.
 *
 * Node makes all queued calls before its event loop gets a turn, even if each call queues another
 * one. Without this, node would continue with them after an interrupt, and no request would be
 * read.
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
