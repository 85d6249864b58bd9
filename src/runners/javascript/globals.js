// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * globals: what executed code finds, besides the language: as in node's REPL require(), import, the
 * names of node's own modules, `_` and `_error`; and nothing that waits for an input.
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

/** As of the module that node was started with. */
function makeMeta(module, require) {
  const url = pathToFileURL(module.filename).href;
  const resolve = (name) => {
    const found = require.resolve(withoutScheme(name));
    return path.isAbsolute(found) ? pathToFileURL(found).href : found;
  };
  const { filename } = module;
  return { dirname: path.dirname(filename), filename, main: true, resolve, url };
}

/** Deno writes `npm:name@version/path`: whatever version is installed. */
function withoutScheme(specifier) {
  return `${specifier}`.replace(/^npm:\/?((?:@[^/@]+\/)?[^/@]+)(?:@[^/]*)?/, '$1');
}

/** A file: URL of it is also right when code writes `file://` before the path. */
const MAIN = 'cell.js';

/**
 * require() and import() as of a file in the current directory, which is the one that node runs. It
 * stays the same module: what code has made with createRequire() has it as `require.main`.
 */
class Importing {
  #directory;
  #module = new Module(MAIN);

  /** Anew for a script: what it exports is its own. */
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
