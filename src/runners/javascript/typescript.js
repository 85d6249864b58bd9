// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * typescript: TypeScript into JavaScript, by the compiler that Debian packages. Types are erased
 * and not checked.
 *
 * The compiler alone would drop every import that a cell does not use, although a later one may. So
 * it is told to keep them, and those that are used as types only are dropped here.
 */
'use strict';

const { addSourceMap } = require('./errors.js');

const PLACE = '/usr/share/nodejs/typescript';

let compiler;

function load() {
  try {
    compiler ??= require(PLACE);
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND')
      throw error;
    throw new Error("TypeScript is not in this guest: Debian's package node-typescript has it");
  }
  return compiler;
}

/** Names that stand in types, and names that stand elsewhere. */
function collectNames(ts, source) {
  const inTypes = new Set(), inValues = new Set();
  const visit = (node, isType) => {
    if (ts.isImportDeclaration(node))
      return;
    if (ts.isIdentifier(node))
      (isType ? inTypes : inValues).add(node.text);
    const isInType = isType || (ts.isTypeNode(node) && !isBaseClass(ts, node)) ||
      ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node);
    ts.forEachChild(node, (child) => visit(child, isInType));
  };
  visit(source, false);
  return { inTypes, inValues };
}

/** `extends Base` looks like a type, and is a value. */
function isBaseClass(ts, node) {
  return ts.isExpressionWithTypeArguments(node) &&
    node.parent.token === ts.SyntaxKind.ExtendsKeyword && ts.isClassLike(node.parent.parent);
}

/** A transformer that drops imports whose names are types; undefined stays for the rest. */
function dropTypeImports(ts) {
  return (context) => (source) => {
    const { inTypes, inValues } = collectNames(ts, source);
    const isKept = (name) => inValues.has(name.text) || !inTypes.has(name.text);
    const visit = (node) =>
      ts.isImportDeclaration(node) ? keepValues(ts, context.factory, node, isKept) : node;
    return ts.visitEachChild(source, visit, context);
  };
}

function keepValues(ts, factory, node, isKept) {
  const clause = node.importClause;
  if (!clause || clause.isTypeOnly)
    return clause ? undefined : node;
  const name = clause.name && isKept(clause.name) ? clause.name : undefined;
  const bindings = keepBindings(ts, factory, clause.namedBindings, isKept);
  if (!name && !bindings)
    return undefined;
  return factory.updateImportDeclaration(node, node.modifiers,
    factory.updateImportClause(clause, false, name, bindings), node.moduleSpecifier,
    node.assertClause);
}

function keepBindings(ts, factory, bindings, isKept) {
  if (!bindings || ts.isNamespaceImport(bindings))
    return bindings && isKept(bindings.name) ? bindings : undefined;
  const elements = bindings.elements.filter((one) => !one.isTypeOnly && isKept(one.name));
  return elements.length > 0 ? factory.updateNamedImports(bindings, elements) : undefined;
}

function syntaxError(ts, diagnostic) {
  const { line, character } = diagnostic.file.getLineAndCharacterOfPosition(diagnostic.start);
  const error = new SyntaxError(ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n'));
  return Object.defineProperty(error, 'place', { value: { line, column: character } });
}

/** The JavaScript of it. Throws a SyntaxError with a `place` (line and column from 0). */
function transpile(code, name) {
  const ts = load();
  const { outputText, sourceMapText, diagnostics } = ts.transpileModule(code, {
    fileName: `${name}.ts`,
    reportDiagnostics: true,
    transformers: { before: [dropTypeImports(ts)] },
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      preserveValueImports: true,
      isolatedModules: true,
      alwaysStrict: false,
      experimentalDecorators: true,
      sourceMap: true,
    },
  });
  const problem = diagnostics.find((one) => one.file);
  if (problem)
    throw syntaxError(ts, problem);
  addSourceMap(name, sourceMapText);
  return outputText.replace(/\n?\/\/# sourceMappingURL=.*\s*$/, '');
}

module.exports = { transpile };
