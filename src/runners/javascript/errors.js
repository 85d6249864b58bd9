// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * errors: describes the error of an execution, and removes the runner's frames from stacks.
 *
 * A thrown value comes from the executed code and may be anything, such as a Proxy, or an object
 * with getters that throw.
 */
'use strict';

const { SourceMap } = require('node:module');
const { inspect, types } = require('node:util');

const OK = 0, FAILED = 1, INTERRUPTED = 2;
const TEXT_MAX = 1 << 20;
const MAPS_MAX = 1000;
const COLOUR = /\x1b\[[0-9;]*m/g;

class ExitError extends Error {
  constructor(code) {
    super(code === undefined ? '0' : String(code));
    this.name = 'ExitError';
    this.code = code;
  }
}

/** The error of interrupted code. */
class InterruptError extends Error {
  name = 'InterruptError';
}

// --- stacks ---

const maps = new Map(); // name of transpiled code → SourceMap

function addSourceMap(name, text) {
  maps.delete(name);
  maps.set(name, new SourceMap(JSON.parse(text)));
  if (maps.size > MAPS_MAX)
    maps.delete(maps.keys().next().value);
}

/** Converts a position in transpiled code to the line and column of the original code (from 1). */
function originalPlace(name, line, column) {
  const entry = maps.get(name)?.findEntry(line - 1, column - 1);
  if (entry?.originalLine === undefined)
    return { line, column };
  return { line: entry.originalLine + 1, column: entry.originalColumn + 1 };
}

function frameText(frame) {
  const file = frame.getScriptNameOrSourceURL();
  if (!maps.has(file))
    return String(frame);
  const { line, column } = originalPlace(file, frame.getLineNumber(), frame.getColumnNumber());
  return String(frame).replace(/:\d+:\d+(\)?)$/, `:${line}:${column}$1`);
}

/**
 * Returns the frames of the code. Node's inspector evaluates it, so frames below the inspector are
 * the runner's.
 */
function ownFrames(frames) {
  const end = frames.findIndex((frame) => frame.getFileName() === 'node:inspector');
  const above = end < 0 ? frames : frames.slice(0, end);
  return above.filter((frame) => !frame.getFileName()?.startsWith(__dirname));
}

/** Returns the symbol by which node marks its errors, whose stacks have the code after the name. */
function findNodeErrorMark() {
  try {
    return Buffer.alloc('');
  } catch (error) {
    for (let one = error; one; one = Object.getPrototypeOf(one)) {
      const symbols = Object.getOwnPropertySymbols(one);
      const mark = symbols.find(({ description }) => description === 'kIsNodeError');
      if (mark)
        return mark;
    }
    return undefined;
  }
}

const NODE_ERROR = findNodeErrorMark();

function headOf(error) {
  const text = Error.prototype.toString.call(error);
  return NODE_ERROR && error[NODE_ERROR] && text.startsWith(`${error.name}: `)
    ? `${error.name} [${error.code}]${text.slice(error.name.length)}` : text;
}

function prepareStackTrace(error, frames) {
  let head;
  try {
    head = headOf(error);
  } catch {
    head = '<error>';
  }
  return [head, ...ownFrames(frames).map(frameText)].join('\n    at ');
}

// --- texts ---

/** Returns a property if it is a string. Reading it may throw. */
function readText(object, name) {
  try {
    const value = object[name];
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

function inspectSafely(value, colors) {
  try {
    return inspect(value, { showProxy: true, colors });
  } catch {
    return `<${typeof value} that cannot be shown>`;
  }
}

/** Also true for an error of another realm; false for a Proxy. */
function isError(value) {
  return types.isNativeError(value) || (!types.isProxy(value) && value instanceof Error);
}

/** Node shows an error without a stack in brackets, which are removed here. */
function withoutBrackets(text) {
  return text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
}

/** Returns {status, name, value, traceback} of a thrown value. */
function describe(thrown, { colors = false } = {}) {
  const status = thrown instanceof InterruptError ? INTERRUPTED : FAILED;
  const shown = inspectSafely(thrown, colors);
  const text = withoutBrackets(colors ? shown : shown.replace(COLOUR, ''));
  if (!isError(thrown)) {
    const value = inspectSafely(thrown, false);
    return { status, name: 'Uncaught', value, traceback: `Uncaught ${colors ? shown : value}` };
  }
  const name = readText(thrown, 'name') || 'Error';
  const value = readText(thrown, 'message') ?? '';
  return { status, name, value, traceback: text };
}

/** Returns the line at which the code does not compile, with a mark below it. */
function syntaxPlace(name, code, line, column) {
  const place = originalPlace(name, line + 1, column + 1);
  const text = code.split('\n')[place.line - 1] ?? '';
  const indent = text.slice(0, place.column - 1).replace(/[^\t]/g, ' ');
  return `${name}:${place.line}\n${text}\n${indent}^`;
}

/**
 * Returns at most TEXT_MAX bytes without NUL: the beginning and the end, and between them the
 * number of omitted bytes.
 */
function shorten(text) {
  const bytes = Buffer.from(text.replaceAll('\0', '\\x00'));
  if (bytes.length <= TEXT_MAX)
    return bytes;
  const half = TEXT_MAX / 2 - 64;
  const head = cut(bytes, half);
  let start = bytes.length - half;
  while ((bytes[start] & 0xc0) === 0x80)
    start++;
  const tail = bytes.subarray(start);
  const missing = bytes.length - head.length - tail.length;
  return Buffer.concat([head, Buffer.from(`\n[... ${missing} bytes ...]\n`), tail]);
}

/** Returns at most so many bytes of UTF-8, without an incomplete character. */
function cut(bytes, size) {
  if (bytes.length <= size)
    return bytes;
  while ((bytes[size] & 0xc0) === 0x80)
    size--;
  return bytes.subarray(0, size);
}

module.exports = {
  OK, INTERRUPTED, ExitError, InterruptError,
  addSourceMap, cut, describe, inspectSafely, prepareStackTrace, shorten, syntaxPlace,
};
