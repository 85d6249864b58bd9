// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * evaluate: executes code in the global scope with V8's REPL mode, which has top-level await and
 * permits names to be declared again.
 *
 * Only V8's inspector has this mode, so the runner opens a session to its own process. The
 * inspector replies with a description of the value; it also calls a function that receives the
 * value itself.
 */
'use strict';

const { Session } = require('node:inspector');
const { InterruptError } = require('./errors.js');
const { compileError } = require('./imports.js');
const native = require('./native.js');

const GROUP = 'cell';
const NUMBERS = { '-0': -0, NaN: NaN, Infinity: Infinity, '-Infinity': -Infinity };

/** As in node's REPL, code in braces is an object if possible. */
function preferObject(code) {
  if (!/^\s*\{/.test(code) || /;\s*$/.test(code))
    return code;
  const wrapped = `(${code.trim()}\n)`;
  return compileError(wrapped) ? code : code.replace(/^\s*/, '$&(').replace(/\s*$/, '\n)');
}

/** Node closes its inspector if the code sends this process a signal that has no handler. */
function checkInterrupted({ message }) {
  if (message.includes('Execution was terminated') || message.includes('Promise was collected'))
    return;
  native.write(2, Buffer.from(`the runner cannot execute any more: ${message}\n`));
  process.reallyExit(1);
}

class Evaluator {
  #session = new Session();
  #sink;
  #received;

  constructor() {
    this.#session.connect();
    globalThis.__sink = (value) => {
      this.#received = value;
    };
    this.#session.post('Runtime.evaluate', { expression: '__sink' }, (error, { result }) => {
      this.#sink = result.objectId;
    });
    delete globalThis.__sink;
  }

  /** Returns the names that `let`, `const` and classes have declared. */
  lexicalNames() {
    let names;
    this.#session.post('Runtime.globalLexicalScopeNames', (error, answer) => {
      names = answer?.names ?? [];
    });
    return names;
  }

  /** Calls back once with {value} or {thrown}, also if code that it awaits is interrupted. */
  start({ code, before }, name, callback) {
    for (const one of before)
      this.#evaluate(one, name, () => {});
    this.#evaluate(preferObject(code), name, (error, response) => {
      if (error)
        checkInterrupted(error);
      callback(error ? { thrown: new InterruptError('the execution was interrupted') }
        : this.#outcome(response, code, name));
    });
  }

  #evaluate(code, name, callback) {
    const expression = `${code}\n//# sourceURL=${name}`;
    const options = { expression, replMode: true, objectGroup: GROUP, silent: true };
    this.#session.post('Runtime.evaluate', options, callback);
  }

  #outcome({ result, exceptionDetails: details }, code, name) {
    const value = this.#fetch(details?.exception ?? result);
    this.#session.post('Runtime.releaseObjectGroup', { objectGroup: GROUP });
    if (!details)
      return { value };
    const thrown = value;
    if (details.scriptId !== undefined && thrown instanceof SyntaxError && !details.stackTrace)
      return { thrown, place: { line: details.lineNumber, column: details.columnNumber } };
    return { thrown };
  }

  #fetch(remote) {
    if (remote.objectId === undefined)
      return this.#decode(remote);
    this.#session.post('Runtime.callFunctionOn', {
      functionDeclaration: 'function(value) { this(value) }',
      objectId: this.#sink,
      arguments: [{ objectId: remote.objectId }],
      silent: true,
    });
    const value = this.#received;
    this.#received = undefined;
    return value;
  }

  #decode({ value, unserializableValue: text, subtype }) {
    if (text === undefined)
      return subtype === 'null' ? null : value;
    return text in NUMBERS ? NUMBERS[text] : BigInt(text.slice(0, -1));
  }
}

module.exports = { Evaluator };
