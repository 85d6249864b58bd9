// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * handles: connections and servers that an execution started end with its interrupt, so that
 * nothing waits for them any more. (What it started as processes gets the signal from native.c.)
 *
 * Which are an execution's own is told by when they were opened. A connection that an earlier
 * execution's server has accepted meanwhile is that server's. Earlier ones can be released: then
 * they do not keep node's loop alive, so that it shows when the execution's own have ended.
 */
'use strict';

const dgram = require('node:dgram');
const net = require('node:net');

class Handles {
  #before;
  #released = new Set();
  #release = (handle) => {
    const inner = handle._handle ?? handle; // a socket that is being opened would do it later
    inner.unref?.();
    this.#released.add(inner);
  };

  begin() {
    this.#before = new Set(process._getActiveHandles());
  }

  /** Until the end. */
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

/** What is none of these is no business of this file (a worker's port), or waits for nothing. */
function stop(handle, error) {
  if (handle instanceof net.Socket)
    handle.on('error', () => {}).destroy(error); // unheard, it would cut off what node calls next
  else if (handle instanceof net.Server || handle instanceof dgram.Socket)
    handle.close();
}

module.exports = { Handles };
