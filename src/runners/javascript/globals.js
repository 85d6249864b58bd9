// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * globals: defines the globals of executed code. As in node's REPL, these are require(), import,
 * the names of node's modules, `_` and `_error`. Functions that wait for input are replaced.
 */
'use strict';

const path = require('node:path');
const Module = require('node:module');
const { pathToFileURL } = require('node:url');
const { IMPORTER, IMPORT_META } = require('./imports.js');

function define(name, value) {
  const attributes = { writable: true, configurable: true, enumerable: false };
  Object.defineProperty(globalThis, name, { value, ...attributes });
}

/** As in the REPL, `crypto` is node's module, which contains the web's `crypto`. */
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

/** Returns import.meta as of the main module. */
function makeMeta(module, require) {
  const url = pathToFileURL(module.filename).href;
  const resolve = (name) => {
    const found = require.resolve(withoutScheme(name));
    return path.isAbsolute(found) ? pathToFileURL(found).href : found;
  };
  const { filename } = module;
  return { dirname: path.dirname(filename), filename, main: true, resolve, url };
}

/** Deno writes `npm:name@version/path`. The installed version is used. */
function withoutScheme(specifier) {
  return `${specifier}`.replace(/^npm:\/?((?:@[^/@]+\/)?[^/@]+)(?:@[^/]*)?/, '$1');
}

/** The name needs no escapes in a URL, for code that writes `file://` before the path. */
const MAIN = 'cell.js';

/**
 * require() and import() as in a main file in the current directory. The module object remains the
 * same, because functions from createRequire() have it as `require.main`.
 */
class Importing {
  #directory;
  #module = new Module(MAIN);

  /** Each script gets a new `exports`. */
  update(isScript = false) {
    const directory = currentDirectory();
    if (directory !== this.#directory)
      this.#enter(directory);
    else if (isScript)
      this.#define();
  }

  #enter(directory) {
    const module = this.#module;
    this.#directory = directory;
    module.id = module.filename = process.argv[1] = path.join(directory, MAIN);
    module.path = directory;
    module.paths = Module._nodeModulePaths(directory);
    process.mainModule = module;
    this.#define();
  }

  #define() {
    const module = this.#module;
    module._compile(LOADER, module.filename);
    const { require, load } = module.exports;
    module.exports = {};
    define('require', require);
    define('module', module);
    define('exports', module.exports);
    define('__filename', module.filename);
    define('__dirname', module.path);
    define(IMPORT_META, makeMeta(module, require));
    define(IMPORTER, (specifier, options) => load(withoutScheme(specifier), options));
  }
}

/** Called after an interrupt: removes modules that were not loaded completely from the cache. */
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

/** The last value and error. If code assigns to one of these names, it is no longer updated. */
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

/** Functions that ask the user raise an error, because no user can answer. */
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
