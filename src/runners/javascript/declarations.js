// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * declarations: any name may be declared again, in any way, as in a console.
 *
 * V8's REPL mode has two kinds of global names: those of `var` and functions, which are properties
 * of the global object, and those of `let` and classes. A name cannot change its kind, so a later
 * declaration is rewritten to one of the first kind, or to an assignment. A constant would be a
 * third kind: it is declared as a variable, and constants.js keeps it constant. Positions in the
 * code do not change.
 */
'use strict';

const { guardConstants } = require('./constants.js');
const { declaredNames, forEachChild, isFunction, parse } = require('./parser.js');

const UNCHANGEABLE = new Set(['undefined', 'NaN', 'Infinity']);

/** Whether `var` or a function has declared the name: only these create such a property. */
function isProperty(name) {
  const property = Object.getOwnPropertyDescriptor(globalThis, name);
  return Boolean(property) && !property.configurable && !UNCHANGEABLE.has(name);
}

/** Whether the initializer of the name has thrown. */
function isUninitialized(name) {
  try {
    (0, eval)(`typeof ${name}`);
    return false;
  } catch {
    return true;
  }
}

/** The declarations of variables outside of functions, each with its parent. */
function findVariables(program) {
  const found = [];
  const visit = (node, parent) => {
    if (isFunction(node) || node.type === 'StaticBlock')
      return;
    if (node.type === 'VariableDeclaration' && (node.kind === 'var' || parent === program))
      found.push({ node, parent });
    forEachChild(node, (child) => visit(child, node));
  };
  visit(program);
  return found;
}

function spaces(text) {
  return text.replace(/[^\n\r\u2028\u2029]/g, ' ');
}

/** Applies the edits from the last to the first, so that offsets remain valid. */
function applyEdits(code, edits) {
  const sorted = [...edits].sort((a, b) => a.start - b.start); // stable at one position
  for (const { start, end, text } of sorted.reverse())
    code = code.slice(0, start) + text + code.slice(end);
  return code;
}

class Cell {
  #code;
  #lexical;
  #edits = [];
  #before = [];

  constructor(code, lexical) {
    this.#code = code;
    this.#lexical = lexical;
  }

  #replace({ start, end }, text) {
    this.#edits.push({ start, end, text });
  }

  result(program, constants) {
    const edits = [...this.#edits, ...guardConstants(program, constants)];
    return { code: applyEdits(this.#code, edits), before: this.#before };
  }

  addVariable({ node, parent }) {
    const names = declaredNames(node);
    const isVar = node.kind === 'var' || names.some(isProperty);
    const keyword = { start: node.start, end: node.start + node.kind.length };
    if (isVar && names.some((name) => this.#lexical.has(name)))
      this.#assign(node, parent, names);
    else if (isVar && node.kind !== 'var')
      this.#replace(keyword, 'var'.padEnd(node.kind.length));
    else if (node.kind === 'const')
      this.#replace(keyword, 'let  ');
  }

  /** Replaces a declaration by an assignment. Its other names are declared before the code. */
  #assign(node, parent, names) {
    const keyword = { start: node.start, end: node.start + node.kind.length };
    for (const name of names) {
      if (!this.#lexical.has(name))
        this.#before.push(`var ${name};`);
      else if (isUninitialized(name))
        this.#before.push(`let ${name};`);
    }
    if (/^For(In|Of)Statement$/.test(parent.type) && parent.left === node)
      return this.#replace(keyword, spaces(node.kind));
    const isStatement = parent.type !== 'ForStatement' || parent.init !== node;
    this.#replace(keyword, isStatement ? 'void (' : '(');
    for (const { id, init } of node.declarations) {
      if (!init)
        this.#replace({ start: id.end, end: id.end }, ' = undefined');
    }
    const end = node.declarations.at(-1).end;
    this.#replace({ start: end, end }, isStatement ? ');' : ')');
  }

  addClass({ id, start, end }) {
    if (!isProperty(id.name))
      return;
    this.#replace({ start, end: start }, `var ${id.name} = `);
    this.#replace({ start: end, end }, ';');
  }

  /** Functions are defined before all other code, so this one is assigned before the code. */
  addFunction({ id, start, end, loc }) {
    if (!this.#lexical.has(id.name))
      return;
    if (isUninitialized(id.name))
      this.#before.push(`let ${id.name};`);
    const { line, column } = loc.start;
    const target = `${id.name} =`;
    const lines = '\n'.repeat(Math.max(line - 2, 0));
    const place = line > 1 ? `${lines}${target}\n${' '.repeat(column)}`
      : target.padStart(column - 1) + ' ';
    const text = this.#code.slice(start, id.start) + spaces(id.name) + this.#code.slice(id.end, end);
    this.#before.push(`${place}${text};`);
    this.#replace({ start, end }, spaces(this.#code.slice(start, end)));
  }
}

class Declarations {
  #constants = new Set();

  /**
   * Returns the code in a form that V8 accepts after the earlier declarations, and code to evaluate
   * before it. `lexicalNames()`: V8's names of `let` and classes.
   */
  rewrite(code, lexicalNames) {
    const program = this.#mayMatter(code) ? parse(code) : undefined;
    if (!program)
      return { code, before: [] };
    const variables = findVariables(program);
    const classes = program.body.filter(({ type }) => type === 'ClassDeclaration');
    const functions = program.body.filter(({ type }) => type === 'FunctionDeclaration');
    const isDeclaring = variables.length + classes.length + functions.length > 0;
    const cell = new Cell(code, new Set(isDeclaring ? lexicalNames() : []));
    variables.forEach((one) => cell.addVariable(one));
    classes.forEach((one) => cell.addClass(one));
    functions.forEach((one) => cell.addFunction(one));
    this.#update(variables, [...classes, ...functions]);
    return cell.result(program, this.#constants);
  }

  /** A cheap test whether the code may need a rewrite, so that it must be parsed. */
  #mayMatter(code) {
    return /\b(?:var|let|const|class|function)\b/.test(code) ||
      (this.#constants.size > 0 && /=|\+\+|--|\b(?:in|of)\b/.test(code));
  }

  #update(variables, others) {
    for (const { node } of variables) {
      for (const name of declaredNames(node))
        this.#constants[node.kind === 'const' ? 'add' : 'delete'](name);
    }
    for (const { id } of others)
      this.#constants.delete(id.name);
  }
}

module.exports = { Declarations };
