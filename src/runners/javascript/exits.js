// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * exits: what a script expects at its end: process.exitCode, and listeners of `beforeExit` and
 * `exit`. Those of the execution are called, and are gone behind it; earlier ones stay.
 */
'use strict';

const { ExitError } = require('./errors.js');

const EVENTS = ['beforeExit', 'exit'];

class Exits {
  #before; // the execution: event → listeners
  #code;
  #isExiting = false;

  begin() {
    this.#before = new Map(EVENTS.map((event) => [event, new Set(process.rawListeners(event))]));
    this.#code = process.exitCode;
    this.#isExiting = false;
  }

  /** When the execution is over as a script is. */
  forget() {
    for (const event of EVENTS) {
      for (const listener of this.#own(event))
        process.removeListener(event, listener);
    }
    process.exitCode = this.#code;
  }

  #own(event) {
    return process.rawListeners(event).filter((listener) => !this.#before.get(event).has(listener));
  }

  has(event) {
    return this.#own(event).length > 0;
  }

  /** Calls the listeners; those of `exit` only once, for one of them may exit. */
  emit(event) {
    if (event === 'exit' && this.#isExiting)
      return;
    this.#isExiting ||= event === 'exit';
    for (const listener of this.#own(event))
      listener.call(process, process.exitCode ?? 0);
  }

  /** How the execution ends when its code exits now: {value} or {thrown}. */
  outcome() {
    const code = process.exitCode;
    return Number(code ?? 0) === 0 ? { value: undefined } : { thrown: new ExitError(code) };
  }
}

module.exports = { Exits };
