// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * results: converts MIME bundles to results and errors of the protocol, within the host's limits.
 *
 * As in Deno's notebooks, the method Symbol.for('Jupyter.display') of an object returns its bundle:
 * {MIME type: data}, with pictures as base64 or bytes. Other values are shown as text, as in node's
 * REPL. Data that is too large is saved to files of the guest.
 */
'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { inspect } = require('node:util');
const { TYPES, field, u32 } = require('./channel.js');
const { cut, shorten } = require('./errors.js');

const DATA_MAX = 4 << 20; // of one MIME type
const HEAD_MAX = 256 << 10; // of a text that is larger
const BYTES_MAX = 12 << 20; // per execution
const PLAIN_MAX = 4 << 10; // of text/plain beyond that
const RESULTS_MAX = 1000; // per execution
const TYPES_MAX = 64; // per result
const ID_MAX = 128;

const MAIN = 1, UPDATE = 2, CUT = 4;

const DISPLAY = Symbol.for('Jupyter.display');
const MIME_TYPE = /^[!-.0-~]+\/[!-~]+$/;
const BASE64_TYPE = /^(image\/(?!svg)|audio\/|video\/|application\/(pdf|octet-stream|zip)$)/;
const BASE64 = /^[A-Za-z0-9+/\s]+={0,2}\s*$/;

const EXTENSIONS = {
  'text/plain': 'txt', 'text/html': 'html', 'text/markdown': 'md', 'text/latex': 'tex',
  'text/csv': 'csv', 'image/svg+xml': 'svg', 'image/png': 'png', 'image/jpeg': 'jpg',
  'image/gif': 'gif', 'image/webp': 'webp', 'application/pdf': 'pdf',
  'application/javascript': 'js', 'text/javascript': 'js',
};

function toBytes(mime, value) {
  if (ArrayBuffer.isView(value))
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer)
    return Buffer.from(value);
  if (typeof value !== 'string')
    return Buffer.from(JSON.stringify(value) ?? String(value));
  if (BASE64_TYPE.test(mime) && BASE64.test(value))
    return Buffer.from(value, 'base64');
  return Buffer.from(value);
}

/** Returns [[MIME type, bytes]] of a bundle, without invalid MIME types. */
function encode(bundle) {
  return Object.entries(bundle)
    .filter(([mime, value]) => value != null && mime.length <= 255 && MIME_TYPE.test(mime))
    .slice(0, TYPES_MAX)
    .map(([mime, value]) => [mime, toBytes(mime, value)]);
}

function extension(mime) {
  if (/[/+]json$/.test(mime))
    return 'json';
  return EXTENSIONS[mime] ?? (mime.startsWith('text/') ? 'txt' : 'bin');
}

/** Returns the bundle of a value, or a promise of it. */
function present(value) {
  const method = value != null && (typeof value === 'object' || typeof value === 'function')
    ? value[DISPLAY] : undefined;
  if (typeof method === 'function')
    return method.call(value);
  return { 'text/plain': inspect(value, { showProxy: true }) };
}

function isPromise(value) {
  return typeof value?.then === 'function';
}

/** Files for data of results, in a directory that is created when it is first needed. */
class Files {
  #directory;
  #execution = 0;
  #count = 0;

  begin() {
    this.#execution++;
    this.#count = 0;
  }

  /**
   * Returns the path of a new file with these bytes; undefined if it cannot be created, with the
   * reason on stderr.
   */
  save(mime, bytes) {
    try {
      this.#directory = this.#directory && fs.existsSync(this.#directory) ? this.#directory
        : fs.mkdtempSync(path.join(path.resolve(os.tmpdir()), 'cloche-results-'));
      const name = `${this.#execution}-${++this.#count}.${extension(mime)}`;
      return this.#write(path.join(this.#directory, name), bytes);
    } catch (error) {
      const what = `${mime} of ${bytes.length} bytes`;
      process.stderr.write(`[${what} cannot be saved: ${error.message}]\n`);
      return undefined;
    }
  }

  #write(file, bytes) {
    try {
      fs.writeFileSync(file, bytes, { mode: 0o600, flag: 'wx' });
      return file;
    } catch (error) {
      fs.rmSync(file, { force: true });
      throw error;
    }
  }
}

class Results {
  #output;
  #files = new Files();
  #isSilent = true;
  #count = 0;
  #bytes = 0;
  #isFull = false;

  constructor(output) {
    this.#output = output;
  }

  begin(isSilent) {
    this.#isSilent = isSilent;
    this.#count = this.#bytes = 0;
    this.#isFull = false;
    this.#files.begin();
  }

  /** Displays leave room for the value of the last expression. */
  #admit(isMain) {
    if (this.#count < (isMain ? RESULTS_MAX : RESULTS_MAX - 1)) {
      this.#count++;
      return true;
    }
    if (!this.#isFull)
      process.stderr.write('[this execution shows too much: results are left out]\n');
    this.#isFull = true;
    return false;
  }

  show(bundle, { isMain = false, isUpdate = false, id = '', hold = false } = {}) {
    if (this.#isSilent || this.#output.execution === 0)
      return;
    const all = encode(bundle);
    if (all.length === 0 || !this.#admit(isMain))
      return;
    const { parts, saved, isCut } = this.#bound(all);
    if (parts.length + saved.length === 0)
      return;
    const flags = (isMain ? MAIN : 0) | (isUpdate ? UPDATE : 0) | (isCut ? CUT : 0);
    const payload = Buffer.concat([
      u32(flags), field(id), u32(parts.length), ...parts.flatMap((part) => part.map(field)),
      u32(saved.length), ...saved.flatMap((one) => one.map(field)),
    ]);
    this.#bytes += payload.length;
    this.#output.send(TYPES.RESULT, payload, { hold });
  }

  /** Returns the data to send, and the saved files. */
  #bound(all) {
    const size = all.reduce((sum, [, bytes]) => sum + Math.min(bytes.length, DATA_MAX), 0);
    const isBeyond = this.#bytes + size > BYTES_MAX;
    const parts = [], saved = [];
    let isCut = false;
    for (const [mime, bytes] of all) {
      const [max, head] = isBeyond ? [mime === 'text/plain' ? PLAIN_MAX : -1, PLAIN_MAX]
        : [DATA_MAX, HEAD_MAX];
      if (bytes.length <= max) {
        parts.push([mime, bytes]);
        continue;
      }
      isCut = true;
      const file = this.#files.save(mime, bytes);
      if (file !== undefined)
        saved.push([mime, file]);
      if (isBeyond ? mime === 'text/plain' : mime.startsWith('text/'))
        parts.push([mime, cut(bytes, head)]);
    }
    return { parts, saved, isCut };
  }

  fail({ name, value, traceback }) {
    this.#output.send(TYPES.ERROR,
      Buffer.concat([name, value, traceback].map((text) => field(shorten(text)))), { hold: true });
  }
}

/**
 * Returns the global function display(value, {raw, display_id, update}), as in Deno. With `raw`,
 * the value is the bundle; with `update`, the display of that id is replaced. display() returns a
 * promise if the value's method returns one.
 */
function makeDisplay(results) {
  return function display(value, options = {}) {
    const { raw = false, display_id: id = '', update = false } = options;
    if (typeof id !== 'string' || Buffer.byteLength(id) > ID_MAX || /\0/.test(id))
      throw new TypeError(`display_id must be a string of at most ${ID_MAX} bytes without NUL`);
    if (update && id === '')
      throw new TypeError('an update needs the display_id of what it replaces');
    const bundle = raw ? value : present(value);
    const show = (whole) => results.show(whole, { isUpdate: Boolean(update), id });
    return isPromise(bundle) ? bundle.then(show) : show(bundle);
  };
}

module.exports = { Results, isPromise, makeDisplay, present };
