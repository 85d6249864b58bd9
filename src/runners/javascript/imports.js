// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * imports: rewrites import and export statements for V8's REPL mode.
 *
 * This uses no parser: V8's error has the position of a statement that is not valid in a script. A
 * dynamic import is found by a syntax error that is inserted into it, which V8 reports only in
 * code, not in strings or comments. Line numbers do not change.
 */
'use strict';

const vm = require('node:vm');

const IMPORTER = '__import'; // a global function that resolves from the current directory
const IMPORT_META = '__import_meta'; // what a module has by `import.meta`

const NAME = '[\\p{ID_Start}$_][\\p{ID_Continue}$\\u200c\\u200d]*';
const STRING = '"(?:[^"\\\\\\n]|\\\\.)*"|\'(?:[^\'\\\\\\n]|\\\\.)*\'';
const BINDINGS = `(?:(?<main>${NAME})\\s*,?\\s*)?` +
  `(?:\\*\\s*as\\s+(?<space>${NAME})\\s*|\\{(?<names>[^}]*)\\}\\s*)?(?:from\\s*)?`;
const ATTRIBUTES = '(?:\\s*(?<how>with|assert)\\s*(?<attributes>\\{[^}]*\\}))?';
const IMPORT = new RegExp(
  `import\\s*${BINDINGS}(?<specifier>${STRING})${ATTRIBUTES}\\s*?;?`, 'uy');
const EXPORT_FROM = new RegExp(
  `export\\s*(?:\\*(?:\\s*as\\s+${NAME})?|\\{[^}]*\\})(?:\\s*from\\s*(?:${STRING}))?\\s*?;?`, 'uy');
const EXPORT = /export\s+(?!default\b)/y;
const EXPORT_DECLARATION =
  /export\s+default\s+(?=(?:async\s+)?function\s*\*?\s*[\p{ID_Start}$_]|class\s+(?!extends\b)[\p{ID_Start}$_])/uy;
const EXPORT_DEFAULT = /export\s+default\b/y;
const META = /import\s*\.\s*meta\b/y;

/** Returns V8's error about the code, and its offset; undefined if the code compiles. */
function compileError(code) {
  try {
    new vm.Script(`(async()=>{\n${code}\n})`, { filename: 'cell', lineOffset: -1 });
    return undefined;
  } catch (error) {
    const [, line, caret] = /^cell:(\d+)\n.*\n(\s*)\^/.exec(error.stack) ?? [];
    if (line === undefined)
      return { message: error.message, offset: -1 };
    const before = code.split('\n').slice(0, line - 1);
    const offset = before.reduce((sum, text) => sum + text.length + 1, 0) + caret.length;
    return { message: error.message, offset };
  }
}

function matchAt(pattern, code, offset) {
  pattern.lastIndex = offset;
  return pattern.exec(code);
}

/** `{a, b as c}` of an import, as a pattern. */
function toPattern(names) {
  const bare = names.replace(/\/\/.*|\/\*[^]*?\*\//g, '');
  return `{${bare.replace(/\s+as\s+/g, ': ')}}`;
}

function importStatement({ main, space, names, specifier, how, attributes }) {
  const module = `await ${IMPORTER}(${specifier}${how ? `, {${how}: ${attributes}}` : ''})`;
  const patterns = [];
  if (main)
    patterns.push(`{default: ${main}}`);
  if (names !== undefined)
    patterns.push(toPattern(names));
  if (space)
    patterns.unshift(space);
  if (patterns.length === 0)
    return `void ${module};`;
  if (patterns.length === 1)
    return `const ${patterns[0]} = ${module};`;
  return space ? `const ${space} = ${module}, ${patterns[1]} = ${space};`
    : `const {default: ${main}, ${patterns[1].slice(1)} = ${module};`;
}

function replace(code, found, text) {
  const lines = '\n'.repeat(found[0].split('\n').length - 1);
  const flat = text.replace(/\n/g, ' ');
  return code.slice(0, found.index) + flat + lines + code.slice(found.index + found[0].length);
}

function replaceStatement(code, { message, offset }) {
  if (offset < 0)
    return code;
  if (message.includes('import statement outside a module')) {
    const found = matchAt(IMPORT, code, offset);
    return found ? replace(code, found, importStatement(found.groups)) : code;
  }
  if (message.includes("'export'")) {
    const found = matchAt(EXPORT_FROM, code, offset) ?? matchAt(EXPORT_DECLARATION, code, offset) ??
      matchAt(EXPORT, code, offset);
    if (found)
      return replace(code, found, '');
    const value = matchAt(EXPORT_DEFAULT, code, offset);
    return value ? replace(code, value, 'exports.default =') : code;
  }
  if (message.includes('import.meta')) {
    const found = matchAt(META, code, code.lastIndexOf('import', offset));
    return found ? replace(code, found, IMPORT_META) : code;
  }
  return code;
}

function replaceStatements(code) {
  for (;;) {
    const error = compileError(code);
    const replaced = error ? replaceStatement(code, error) : code;
    if (replaced === code)
      return { code, error };
    code = replaced;
  }
}

/** Replaces from the last call to the first, so that offsets remain valid. */
function replaceCalls(code) {
  for (const { index } of [...code.matchAll(/\bimport\s*\(/g)].reverse()) {
    const head = code.slice(0, index), tail = code.slice(index + 'import'.length);
    if (compileError(`${head}import @${tail}`))
      code = head + IMPORTER + tail;
  }
  return code;
}

/** Returns the code with calls and plain declarations in place of imports and exports. */
function rewrite(code) {
  if (!/\b(import|export)\b/.test(code))
    return code;
  const { code: statements, error } = replaceStatements(code);
  return error ? statements : replaceCalls(statements);
}

module.exports = { IMPORTER, IMPORT_META, compileError, rewrite };
