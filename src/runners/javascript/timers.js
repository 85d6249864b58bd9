// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * timers: those that an execution started do nothing any more when it was interrupted.
 *
 * Nothing can take a promise away from code that awaits it. But what loops with pauses mostly waits
 * for timers, and would go on behind its interrupt, for ever. And node's own lists of timers must
 * not be left half done when it is the callback of one that is interrupted.
 */
'use strict';

const { setMaxListeners } = require('node:events');
const { promisify } = require('node:util');
const promises = require('node:timers/promises');
const timers = require('node:timers');
const { InterruptError } = require('./errors.js');
const calls = require('./calls.js');
const native = require('./native.js');

/** The execution that a timer belongs to. */
class Owner {
  isCancelled = false;
  #controller;

  /** Of promised timers; made when first needed. */
  get signal() {
    if (!this.#controller) {
      this.#controller = new AbortController();
      setMaxListeners(0, this.#controller.signal);
    }
    return this.#controller.signal;
  }

  cancel() {
    this.isCancelled = true;
    this.#controller?.abort(new InterruptError());
  }
}

class Timers {
  #owner; // none between executions

  constructor() {
    for (const name of ['setTimeout', 'setInterval', 'setImmediate'])
      timers[name] = globalThis[name] = this.#wrap(timers[name]);
    for (const name of ['setTimeout', 'setInterval'])
      promises[name] = this.#wrapPromised(name, promises[name]);
    for (const name of ['setTimeout', 'setImmediate'])
      Object.defineProperty(timers[name], promisify.custom, { value: promises[name] });
  }

  begin() {
    this.#owner = new Owner();
  }

  end() {
    this.#owner = undefined;
  }

  cancel() {
    this.#owner?.cancel();
  }

  #wrap(start) {
    const guarded = (callback) => this.#guarded(callback);
    const wrapper = function (callback, ...rest) {
      return start.call(this, guarded(callback), ...rest);
    };
    return Object.defineProperty(wrapper, 'name', { value: start.name });
  }

  /** What is no function is node's to refuse. */
  #guarded(callback) {
    const owner = this.#owner;
    if (typeof callback !== 'function')
      return callback;
    return function (...all) {
      if (owner?.isCancelled)
        clearTimeout(this); // an interval ends
      else if (native.guard(() => callback.apply(this, all)))
        calls.forget();
    };
  }

  #wrapPromised(name, start) {
    const signal = () => this.#owner?.signal;
    return { // for its name
      [name]: (delay, value, options) => start(delay, value, { signal: signal(), ...options }),
    }[name];
  }
}

module.exports = { Timers };
