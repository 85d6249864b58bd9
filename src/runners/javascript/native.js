// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * native: loads the functions of native.c, which the build puts beside the runner's entry.
 */
'use strict';

const path = require('node:path');

const library = { exports: {} };
const file = path.join(__dirname, 'native.so');

try {
  process.dlopen(library, file);
} catch (error) {
  process.stderr.write(`the JavaScript runner lacks a part: ${error.message}\n` +
    'It is made by the build; run the runner from where that puts it.\n');
  process.reallyExit(1);
}

module.exports = library.exports;
