// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * randomness: gives a restored runner its own random numbers.
 *
 * V8's Math.random() cannot be seeded again, so it is replaced (xoshiro128**). native.c seeds
 * OpenSSL. Bytes that node has stored for randomUUID() and randomInt() can only be consumed.
 */
'use strict';

const crypto = require('node:crypto');
const native = require('./native.js');

const UUIDS_KEPT = 128, INTEGERS_KEPT = 1024; // by node's lib/internal/crypto/random.js

const state = new Uint32Array(4);

function rotate(word, bits) {
  return (word << bits) | (word >>> (32 - bits));
}

function nextWord() {
  const [a, b, c, d] = state;
  const word = Math.imul(rotate(Math.imul(b, 5), 7), 9);
  const e = c ^ a, f = d ^ b;
  state[0] = a ^ f;
  state[1] = b ^ e;
  state[2] = e ^ (b << 9);
  state[3] = rotate(f, 11);
  return word >>> 0;
}

/** As in V8, a number from 0 to below 1, with 53 random bits. */
function random() {
  return ((nextWord() >>> 5) * 2 ** 26 + (nextWord() >>> 6)) / 2 ** 53;
}

function seed(entropy) {
  const digest = crypto.createHash('sha256').update('Math.random').update(entropy).digest();
  state.set(new Uint32Array(digest.buffer.slice(digest.byteOffset, digest.byteOffset + 16)));
}

function install() {
  seed(crypto.randomBytes(32));
  Object.defineProperty(Math, 'random', { value: random, writable: true, configurable: true });
}

function reseed(entropy) {
  seed(entropy);
  native.reseed(entropy);
  for (let i = 0; i < UUIDS_KEPT; i++)
    crypto.randomUUID();
  for (let i = 0; i < INTEGERS_KEPT; i++)
    crypto.randomInt(2);
}

module.exports = { install, reseed };
