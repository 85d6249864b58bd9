// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * randomness: makes a restored runner's random numbers its own.
 *
 * V8 lets nobody seed Math.random() again, so it is a function of ours, over numbers that OpenSSL
 * makes many of at once. OpenSSL is seeded by native.c. What node keeps of OpenSSL's numbers for
 * later, for randomUUID() and randomInt(), can only be used up.
 */
'use strict';

const crypto = require('node:crypto');
const native = require('./native.js');

const UUIDS_KEPT = 128, INTEGERS_KEPT = 1024; // as node's lib/internal/crypto/random.js
const BATCH = 512;

const words = new BigUint64Array(BATCH);
let next = BATCH;
let source = crypto.randomFillSync;

/** As V8's: a number from 0 to below 1, of 53 random bits. */
function random() {
  if (next === BATCH) {
    source(words);
    next = 0;
  }
  return Number(words[next++] >> 11n) / 2 ** 53;
}

function useUp() {
  for (let i = 0; i < UUIDS_KEPT; i++)
    crypto.randomUUID();
  for (let i = 0; i < INTEGERS_KEPT; i++)
    crypto.randomInt(2);
}

function install() {
  Object.defineProperty(Math, 'random', { value: random, writable: true, configurable: true });
}

function reseed(entropy) {
  native.reseed(entropy);
  next = BATCH;
  useUp();
}

module.exports = { install, reseed };
