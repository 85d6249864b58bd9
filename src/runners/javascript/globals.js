// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * globals: what executed code finds, besides the language: as in node's REPL require(), import, the
 * names of node's own modules, `_` and `_error`; and nothing that waits for an input.
 */
'use strict';

const path = require('node:path');
const Module = require('node:module');
const { IMPORTER } = require('./imports.js');

function define(name, value) {
  const attributes = { writable: true, configurable: true, enumerable: false };
  Object.defineProperty(globalThis, name, { value, ...attributes });
}

/** The REPL has node's own `crypto` in the place of the web's, which is a part of it. */
function defineModules() {
  for (const name of Module.builtinModules) {
    if (/^_|\//.test(name) || (name in globalThis && name !== 'crypto'))
      continue;
    Object.defineProperty(globalThis, name, {
      configurable: true,
      enumerable: false,
      get: () => require(`node:${name}`),
      set: (value) => define(name, value),
    });
  }
}

const LOADER = 'module.exports = { require, load: (name, options) => import(name, options) }';

/** Deno writes `npm:name@version/path`: whatever version is installed. */
function withoutScheme(specifier) {
  return `${specifier}`.replace(/^npm:\/?((?:@[^/@]+\/)?[^/@]+)(?:@[^/]*)?/, '$1');
}

/** require() and import() as of a file in the current directory. */
class Importing {
  #directory;

  update() {
    const directory = currentDirectory();
    if (directory === this.#directory)
      return;
    this.#directory = directory;
    const module = new Module(path.join(directory, '[cell]'));
    module.filename = module.id;
    module.paths = Module._nodeModulePaths(directory);
    module._compile(LOADER, module.id);
    const { require, load } = module.exports;
    module.exports = {};
    define('require', require);
    define('module', module);
    define('exports', module.exports);
    define(IMPORTER, (specifier, options) => load(withoutScheme(specifier), options));
  }
}

/** After an interrupt: a module that it cut off would be taken for a whole one. */
function forgetCutModules() {
  for (const [name, { loaded }] of Object.entries(Module._cache)) {
    if (!loaded)
      delete Module._cache[name];
  }
}

function currentDirectory() {
  try {
    return process.cwd();
  } catch {
    return '/'; // it was removed
  }
}

/** The last value and error: a name that code assigns to is its own from then on. */
class Last {
  #values = { _: undefined, _error: undefined };

  constructor() {
    for (const name of Object.keys(this.#values))
      Object.defineProperty(globalThis, name, {
        configurable: true,
        enumerable: false,
        get: () => this.#values[name],
        set: (value) => define(name, value),
      });
  }

  set(values) {
    Object.assign(this.#values, values);
  }
}

const NO_INPUT = 'input is not available: this code runs without a terminal';

/** An answer that never comes is an error. */
function refuseQuestions() {
  const readline = require('node:readline');
  const promises = require('node:readline/promises');
  const refuse = (prototype, fail) => {
    const question = prototype.question;
    prototype.question = function (...all) {
      return this.input === process.stdin ? fail(new Error(NO_INPUT)) : question.apply(this, all);
    };
  };
  refuse(readline.Interface.prototype, (error) => {
    throw error;
  });
  refuse(promises.Interface.prototype, (error) => Promise.reject(error));
}

function install() {
  process.argv.length = 1;
  defineModules();
  refuseQuestions();
  Module.syncBuiltinESMExports(); // of modules that the runner has changed
}

module.exports = { Importing, Last, define, forgetCutModules, install };
