// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * handles: an interrupt of an execution also ends the connections and servers that it has opened,
 * so that nothing waits for them. (native.c sends the signal to its processes.)
 *
 * The time of opening shows which handles belong to an execution. A connection that a server of an
 * earlier execution has accepted belongs to that server. Earlier handles can be released: they then
 * do not keep node's loop alive, so the loop ends when those of the execution have ended.
 */
'use strict';

const dgram = require('node:dgram');
const net = require('node:net');

class Handles {
  #before;
  #released = new Set();
  #release = (handle) => {
    const inner = handle._handle ?? handle; // its own unref() waits for the connection
    inner.unref?.();
    this.#released.add(inner);
  };

  begin() {
    this.#before = new Set(process._getActiveHandles());
  }

  /** Releases earlier handles until the execution ends. */
  release() {
    for (const handle of this.#before) {
      this.#release(handle);
      if (handle instanceof net.Server)
        handle.prependListener('connection', this.#release);
    }
  }

  end() {
    for (const inner of this.#released)
      inner.ref?.();
    this.#released.clear();
    for (const handle of this.#before) {
      if (handle instanceof net.Server)
        handle.off('connection', this.#release);
    }
    this.#before = undefined;
  }

  cancel(error) {
    for (const handle of process._getActiveHandles()) {
      if (!this.#before.has(handle) && !this.#before.has(handle.server))
        stop(handle, error);
    }
  }
}

/** Other handles belong to other files (the port of a worker), or do not wait. */
function stop(handle, error) {
  if (handle instanceof net.Socket)
    handle.on('error', () => {}).destroy(error); // an unhandled error would stop callbacks
  else if (handle instanceof net.Server || handle instanceof dgram.Socket)
    handle.close();
}

module.exports = { Handles };
