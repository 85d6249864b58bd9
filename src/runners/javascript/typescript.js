// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * typescript: converts TypeScript to JavaScript with the compiler of the npm registry, or, if the
 * image does not have it, with Debian's, which is older. Types are removed and not checked.
 *
 * By default, the compiler drops every import that a cell does not use, although a later cell may
 * use it. So it is configured to keep imports, and those that are used only as types are dropped
 * here.
 */
'use strict';

const { addSourceMap } = require('./errors.js');

const PLACES = ['/usr/local/lib/node_modules/typescript', '/usr/share/nodejs/typescript'];
const MISSING = "TypeScript is not in this guest: npm's package typescript and Debian's node-typescript have it";

let compiler;

function find() {
  const places = [process.env.CLOCHE_TYPESCRIPT, ...PLACES].filter(Boolean);
  for (const place of places) {
    try {
      return require(place);
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND')
        throw error;
    }
  }
  throw new Error(MISSING);
}

function load() {
  compiler ??= find();
  return compiler;
}

/** Returns the names that are used in types, and the names that are used elsewhere. */
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

/** A transformer that drops imports whose names are types, and keeps all others. */
function keepImportsOfValues(ts) {
  return (context) => (source) => {
    const { inTypes, inValues } = collectNames(ts, source);
    const isKept = (name) => inValues.has(name.text) || !inTypes.has(name.text);
    const visit = (node) => {
      if (ts.isImportDeclaration(node))
        return keepValues(ts, context.factory, node, isKept);
      if (ts.isImportEqualsDeclaration(node) && ts.isExternalModuleReference(node.moduleReference))
        return requireModule(ts, context.factory, node, isKept);
      return ts.isExportAssignment(node) && node.isExportEquals
        ? exportAll(context.factory, node) : node;
    };
    return ts.visitEachChild(source, visit, context);
  };
}

/** `import name = require('module')`, which the compiler drops. */
function requireModule(ts, factory, { name, isTypeOnly, moduleReference }, isKept) {
  if (isTypeOnly || !isKept(name))
    return undefined;
  const call = factory.createCallExpression(factory.createIdentifier('require'), undefined,
    [moduleReference.expression]);
  return factory.createVariableStatement(undefined, factory.createVariableDeclarationList(
    [factory.createVariableDeclaration(name, undefined, undefined, call)], ts.NodeFlags.Const));
}

/** `export = value`, which the compiler drops, too. */
function exportAll(factory, { expression }) {
  const module = factory.createIdentifier('module');
  return factory.createExpressionStatement(factory.createAssignment(
    factory.createPropertyAccessExpression(module, 'exports'), expression));
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
    node.attributes ?? node.assertClause);
}

function keepBindings(ts, factory, bindings, isKept) {
  if (!bindings || ts.isNamespaceImport(bindings))
    return bindings && isKept(bindings.name) ? bindings : undefined;
  const elements = bindings.elements.filter((one) => !one.isTypeOnly && isKept(one.name));
  return elements.length > 0 ? factory.updateNamedImports(bindings, elements) : undefined;
}

/**
 * Whether the code uses decorators from before the standard: decorators of parameters, which the
 * standard does not have; functions of the code that take a key or a descriptor in place of a
 * context; or decorators of packages that use the old kind. Compilers before 5.0 support only the
 * old kind.
 */
function hasOldDecorators(ts, code, fileName) {
  if (ts.versionMajorMinor < '5')
    return true;
  if (!code.includes('@'))
    return false;
  const source = ts.createSourceFile(fileName, code, ts.ScriptTarget.ES2022, true);
  const used = new Set();
  let isOld = false;
  const visit = (node) => {
    if (ts.isDecorator(node)) {
      isOld ||= ts.isParameter(node.parent);
      const { expression } = node;
      used.add((ts.isCallExpression(expression) ? expression.expression : expression).getText());
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return isOld || /\breflect-metadata\b/.test(code) || declaresOld(ts, source, used);
}

/** Checks the parameters of a decorator, or of the function that a decorator factory returns. */
function declaresOld(ts, source, names) {
  let isOld = false;
  const check = (node) => {
    if (node.parameters?.length === 3 ||
        /^(key|prop|method|member|name)/i.test(node.parameters?.[1]?.name.getText() ?? ''))
      isOld = true;
    ts.forEachChild(node, check);
  };
  const visit = (node) => {
    if ((ts.isFunctionDeclaration(node) || ts.isVariableDeclaration(node)) &&
        names.has(node.name?.getText()))
      check(ts.isVariableDeclaration(node) && node.initializer ? node.initializer : node);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return isOld;
}

function syntaxError(ts, diagnostic) {
  const { line, character } = diagnostic.file.getLineAndCharacterOfPosition(diagnostic.start);
  const error = new SyntaxError(ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n'));
  return Object.defineProperty(error, 'place', { value: { line, column: character } });
}

/**
 * Returns the option that keeps imports for later cells; older compilers have another name for it.
 */
function keepImports(ts) {
  return ts.versionMajorMinor < '5' ? { preserveValueImports: true } : { verbatimModuleSyntax: true };
}

function transpileAs(ts, code, fileName) {
  return ts.transpileModule(code, {
    fileName,
    reportDiagnostics: true,
    transformers: { before: [keepImportsOfValues(ts)] },
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      isolatedModules: true,
      alwaysStrict: false,
      experimentalDecorators: hasOldDecorators(ts, code, fileName),
      jsx: ts.JsxEmit.React,
      sourceMap: true,
      ...keepImports(ts),
    },
  });
}

function findProblem({ diagnostics }) {
  return diagnostics.find((one) => one.file);
}

/**
 * Uses the syntax of JSX, in which `<T>value` is not a cast, only if the code is not valid without
 * it.
 */
function transpileEither(ts, code, name) {
  const plain = transpileAs(ts, code, `${name}.ts`);
  if (!findProblem(plain) || !/<[\w>]/.test(code))
    return plain;
  const withJsx = transpileAs(ts, code, `${name}.tsx`);
  return findProblem(withJsx) ? plain : withJsx;
}

/** Returns the JavaScript code. Throws a SyntaxError with a `place` (line and column from 0). */
function transpile(code, name) {
  const ts = load();
  const result = transpileEither(ts, code, name);
  const problem = findProblem(result);
  if (problem)
    throw syntaxError(ts, problem);
  addSourceMap(name, result.sourceMapText);
  return result.outputText.replace(/\n?\/\/# sourceMappingURL=.*\s*$/, '');
}

module.exports = { load, transpile };
