// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * parser: parses code with acorn. Acorn is a part of node, used by its REPL; only its source text
 * is accessible.
 */
'use strict';

const Module = require('node:module');
const { loadBinding } = require('./calls.js');

const SOURCE = 'internal/deps/acorn/acorn/dist/acorn';

const OPTIONS = {
  ecmaVersion: 'latest',
  sourceType: 'script',
  allowAwaitOutsideFunction: true,
  allowHashBang: true,
  locations: true,
};

let loaded;

function load() {
  const module = new Module('acorn');
  module._compile(loadBinding('natives')[SOURCE], 'acorn');
  return module.exports;
}

function acorn() {
  loaded ??= load();
  return loaded;
}

/** Returns the Program; undefined if acorn rejects the code, so that V8 reports the error. */
function parse(code) {
  try {
    return acorn().parse(code, OPTIONS);
  } catch {
    return undefined;
  }
}

/** Calls back with each child of the node. */
function forEachChild(node, callback) {
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child?.type === 'string')
        callback(child);
    }
  }
}

function isFunction({ type }) {
  return /Function/.test(type);
}

/** Returns the Identifiers that a pattern binds or assigns to. */
function identifiersOf(pattern) {
  switch (pattern?.type) {
    case 'Identifier':
      return [pattern];
    case 'ObjectPattern':
      return pattern.properties.flatMap((one) => identifiersOf(one.value ?? one.argument));
    case 'ArrayPattern':
      return pattern.elements.flatMap(identifiersOf);
    case 'AssignmentPattern':
      return identifiersOf(pattern.left);
    case 'RestElement':
      return identifiersOf(pattern.argument);
    default:
      return []; // a hole, or a property of something
  }
}

function declaredNames(declaration) {
  return declaration.declarations.flatMap(({ id }) => identifiersOf(id).map(({ name }) => name));
}

module.exports = { OPTIONS, acorn, declaredNames, forEachChild, identifiersOf, isFunction, parse };
