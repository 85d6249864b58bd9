// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * timers: those that an execution starts end when it is interrupted.
 *
 * Nothing can take a promise away from code that awaits it. But what loops with pauses mostly waits
 * for timers, and such code would go on after its interrupt, for ever.
 */
'use strict';

const timers = require('node:timers');
const promises = require('node:timers/promises');

class Timers {
  #started = new Set();
  #controller = new AbortController();

  constructor() {
  }

  begin() {
  }

  cancel() {
  }
}

module.exports = { Timers };
