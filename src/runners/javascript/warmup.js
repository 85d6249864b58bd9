// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * warmup: does before a snapshot what is slow the first time: loading modules that node loads late,
 * and the compiler of TypeScript. Each is optional: a guest may have no TypeScript.
 */
'use strict';

const MODULES = [
  'assert', 'child_process', 'events', 'fs/promises', 'http', 'https', 'stream/promises', 'url',
  'worker_threads', 'zlib',
];

const CELLS = [
  ['', '1'],
  ['', '{ const warm = { a: [1, "b"] }; warm; }'],
  ['', '(() => { throw new Error("warm") })()'],
  ['', 'warm +'],
  ['', 'await new Promise((resolve) => setTimeout(resolve, 0, 2))'],
  ['', 'import "node:path"; console.log(""); await import("node:path")'],
  ['typescript', '{ interface Warm { a: number } const warm: Warm = { a: 1 }; warm.a; }'],
];

/** `execute(dialect, code)` executes a cell and leaves no trace. */
async function warmUp(execute) {
  for (const name of MODULES)
    require(`node:${name}`);
  for (const [dialect, code] of CELLS)
    await execute(dialect, code);
  const listeners = process.rawListeners('warning');
  process.removeAllListeners('warning'); // the warning that fetch() is experimental
  await fetch('data:,').catch(() => {});
  await new Promise(setImmediate);
  for (const listener of listeners)
    process.on('warning', listener);
}

module.exports = { warmUp };
