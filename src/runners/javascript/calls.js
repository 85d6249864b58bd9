// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * calls: which asynchronous call node is in, when an interrupt has unwound some.
 *
 * Node keeps a stack of them, for AsyncLocalStorage and hooks, and V8 unwinds without its clean-up.
 * native.c sets the stack's depth back at once, for node aborts over it; the rest can wait.
 */
'use strict';

const native = require('./native.js');

/** Node warns of its own bindings, which nothing public can stand in for. */
function loadBinding(name) {
  const before = process.noDeprecation;
  process.noDeprecation = true;
  const binding = process.binding(name);
  process.noDeprecation = before;
  return binding;
}

const binding = loadBinding('async_wrap');
const ended = new Uint32Array(1); // how many calls interrupts have ended: native.c counts

/** native.c must know when JavaScript waits for a child: then nothing else ends that. */
function watchSpawns() {
  const spawns = loadBinding('spawn_sync');
  const spawn = spawns.spawn;
  spawns.spawn = (options) => native.spawn(spawn, options);
}

function watch() {
  watchSpawns();
  const { kStackLength, kExecutionAsyncId } = binding.constants;
  native.watchCalls(binding.async_hook_fields.subarray(kStackLength),
    binding.async_id_fields.subarray(kExecutionAsyncId), ended);
}

function forget() {
  binding.clearAsyncIdStack();
}

module.exports = { ended, watch, forget, loadBinding };
