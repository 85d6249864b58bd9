// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * timers: those that an execution started do nothing any more when it was interrupted.
 *
 * Nothing can take a promise away from code that awaits it. But what loops with pauses mostly waits
 * for timers, and would go on behind its interrupt, for ever. And node's own lists of timers must
 * not be left half done when it is the callback of one that is interrupted.
 *
 * Those of earlier executions can be released: then they do not keep node's loop alive, so that it
 * shows when the execution's own are over.
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

const LIVE_MIN = 1000; // that are remembered before those that are over are looked for

class Timers {
  #owner; // none between executions
  #live = new Map(); // timer → its owner; some are over
  #liveMax = LIVE_MIN;
  #isReleased = false;
  #released = new Set();
  #turn; // the owner of the timer whose callback runs
  #hasTurn = new Uint32Array(1); // until its microtasks are done, too: native.c clears it

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

  /** Until the end: earlier ones, and those that they start meanwhile. */
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

  /** Whether it is a timer of an earlier execution whose callback runs. */
  get isEarlierTurn() {
    return this.#currentOwner() !== this.#owner;
  }

  /** Of what is started now. A timer is its execution's, and so is what its callback starts. */
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

  /** What is no function is node's to refuse. */
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
