// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * handles: connections, servers and child processes that an execution started end with its
 * interrupt, so that nothing waits for them any more.
 *
 * Which are an execution's own is told by when they were opened. A connection that an earlier
 * execution's server has accepted meanwhile is that server's.
 */
'use strict';

const { ChildProcess } = require('node:child_process');
const dgram = require('node:dgram');
const net = require('node:net');

class Handles {
  #before;

  begin() {
    this.#before = new Set(process._getActiveHandles());
  }

  end() {
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
    handle.destroy(error);
  else if (handle instanceof net.Server || handle instanceof dgram.Socket)
    handle.close();
  else if (handle instanceof ChildProcess)
    handle.kill('SIGINT');
}

module.exports = { Handles };
