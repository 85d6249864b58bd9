// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * completeness: whether a prompt should execute code or read another line.
 *
 * JavaScript is parsed as node's REPL does it (isRecoverableError() in its internal/repl/utils):
 * code is incomplete if the parser fails after it has read the end of the code.
 */
'use strict';

const { OPTIONS, acorn } = require('./parser.js');
const { load } = require('./typescript.js');

const COMPLETE = 0, INCOMPLETE = 1, INVALID = 2;

const OPEN_TOKENS = ['Unterminated template', 'Unterminated comment'];
const ESCAPED_LINE_END = /\\(?:\r\n?|\n|\u2028|\u2029)$/;

// --- JavaScript ---

/** A parser of acorn's that calls back when more code could make it succeed. */
function parserWith(onRecoverable) {
  const { Parser, tokTypes } = acorn();
  return class extends Parser {
    nextToken() {
      super.nextToken();
      if (this.type === tokTypes.eof)
        onRecoverable();
    }

    raise(position, message) {
      if (OPEN_TOKENS.includes(message))
        onRecoverable();
      else if (message === 'Unterminated string constant' &&
          ESCAPED_LINE_END.test(this.input.slice(this.lastTokStart, this.pos)))
        onRecoverable();
      super.raise(position, message);
    }
  };
}

function parse(code) {
  let isRecoverable = false;
  const parser = parserWith(() => {
    isRecoverable = true;
  });
  try {
    parser.parse(code, { ...OPTIONS, allowImportExportEverywhere: true });
    return COMPLETE;
  } catch {
    return isRecoverable ? INCOMPLETE : INVALID;
  }
}

/** Code in braces that is not a block may be an object, or the beginning of one. */
function checkJavaScript(code) {
  const status = parse(code);
  if (status !== INVALID || !/^\s*\{/.test(code))
    return status;
  return parse(`(${code}\n)`) === COMPLETE ? COMPLETE : parse(`(${code}`);
}

// --- TypeScript ---

const UNTERMINATED_STRING = 1002;

/** Whether an error is at the end of the code, or only comments follow it. */
function isAtEnd(ts, code, { start }) {
  const scanner = ts.createScanner(ts.ScriptTarget.ES2022, /* skipTrivia */ true);
  scanner.setText(code, start);
  return scanner.scan() === ts.SyntaxKind.EndOfFileToken;
}

function checkAs(ts, code, fileName) {
  const source = ts.createSourceFile(fileName, code, ts.ScriptTarget.ES2022);
  const [first] = source.parseDiagnostics;
  if (!first)
    return COMPLETE;
  const isOpen = first.code === UNTERMINATED_STRING
    ? ESCAPED_LINE_END.test(code) : isAtEnd(ts, code, first);
  return isOpen ? INCOMPLETE : INVALID;
}

/** Code that is not complete as TypeScript may be so with the syntax of JSX. */
function checkTypeScript(code) {
  const ts = load();
  const plain = checkAs(ts, code, 'cell.ts');
  if (plain === COMPLETE || !/<[\w>]/.test(code))
    return plain;
  const withJsx = checkAs(ts, code, 'cell.tsx');
  return withJsx === INVALID ? plain : withJsx;
}

/** A number of the protocol's frame *completeness*. */
function check(dialect, code) {
  return dialect === 'typescript' ? checkTypeScript(code) : checkJavaScript(code);
}

module.exports = { check };
