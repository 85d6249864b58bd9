// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * timers: after an interrupt, the timers of the execution do nothing any more.
 *
 * Code that awaits a promise cannot be stopped. But loops with pauses mostly wait for timers, and
 * would continue after an interrupt for ever. Also, node's lists of timers must remain consistent
 * if the callback of a timer is interrupted.
 *
 * Timers of earlier executions can be released: they then do not keep node's loop alive, so the
 * loop ends when those of the execution have ended.
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

  /** The signal for timers that are promises; created when it is first needed. */
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

const LIVE_MIN = 1000; // the number of timers from which ended ones are removed

class Timers {
  #owner; // none between executions
  #live = new Map(); // timer → its owner; some have ended
  #liveMax = LIVE_MIN;
  #isReleased = false;
  #released = new Set();
  #turn; // the owner of the timer whose callback runs
  #hasTurn = new Uint32Array(1); // also during its microtasks: native.c clears it

  constructor() {
    native.watchTurn(this.#hasTurn);
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
    this.#isReleased = false;
    for (const timer of this.#released)
      timer.ref();
    this.#released.clear();
  }

  cancel() {
    this.#owner?.cancel();
  }

  /** Releases earlier timers, and those that they start, until the execution ends. */
  release() {
    this.#isReleased = true;
    for (const [timer, owner] of this.#live) {
      if (owner !== this.#owner)
        this.#release(timer);
    }
  }

  #release(timer) {
    if (!timer.hasRef())
      return;
    timer.unref();
    this.#released.add(timer);
  }

  /** Whether the callback of a timer of an earlier execution is running. */
  get isEarlierTurn() {
    return this.#currentOwner() !== this.#owner;
  }

  /**
   * Returns the owner of timers that are started now: the execution, or the owner of the timer
   * whose callback is running.
   */
  #currentOwner() {
    return this.#hasTurn[0] ? this.#turn : this.#owner;
  }

  #takeTurn(owner) {
    this.#turn = owner;
    this.#hasTurn[0] = 1;
  }

  #remember(timer) {
    const owner = this.#currentOwner();
    if (this.#isReleased && owner !== this.#owner)
      this.#release(timer);
    this.#live.set(timer, owner);
    if (this.#live.size > this.#liveMax)
      this.#forgetOver();
  }

  #forgetOver() {
    for (const timer of this.#live.keys()) {
      if (timer._destroyed && this.#live.delete(timer))
        this.#released.delete(timer);
    }
    this.#liveMax = Math.max(LIVE_MIN, 2 * this.#live.size);
  }

  #wrap(start) {
    const guarded = (callback) => this.#guarded(callback);
    const remember = (timer) => this.#remember(timer);
    const wrapper = function (callback, ...rest) {
      const timer = start.call(this, guarded(callback), ...rest);
      remember(timer);
      return timer;
    };
    return Object.defineProperty(wrapper, 'name', { value: start.name });
  }

  /** Returns other values than functions unchanged: node refuses them. */
  #guarded(callback) {
    const owner = this.#currentOwner();
    const takeTurn = () => this.#takeTurn(owner);
    if (typeof callback !== 'function')
      return callback;
    return function (...all) {
      if (owner?.isCancelled)
        return clearTimeout(this); // an interval ends
      takeTurn();
      if (native.guard(() => callback.apply(this, all)))
        calls.forget();
    };
  }

  #wrapPromised(name, start) {
    const begin = (options) => {
      const owner = this.#currentOwner();
      const ref = !this.#isReleased || owner === this.#owner;
      return { owner, options: { signal: owner?.signal, ref, ...options } };
    };
    const takeTurn = (owner) => this.#takeTurn(owner);
    return { // for its name
      [name]: (delay, value, given) => {
        const { owner, options } = begin(given);
        const timer = start(delay, value, options);
        return timer instanceof Promise ? timer.finally(() => takeTurn(owner)) : timer;
      },
    }[name];
  }
}

module.exports = { Timers };
