// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * parser: code as acorn's syntax tree. Acorn is a part of node, which its own console uses; only the
 * text of it can be had.
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

/** The Program; undefined when acorn does not take the code: then V8 shall say what it thinks. */
function parse(code) {
  try {
    return acorn().parse(code, OPTIONS);
  } catch {
    return undefined;
  }
}

/** Calls back with each node below. */
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

/** The names that a pattern binds or assigns to, as Identifiers. */
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
