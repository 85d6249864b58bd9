// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * exits: handles what a script expects at its end: process.exitCode, and listeners of `beforeExit`
 * and `exit`. Only listeners of the execution are called. After a script, all its listeners on
 * `process` are removed; earlier ones are kept.
 */
'use strict';

const { ExitError } = require('./errors.js');

class Exits {
  #before; // the execution: event → listeners
  #code;
  #isExiting = false;

  begin() {
    this.#before = new Map(
      process.eventNames().map((event) => [event, new Set(process.rawListeners(event))]));
    this.#code = process.exitCode;
    this.#isExiting = false;
  }

  /** Called when an execution that is a script has ended. */
  forget() {
    for (const event of process.eventNames()) {
      for (const listener of this.#own(event))
        process.removeListener(event, listener);
    }
    process.exitCode = this.#code;
  }

  #own(event) {
    const before = this.#before.get(event);
    return process.rawListeners(event).filter((listener) => !before?.has(listener));
  }

  has(event) {
    return this.#own(event).length > 0;
  }

  /** Calls the listeners; those of `exit` only once, because one of them may exit. */
  emit(event) {
    if (event === 'exit' && this.#isExiting)
      return;
    this.#isExiting ||= event === 'exit';
    for (const listener of this.#own(event))
      listener.call(process, process.exitCode ?? 0);
  }

  /** Returns the outcome of the execution if its code exits now: {value} or {thrown}. */
  outcome() {
    const code = process.exitCode;
    return Number(code ?? 0) === 0 ? { value: undefined } : { thrown: new ExitError(code) };
  }
}

module.exports = { Exits };
