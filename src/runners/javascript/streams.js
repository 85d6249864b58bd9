// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * streams: process.stdout, process.stderr and the console of the executed code.
 *
 * All writes are synchronous, so that output and results keep their order and a slow reader stops
 * the writing code. Executed code may close and redirect descriptors 1 and 2: copies are kept at
 * high numbers, and the two are restored after each execution.
 */
'use strict';

const { Writable } = require('node:stream');
const { ReadStream } = require('node:fs');
const { Console } = require('node:console');
const { getSystemErrorName } = require('node:util');
const native = require('./native.js');

/** Has no state between writes, because an interrupt may end any write in the middle. */
class SyncStream extends Writable {
  constructor(fd) {
    super({ emitClose: false });
    this.fd = fd;
    this._type = 'pipe';
  }

  write(chunk, encoding, callback) {
    const done = typeof encoding === 'function' ? encoding : callback;
    const failed = native.write(this.fd, this.#toBytes(chunk, encoding));
    if (done)
      process.nextTick(done, failed ? this.#error(failed) : null);
    return true;
  }

  _write(chunk, encoding, callback) {
    this.write(chunk, encoding, callback);
  }

  /** As with node's streams, end() does not close the stream. */
  end(chunk, ...rest) {
    if (chunk != null && typeof chunk !== 'function')
      this.write(chunk, ...rest);
    return this;
  }

  _destroy(error, callback) {
    callback(error);
  }

  #toBytes(chunk, encoding) {
    if (typeof chunk === 'string')
      return Buffer.from(chunk, typeof encoding === 'string' ? encoding : 'utf8');
    if (ArrayBuffer.isView(chunk))
      return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    throw new TypeError(`what is written must be a string or bytes, and not ${typeof chunk}`);
  }

  #error(number) {
    const code = getSystemErrorName(number);
    return Object.assign(new Error(`write ${code}`), { errno: number, code, syscall: 'write' });
  }
}

/**
 * The console object remains the same. Its methods write to the streams, and not to an inspector.
 */
function renewConsole(stdout, stderr) {
  const fresh = new Console({ stdout, stderr });
  for (const name of Object.keys(fresh)) {
    if (typeof console[name] === 'function')
      console[name] = fresh[name];
  }
}

class Streams {
  #kept = [1, 2].map((fd) => [native.moveHigh(fd), fd]);
  #stdin; // created when it is first used, as node does

  constructor() {
    this.#renew();
    Object.defineProperty(process, 'stdin', {
      get: () => (this.#stdin ??= new ReadStream(null, { fd: 0, autoClose: false })),
      set: (value) => {
        this.#stdin = value;
      },
      configurable: true,
      enumerable: true,
    });
  }

  #renew() {
    this.stdout = this.#define('stdout', 1);
    this.stderr = this.#define('stderr', 2);
    renewConsole(this.stdout, this.stderr);
  }

  #define(name, fd) {
    const value = new SyncStream(fd);
    const attributes = { writable: true, configurable: true, enumerable: true };
    Object.defineProperty(process, name, { value, ...attributes });
    return value;
  }

  /**
   * Called after an execution, so that each one finds the end of the input. Methods of a stream
   * that code has replaced are kept, because this may be intended.
   */
  restore() {
    for (const [kept, fd] of this.#kept)
      native.putBack(kept, fd);
    this.#stdin = undefined;
    const areThere = process.stdout === this.stdout && process.stderr === this.stderr;
    if (!areThere || this.stdout.destroyed || this.stderr.destroyed)
      this.#renew();
  }
}

module.exports = { Streams };
