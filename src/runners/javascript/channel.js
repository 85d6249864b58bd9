// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * channel: frames of the runner protocol over the socket that was descriptor 3.
 *
 * The thread of native.c reads the bytes, which arrive here in the order of the socket. A mark in
 * them means that the host was restarted: requests before it that have not begun are dropped.
 */
'use strict';

const native = require('./native.js');

const TYPES = {
  RESEED: 1, EXECUTE: 2, SYNC: 3, READY: 16, RESULT: 17, ERROR: 18, DONE: 19, SYNCED: 20,
  COMPLETENESS: 22,
};

const HEADER_SIZE = 12;
const MARK = Buffer.alloc(16, 0xfe).fill(0xff, 0, 1);

function u32(number) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number >>> 0);
  return bytes;
}

/** An `s` or `b`. */
function field(data) {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  return Buffer.concat([u32(bytes.length), bytes]);
}

/** Reads the fields of a payload. The host is trusted: an invalid payload ends the runner. */
class Fields {
  #payload;
  #at = 0;

  constructor(payload) {
    this.#payload = payload;
  }

  number() {
    this.#at += 4;
    return this.#payload.readUInt32LE(this.#at - 4);
  }

  data() {
    const size = this.number();
    this.#at += size;
    return this.#payload.subarray(this.#at - size, this.#at);
  }

  text() {
    return this.data().toString();
  }

  texts() {
    return Array.from({ length: this.number() }, () => this.text());
  }
}

/** Splits the input into frames. */
class Input {
  #chunks = [];
  #size = 0; // of all chunks
  #wanted = HEADER_SIZE; // the size from which there may be a complete frame
  #tail = Buffer.alloc(0); // the last bytes, in which a mark may have begun

  /** Returns whether a mark is among the bytes; everything before it is then dropped. */
  add(chunk) {
    const seen = Buffer.concat([this.#tail, chunk]);
    const mark = seen.lastIndexOf(MARK);
    this.#tail = seen.subarray(Math.max(0, seen.length - MARK.length + 1));
    if (mark < 0)
      this.#chunks.push(chunk);
    else
      this.#keep(seen.subarray(mark + MARK.length));
    this.#size = this.#chunks.reduce((size, one) => size + one.length, 0);
    return mark >= 0;
  }

  /** Returns the next frame, {execution, type, fields}; undefined if it is not complete yet. */
  take() {
    if (this.#size < this.#wanted)
      return undefined;
    const bytes = this.#keep(Buffer.concat(this.#chunks));
    const end = HEADER_SIZE + bytes.readUInt32LE(0);
    if (bytes.length < end) {
      this.#wanted = end;
      return undefined;
    }
    const type = bytes[8];
    if (type !== TYPES.SYNC && this.#endsInMark(bytes.length - end))
      return undefined;
    this.#keep(bytes.subarray(end));
    const fields = new Fields(bytes.subarray(HEADER_SIZE, end));
    return { execution: bytes.readUInt32LE(4), type, fields };
  }

  #keep(bytes) {
    this.#chunks = [bytes];
    this.#size = bytes.length;
    this.#wanted = HEADER_SIZE;
    return bytes;
  }

  /** Whether a mark may have begun in a frame that `rest` bytes follow. */
  #endsInMark(rest) {
    const tail = this.#tail;
    let start = tail.length - 1;
    while (start > 0 && tail[start] === MARK[1])
      start--;
    return tail[start] === MARK[0] && tail.length - start > rest;
  }
}

/** Writes frames of the current execution. Between executions, frames are dropped. */
class Output {
  #fd;
  #held = [];
  execution = 0;

  constructor(fd) {
    this.#fd = fd;
  }

  /** A held frame is sent with the next one, which saves a wake-up of the agent. */
  send(type, payload, { hold = false } = {}) {
    if (this.execution === 0 && type !== TYPES.READY)
      return;
    const header = Buffer.alloc(HEADER_SIZE);
    header.writeUInt32LE(payload.length, 0);
    header.writeUInt32LE(this.execution, 4);
    header[8] = type;
    this.#held.push(header, payload);
    if (hold)
      return;
    const bytes = Buffer.concat(this.#held);
    this.#held = [];
    native.write(this.#fd, bytes);
  }
}

/**
 * Takes the socket. Calls `onFrame(frame)` for each frame, `onForget()` if the host was restarted,
 * `onInterrupt(execution)` if SIGINT has arrived during the execution, and `onWake()` after
 * native.wake().
 */
function open(fd, { onFrame, onForget, onInterrupt, onWake }) {
  const input = new Input();
  const ownFd = native.moveHigh(fd);
  require('node:fs').closeSync(fd);
  native.listen(ownFd, (interrupted, chunk) => {
    if (interrupted)
      return onInterrupt(interrupted);
    if (chunk.length === 0)
      return onWake();
    if (input.add(chunk))
      onForget();
    for (let frame = input.take(); frame; frame = input.take())
      onFrame(frame);
  });
  return new Output(ownFd);
}

module.exports = { TYPES, Input, open, field, u32 };
