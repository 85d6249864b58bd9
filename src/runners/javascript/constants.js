// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * constants: protects names that were declared as constants. declarations.js makes them variables
 * for V8, so assignments to them are rewritten to throw V8's error.
 */
'use strict';

const { declaredNames, forEachChild, identifiersOf, isFunction } = require('./parser.js');

const GUARD = '__constant'; // the global object whose properties cannot be assigned to

const GUARDED = new Proxy({}, {
  get: (target, name) => (0, eval)(name), // of `name ||= value`
  set() {
    throw new TypeError('Assignment to constant variable.');
  },
});

/** Returns the Identifiers to which the node assigns. */
function assigned(node) {
  switch (node.type) {
    case 'AssignmentExpression':
      return identifiersOf(node.left);
    case 'UpdateExpression':
      return identifiersOf(node.argument);
    case 'ForInStatement':
    case 'ForOfStatement':
      return identifiersOf(node.left); // none where it declares
    default:
      return [];
  }
}

/** Adds names that this node itself declares; with `var`, only in functions. */
function addDeclared(node, names, isInFunction) {
  forEachChild(node, (child) => {
    if (child.type === 'VariableDeclaration' && (child.kind !== 'var' || isInFunction))
      declaredNames(child).forEach((name) => names.add(name));
    else if (/^(Function|Class)Declaration$/.test(child.type) && child.id)
      names.add(child.id.name);
  });
}

function addVariables(node, names) {
  forEachChild(node, (child) => {
    if (isFunction(child))
      return;
    if (child.type === 'VariableDeclaration' && child.kind === 'var')
      declaredNames(child).forEach((name) => names.add(name));
    addVariables(child, names);
  });
}

/** Returns the local names of a node: assignments to them do not concern globals. */
function scopeOf(node) {
  const names = new Set();
  const params = node.params ?? (node.type === 'CatchClause' ? [node.param] : []);
  params.flatMap(identifiersOf).forEach(({ name }) => names.add(name));
  if (isFunction(node)) {
    names.add('arguments');
    addVariables(node, names);
  }
  if (/Expression$/.test(node.type) && node.id)
    names.add(node.id.name);
  if (node.type !== 'Program')
    addDeclared(node, names, /* isInFunction= */ false);
  return names;
}

/** Calls back with each Identifier of `constants` that is assigned to, and its parent. */
function forEachAssignment(program, constants, callback) {
  const visit = (node, hidden) => {
    const own = scopeOf(node);
    const names = own.size > 0 ? new Set([...hidden, ...own]) : hidden;
    for (const identifier of assigned(node)) {
      if (constants.has(identifier.name) && !names.has(identifier.name))
        callback(identifier);
    }
    forEachChild(node, (child) => visit(child, names));
  };
  visit(program, new Set());
}

/** Returns the positions of names in patterns that are both key and target: `{a}`, `{a = 1}`. */
function findShorthands(program) {
  const starts = new Set();
  const visit = (node) => {
    if (node.type === 'Property' && node.shorthand)
      starts.add(node.start);
    forEachChild(node, visit);
  };
  visit(program);
  return starts;
}

function hasAssignment(program, constants) {
  let isFound = false;
  const visit = (node) => {
    isFound ||= assigned(node).some(({ name }) => constants.has(name));
    if (!isFound)
      forEachChild(node, visit);
  };
  visit(program);
  return isFound;
}

/** Edits that make assignments to constants throw. */
function guardConstants(program, constants) {
  const edits = [];
  if (constants.size === 0 || !hasAssignment(program, constants))
    return edits;
  const shorthands = findShorthands(program);
  forEachAssignment(program, constants, ({ name, start, end }) => {
    const target = `${GUARD}.${name}`;
    edits.push({ start, end, text: shorthands.has(start) ? `${name}: ${target}` : target });
  });
  return edits;
}

module.exports = { GUARD, GUARDED, guardConstants };
