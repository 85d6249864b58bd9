// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * server: handles requests, one after the other, and protects this loop from the executed code.
 *
 * Node's event loop always runs: timers and servers of earlier code continue during other
 * executions and between them. An execution ends, as in a notebook, when its top level has ended
 * and a promise that is its value is settled. With drain it ends, as a script, when node would end.
 */
'use strict';

const { AsyncResource } = require('node:async_hooks');
const { randomBytes } = require('node:crypto');
const { setImmediate: nextTurn } = require('node:timers/promises');
const { types } = require('node:util');
const { TYPES, field, open, u32 } = require('./channel.js');
const native = require('./native.js');
const calls = require('./calls.js');
const completeness = require('./completeness.js');
const errors = require('./errors.js');
const { GUARD, GUARDED } = require('./constants.js');
const { Declarations } = require('./declarations.js');
const { Evaluator } = require('./evaluate.js');
const { Exits } = require('./exits.js');
const { Handles } = require('./handles.js');
const { rewrite } = require('./imports.js');
const { Results, isPromise, makeDisplay, present } = require('./results.js');
const { Streams } = require('./streams.js');
const ticks = require('./ticks.js');
const { Timers } = require('./timers.js');
const { transpile } = require('./typescript.js');
const { warmUp } = require('./warmup.js');
const globals = require('./globals.js');
const randomness = require('./randomness.js');

const SILENT = 1, NO_HISTORY = 2, EXERCISE = 4, COLOURS = 8, DRAIN = 16;

// A dialect that begins with this asks for a check. A runner that does not know checks refuses an
// unknown dialect and continues.
const CHECK_MARK = '?';

const UNSETTLED = 13; // node's exit status if only a top-level await is left

/** [[name, value]] of NAME=value. */
function split(assignments) {
  return assignments.map((assignment) => {
    const at = assignment.indexOf('=');
    return [assignment.slice(0, at), assignment.slice(at + 1)];
  });
}

const environment = process.env; // the original, in case code replaces process.env

/** Sets variables, and removes those that are undefined. Returns the values that restore them. */
function setEnvironment(variables) {
  const before = variables.map(([name]) => [name, environment[name]]);
  for (const [name, value] of variables) {
    if (value === undefined)
      delete environment[name];
    else
      environment[name] = value;
  }
  return before;
}

function refuseUnknown(dialect) {
  if (dialect !== '' && dialect !== 'typescript')
    throw new Error(`JavaScript has no dialect '${dialect}'`);
}

/** Removes a byte order mark, and turns "#!" into a JavaScript comment. */
function stripMarks(code) {
  return code.replace(/^\ufeff/, '').replace(/^#!/, '//');
}

class Server {
  #streams = new Streams();
  #evaluator = new Evaluator();
  #declarations = new Declarations();
  #importing = new globals.Importing();
  #last = new globals.Last();
  #timers = new Timers();
  #handles = new Handles();
  #exits = new Exits();
  #place = new AsyncResource('Cell'); // keeps stores of AsyncLocalStorage for cells
  #requests = [];
  #current; // the execution in progress
  #count = 0;
  #started = 0; // all executions, also those outside of the history
  #output;
  #results;

  constructor() {
    Error.prepareStackTrace = errors.prepareStackTrace;
    calls.watch();
    ticks.install();
    randomness.install();
    globals.install();
    process.exit = (...code) => this.#exit(...code);
    this.#watchProcess();
  }

  open() {
    this.#output = open(3, {
      onFrame: (frame) => {
        this.#requests.push(frame);
        this.#next();
      },
      onForget: () => {
        this.#requests = [];
      },
      onInterrupt: (number) => this.#stop(number),
      onWake: () => this.#onAwake(),
    });
    this.#results = new Results(this.#output);
    globals.define('display', makeDisplay(this.#results));
    globals.define(GUARD, GUARDED);
    this.#importing.update();
  }

  /** Executes code that leaves nothing behind and whose output is dropped. */
  async warmUp() {
    const { stdout, stderr } = this.#streams;
    stdout.write = stderr.write = () => true;
    await warmUp((dialect, code) => new Promise((resolve) => {
      this.#begin({ flags: SILENT | EXERCISE, dialect, code, environment: [], onDone: resolve });
    }));
    delete stdout.write;
    delete stderr.write;
    randomness.reseed(randomBytes(32)); // because the second time is faster
  }

  ready() {
    const texts = [field('javascript'), field(process.versions.node)];
    this.#output.send(TYPES.READY, Buffer.concat(texts));
  }

  #next() {
    while (!this.#current && this.#requests.length > 0) {
      const { execution, type, fields } = this.#requests.shift();
      this.#output.execution = execution;
      if (type === TYPES.EXECUTE)
        this.#execute(fields);
      else if (type === TYPES.RESEED)
        this.#reseed(fields.data(), split(fields.texts()), fields.text());
      else if (type === TYPES.SYNC)
        this.#answer(TYPES.SYNCED, field(fields.data()));
      else
        throw new Error(`unknown request ${type}`);
    }
  }

  #answer(type, payload) {
    this.#output.send(type, payload);
    this.#output.execution = 0;
  }

  // --- executions ---

  #execute(fields) {
    const flags = fields.number(), dialect = fields.text(), code = fields.text();
    if (dialect.startsWith(CHECK_MARK))
      this.#check(dialect.slice(CHECK_MARK.length), code);
    else
      this.#begin({ flags, dialect, code, environment: split(fields.texts()) });
  }

  /** Executes nothing, but parsing can take long, so it can be interrupted. */
  #check(dialect, code) {
    let status, thrown;
    const isEnded = native.run(++this.#started, () => {
      try {
        refuseUnknown(dialect);
        status = completeness.check(dialect, stripMarks(code));
      } catch (error) {
        thrown = error;
      }
    });
    if (isEnded)
      thrown = new errors.InterruptError('the check was interrupted');
    native.rest(() => {
      const failure = thrown && errors.describe(thrown);
      if (failure)
        this.#results.fail(failure);
      else
        this.#output.send(TYPES.COMPLETENESS, Buffer.concat([u32(status), field('')]));
      this.#answer(TYPES.DONE, Buffer.concat([u32(failure?.status ?? errors.OK), u32(this.#count)]));
    });
  }

  #begin(execution) {
    const { flags, environment } = execution;
    execution.drains = Boolean(flags & DRAIN);
    const keep = !(flags & (SILENT | NO_HISTORY | EXERCISE));
    this.#current = execution;
    execution.number = ++this.#started;
    execution.name = keep ? `cell-${++this.#count}` : 'cell';
    execution.before = setEnvironment(environment);
    this.#results.begin(Boolean(flags & SILENT));
    this.#handles.begin();
    this.#exits.begin();
    execution.place = this.#place.runInAsyncScope(() => new AsyncResource('Cell'));
    this.#timers.begin();
    if (execution.drains)
      this.#release();
    this.#importing.update(execution.drains);
    Error.prepareStackTrace ??= errors.prepareStackTrace;
    try {
      this.#run(execution, this.#prepare(execution));
    } catch (error) {
      this.#finish(execution, { thrown: error, place: error.place });
    }
  }

  /** Returns the code in a form that V8 accepts: {code, before}. */
  #prepare({ code, name, dialect }) {
    refuseUnknown(dialect);
    const text = stripMarks(code);
    const script = rewrite(dialect === 'typescript' ? transpile(text, name) : text);
    return this.#declarations.rewrite(script, () => this.#evaluator.lexicalNames());
  }

  #run(execution, code) {
    const settled = new Promise((resolve) => {
      execution.start = () => this.#evaluator.start(code, execution.name, resolve);
    });
    settled.then((outcome) => this.#settle(execution, outcome));
    const run = () => native.run(execution.number, execution.start);
    if (execution.place.runInAsyncScope(run))
      this.#stop(execution.number);
  }

  /** Shows the value. This may run code of the value, which may throw, wait, or never end. */
  async #settle(execution, outcome) {
    if (execution !== this.#current)
      return;
    try {
      if (types.isPromise(outcome.value))
        outcome = await this.#settled(execution, outcome);
      if (!('thrown' in outcome) && outcome.value !== undefined)
        await this.#show(execution, outcome.value);
    } catch (error) {
      outcome = { thrown: error };
    }
    if (!execution.drains)
      await nextTurn(); // node reports unhandled rejections before that
    if (execution !== this.#current)
      return;
    if (!execution.drains)
      this.#finish(execution, outcome);
    else if (!('thrown' in outcome))
      execution.outcome = outcome; // the execution ends with node's loop
    else
      this.#tell(execution, outcome);
  }

  /** Reports an error of the code, which ends a script unless it has listeners. */
  #tell(execution, outcome) {
    const failed = this.#tellListeners(outcome, outcome.origin);
    if (failed)
      this.#fail(execution, failed);
    else
      execution.outcome = { value: undefined };
  }

  /** Returns the value of a promise; the promise itself if nothing is left that could settle it. */
  #settled(execution, outcome) {
    return new Promise((resolve) => {
      execution.giveUp = () => resolve(outcome);
      const settle = (result) => {
        execution.giveUp = undefined;
        resolve(result);
      };
      Promise.prototype.then.call(outcome.value,
        (value) => settle({ value }),
        (error) => settle({ thrown: error, origin: 'unhandledRejection' }));
      this.#release();
    });
  }

  #show(execution, value) {
    const bundle = present(value);
    const show = (whole) => {
      if (execution === this.#current)
        this.#results.show(whole, { isMain: true, hold: !execution.drains }); // the end is near
    };
    return isPromise(bundle) ? bundle.then(show) : show(bundle);
  }

  /** The description of a thrown value may run its code, which can be interrupted, too. */
  #finish(execution, outcome) {
    const error = 'thrown' in outcome ? this.#describe(execution, outcome) : undefined;
    native.rest(() => this.#end(execution, outcome, error));
  }

  #end(execution, outcome, error) {
    const { flags, before, place, onDone } = execution;
    native.keepAlive(true);
    this.#timers.end();
    this.#handles.end();
    if (execution.drains || execution.hasExited)
      this.#exits.forget();
    this.#current = undefined;
    setEnvironment(before);
    if (error)
      this.#results.fail(error);
    if (error?.status !== errors.INTERRUPTED)
      this.#place = place;
    if (!(flags & (SILENT | EXERCISE)))
      this.#last.set(error ? { _error: outcome.thrown } : { _: outcome.value });
    this.#streams.restore();
    this.#answer(TYPES.DONE, Buffer.concat([u32(error?.status ?? errors.OK), u32(this.#count)]));
    onDone?.();
    this.#next();
  }

  #describe({ flags, code, name }, { thrown, place }) {
    const error = errors.describe(thrown, { colors: Boolean(flags & COLOURS) });
    if (place) {
      const head = errors.syntaxPlace(name, code, place.line, place.column);
      error.traceback = `${head}\n\n${error.traceback}`;
    }
    return error;
  }

  // --- the end of node's loop ---

  /** From now on, only handles and timers of the execution keep the loop alive. */
  #release() {
    this.#handles.release();
    this.#timers.release();
    native.keepAlive(false);
  }

  /**
   * Node emits `beforeExit` when nothing keeps its loop alive, and ends if a listener starts
   * nothing. It emits `uncaughtException`, and ends if there are no listeners. Node's callback for
   * such errors remains free for `domain`, which node's module `repl` needs.
   */
  #watchProcess() {
    const { emit, _fatalException: onFatal } = process;
    const onLoopEnd = () => this.#onLoopEnd();
    let onUncaught; // set while node itself emits
    process._fatalException = (...all) => {
      onUncaught = (...error) => {
        onUncaught = undefined;
        this.#onUncaught(...error);
        return true;
      };
      try {
        return onFatal(...all);
      } finally {
        onUncaught = undefined;
      }
    };
    const value = function (event, ...rest) {
      if (event === 'uncaughtException' && onUncaught)
        return onUncaught(...rest);
      return event === 'beforeExit' ? onLoopEnd() : emit.call(this, event, ...rest);
    };
    const attributes = { writable: true, configurable: true, enumerable: false };
    Object.defineProperty(process, 'emit', { value, ...attributes });
  }

  #onLoopEnd() {
    native.keepAlive(true);
    native.wake();
    const execution = this.#current;
    if (execution?.drains && execution.outcome && this.#exits.has('beforeExit')) {
      const isEnded = native.guard(() => {
        native.watchLoop();
        execution.place.runInAsyncScope(() => this.#exits.emit('beforeExit'));
      });
      if (isEnded)
        this.#stop(execution.number);
    }
    return true;
  }

  /** Ends the execution, unless listeners of `beforeExit` have started something. */
  #onAwake() {
    const execution = this.#current;
    const isAlive = native.isAlive();
    if (!execution)
      return;
    native.keepAlive(false);
    if (isAlive)
      return;
    if (execution.giveUp) {
      execution.giveUp();
      execution.giveUp = undefined;
    } else if (execution.outcome && this.#emitExit(execution) && !execution.hasExited) {
      this.#stop(execution.number);
    } else if (execution.outcome) {
      this.#abandon(execution, this.#exits.outcome());
    } else {
      this.#fail(execution, { thrown: new errors.ExitError(UNSETTLED) });
    }
  }

  // --- other ends ---

  /**
   * Returns whether a listener was ended, because it has called process.exit() or was interrupted.
   */
  #emitExit({ place }) {
    return native.guard(() => {
      try {
        place.runInAsyncScope(() => this.#exits.emit('exit'));
      } catch (error) {
        this.#complain(error);
      }
    });
  }

  /** process.exit() does not return. */
  #exit(code = process.exitCode) {
    const execution = this.#current;
    if (!execution)
      throw new errors.ExitError(code);
    process.exitCode = code;
    execution.hasExited = true;
    this.#emitExit(execution);
    native.stop();
    for (;;);
  }

  /** Handles an error that would end node. */
  #fail(execution, outcome) {
    process.exitCode = 1;
    this.#emitExit(execution);
    this.#abandon(execution, outcome);
  }

  /** Called when the execution was interrupted or has exited. */
  #stop(number) {
    const execution = this.#current;
    if (execution?.number !== number)
      return;
    if (execution.hasExited) {
      this.#abandon(execution, this.#exits.outcome());
    } else {
      native.interruptChildren();
      this.#abandon(execution,
        { thrown: new errors.InterruptError('the execution was interrupted') });
    }
  }

  /** Ends everything that the execution has started, and the execution itself. */
  #abandon(execution, outcome) {
    calls.forget();
    this.#timers.cancel();
    this.#handles.cancel(new errors.InterruptError('the execution is over'));
    globals.forgetCutModules();
    this.#finish(execution, outcome);
  }

  /** Handles errors in timers, callbacks, and promises that are not awaited. */
  #onUncaught(error, origin) {
    const execution = this.#current;
    if ([error, error?.cause].some((one) => one instanceof errors.InterruptError))
      return;
    const failed = this.#tellListeners({ thrown: error }, origin);
    if (!failed)
      return;
    if (execution?.drains && !this.#timers.isEarlierTurn)
      this.#fail(execution, failed);
    else
      this.#complain(failed.thrown);
  }

  /**
   * Returns nothing if there are listeners, which handle the error, or the error that a listener
   * has thrown.
   */
  #tellListeners(outcome, origin = 'uncaughtException') {
    try {
      return process.emit('uncaughtException', outcome.thrown, origin) ? undefined : outcome;
    } catch (thrown) {
      return { thrown };
    }
  }

  #complain(error) {
    process.stderr.write(`Uncaught ${errors.inspectSafely(error, false)}\n`);
  }

  #reseed(entropy, variables, directory) {
    let status = errors.OK;
    randomness.reseed(entropy);
    setEnvironment(variables);
    try {
      if (directory)
        process.chdir(directory);
    } catch (error) {
      const failure = errors.describe(error);
      this.#results.fail(failure);
      status = failure.status;
    }
    this.#answer(TYPES.DONE, Buffer.concat([u32(status), u32(this.#count)]));
  }
}

async function main(isWarm) {
  try {
    const server = new Server();
    server.open();
    if (isWarm)
      await server.warmUp();
    server.ready();
  } catch (error) {
    process.stderr.write(`${error.stack}\n`);
    process.reallyExit(1);
  }
}

module.exports = { main };
