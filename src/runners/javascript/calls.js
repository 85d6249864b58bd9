// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * calls: corrects node's stack of asynchronous calls after an interrupt has unwound some.
 *
 * Node keeps this stack for AsyncLocalStorage and hooks, and V8 unwinds without node's clean-up.
 * native.c restores the depth of the stack at once, because node aborts if it is wrong; the rest
 * can be done later.
 */
'use strict';

const native = require('./native.js');

/** Loads a binding without node's warning about it: there is no public alternative. */
function loadBinding(name) {
  const before = process.noDeprecation;
  process.noDeprecation = true;
  const binding = process.binding(name);
  process.noDeprecation = before;
  return binding;
}

const binding = loadBinding('async_wrap');
const ended = new Uint32Array(1); // the calls that interrupts have ended: native.c counts

/** native.c must know when JavaScript waits for a child, because only it can end such a wait. */
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
