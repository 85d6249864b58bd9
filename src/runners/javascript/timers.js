// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * timers: those that an execution starts end when it is interrupted.
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
const native = require('./native.js');

const MANY = 1000; // of which those that have ended are forgotten

/** What is no function is node's to refuse. */
function guarded(callback) {
  if (typeof callback !== 'function')
    return callback;
  return function (...all) {
    native.guard(() => callback.apply(this, all));
  };
}

class Timers {
  #isActive = false;
  #Immediate;
  #started = new Set();
  #controller; // of the promised ones; made when first needed

  constructor() {
    const immediate = setImmediate(() => {});
    this.#Immediate = immediate.constructor;
    clearImmediate(immediate);
    for (const name of ['setTimeout', 'setInterval', 'setImmediate']) {
      const wrapper = this.#wrap(timers[name]);
      if (name !== 'setImmediate')
        promises[name] = this.#wrapPromised(name, promises[name]);
      Object.defineProperty(wrapper, promisify.custom, { value: promises[name] });
      timers[name] = globalThis[name] = wrapper;
    }
  }

  begin() {
    this.#isActive = true;
    this.#started.clear();
    this.#controller = undefined;
  }

  end() {
    this.#isActive = false;
    this.#started.clear();
  }

  cancel() {
    for (const timer of this.#started)
      (timer instanceof this.#Immediate ? clearImmediate : clearTimeout)(timer);
    this.#controller?.abort(new InterruptError());
    this.end();
  }

  #wrap(start) {
    const keep = (timer) => this.#isActive && this.#add(timer);
    const wrapper = function (callback, ...rest) {
      const timer = start.call(this, guarded(callback), ...rest);
      keep(timer);
      return timer;
    };
    return Object.defineProperty(wrapper, 'name', { value: start.name });
  }

  #add(timer) {
    this.#started.add(timer);
    if (this.#started.size % MANY !== 0)
      return;
    for (const one of this.#started) {
      if (one._destroyed)
        this.#started.delete(one);
    }
  }

  #wrapPromised(name, start) {
    const signal = () => this.#isActive ? this.#signal() : undefined;
    return { // for its name
      [name]: (delay, value, options) => start(delay, value, { signal: signal(), ...options }),
    }[name];
  }

  #signal() {
    if (!this.#controller) {
      this.#controller = new AbortController();
      setMaxListeners(0, this.#controller.signal);
    }
    return this.#controller.signal;
  }
}

module.exports = { Timers };
