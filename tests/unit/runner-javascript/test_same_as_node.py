# SPDX-License-Identifier: LGPL-2.1-or-later
"""The JavaScript runner executes scripts (with drain) like node, and expressions like the console of node.

usage: test_same_as_node.py RUN, where RUN is the runner's entry
"""

import json
import os
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

from case import Case
from scripts import ALIKE, MODULES

from cloche_tests.runner_client import DRAIN
from cloche_tests.tap import main

NODE = "/usr/bin/node"

CONSOLE = """
const cells = JSON.parse(process.argv[1]), answers = []
const input = new (require('stream').PassThrough)()
const server = require('repl').start({ input, output: new (require('stream').PassThrough)(), terminal: false, useGlobal: true })
let thrown
server._domain.removeAllListeners('error').on('error', (error) => thrown(error))
const evaluate = (code) => new Promise((resolve) => {
  thrown = (error) => resolve(`Uncaught ${error?.name ?? server.writer(error)}`)
  server.eval(code + '\\n', server.context, 'cell', (error, value) =>
    error ? thrown(error) : resolve(value === undefined ? null : server.writer(value)))
})
;(async () => { for (const cell of cells) answers.push(await evaluate(cell)); console.log(JSON.stringify(answers)); process.exit() })()
"""

EXPRESSIONS = (
    "1 + 1", "'a\"b'", "'it\\'s'", "`multi\nline`", "-0", "0.1 + 0.2", "1e21", "10n ** 20n", "NaN", "null", "undefined", "void 0", "true",
    "Symbol('s')", "Symbol.iterator", "[]", "{}", "{ a: 1 }", "{ a: 1, b: { c: { d: { e: 1 } } } }", "({})", "[1, 2, 3]", "[,]", "[1, , 2]",
    "Array(200).fill(7)", "Array.from({ length: 30 }, (_, i) => 'item' + i)", "'x'.repeat(20000)", "new Map([['a', 1]])", "new Set([1, [2]])",
    "new WeakMap()", "new Date(0)", "/a(b)?/gi", "() => 1", "function f() {}", "(function named() {})", "class A {}", "(class extends Array {})",
    "async () => {}", "function* g() {}", "Math", "JSON", "globalThis === global", "new Error('e').message", "new (class P { x = 1; #y = 2 })()",
    "Object.create(null)", "Object.assign(Object.create({ inherited: 1 }), { own: 2 })", "[new Date(0), /x/, null, undefined]",
    "{ get a() { return 1 }, set a(v) {} }", "new Proxy({ a: 1 }, {})", "new Uint8Array(5)", "new ArrayBuffer(4)", "Buffer.from('hi')",
    "Promise", "new Boolean(false)", "new String('s')", "Object(1n)", "[undefined, null]", "[[[[[1]]]]]",
    "var o = { self: null }; o.self = o; o", "if (true) { 5 }", "for (var i = 0; i < 3; i++) i", "var x1 = 5", "let y1 = 5", "const z1 = 5",
    "x1; y1", "5; 6;", "{ 5 }", "{}; 7", "{ a: 1 };", "'use strict'", "switch (1) { case 1: 'one' }", "try { 1 } finally { 2 }", "throw 1",
    "throw new TypeError('x')", "nothingHere", "1 +* 2", "delete o.self", "o", "typeof nothing", "a1 = 5", "a1++", "a1", "[a1, a2] = [1, 2]",
    "({ a3 } = { a3: 3 })", "(1, 2)", "// comment", "/* c */ 5 // x", ";", "await 5", "await Promise.resolve({ a: 1 })", "new URL('http://a/b')",
    "new URLSearchParams('a=1')", "process.version", "require('path').sep", "path.sep", "os.EOL", "require('util').inspect.defaultOptions.depth",
    "new Array(3)", "[1.0, 2.5]", "'\\u{1F600}'", "'\\n\\t'", "String.raw`\\n`", "Object.getOwnPropertyDescriptor({ a: 1 }, 'a')",
    "{ [Symbol('k')]: 1, 'a-b': 2, 3: 4 }", "[function () {}, class {}, () => {}]", "(() => { }).name", "new Intl.NumberFormat('en').format(1234.5)",
    "Reflect", "isNaN", "console.log", "[...""'abc']", "Object.entries({ a: 1 })", "new Error('x') instanceof Error", "arguments_ = 1",
    "label: for (;;) break label", "new Map([[{ a: 1 }, new Set([1])]])", "Array.from(new Map([[1, 2]]).entries())", "new Map([[1, 2]]).entries()",
    "[1, 2, 3].values()", "(function () { return arguments })(1, 2)", "(function* () {})()", "new (class Foo extends Map {})([[1, 2]])",
    "Object.freeze({ a: 1 })", "globalThis.undefined", "new WeakRef({ a: 1 }).constructor.name", "async function af() {}", "var va, vb = 2", "let la",
    "class B1 {}; new B1()", "if (false) 1", "while (false);", "do { 3 } while (false)",
)

# Scripts that need names to be undeclared, or console counters to be 0, so they cannot run twice.
DECLARED = {"hoisting", "dead zone", "console"}

# Deliberate differences from node's console, with their reasons.
DELIBERATE = {
    "Promise.resolve(5)": ("5", "a promise that is the value of code is awaited"),
    "Promise.reject(new RangeError('r'))": ("Uncaught RangeError", "a rejected promise is the error"),
    "(async () => 5)()": ("5", "a promise that is the value of code is awaited"),
    "[Promise.resolve(1)]": ("[ Promise { 1 } ]", "node's console has async hooks, and shows their ids"),
}


def console(cells):
    done = subprocess.run([NODE, "-e", CONSOLE, json.dumps(cells)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


class Theirs:
    """Runs the scripts with node, two at a time, while the runner executes them. Each runs once, in a new directory,
    which is replaced by `home` in its output."""

    def __init__(self, folder, home):
        self.folder, self.home = folder, home
        self.pool = ThreadPoolExecutor(max_workers=2)
        scripts = [(code, ".js") for code in ALIKE.values()] + [(code, ".mjs") for code in MODULES.values()]
        self.runs = {script: self.pool.submit(self.run, *script) for script in scripts}

    def run(self, code, extension):
        with tempfile.TemporaryDirectory(dir=self.folder) as directory:
            file = os.path.join(directory, f"script{extension}")
            with open(file, "w", newline="") as stream:
                stream.write(code)
            done = subprocess.run([NODE, file], cwd=directory, stdin=subprocess.DEVNULL, capture_output=True)
            out, err = (data.replace(directory.encode(), self.home.encode()) for data in (done.stdout, done.stderr))
            return out, err, done.returncode

    def of(self, *script):
        return self.runs[script].result()

    def close(self):
        self.pool.shutdown(cancel_futures=True)


class Scripts(Case):
    """One runner executes all scripts, so they must not affect each other."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.theirs = Theirs(cls.folder.name, cls.home)

    @classmethod
    def tearDownClass(cls):
        cls.theirs.close()
        super().tearDownClass()

    def status(self, execution):
        """Returns the exit status that node would have."""
        if execution.error is None:
            return execution.status
        return int(execution.error[1]) if execution.error[0] == "ExitError" else 1

    def compare(self, code, extension):
        ours = self.execute(code, DRAIN)
        out, err, status = self.theirs.of(code, extension)
        self.assertEqual(ours.out, out)
        has_failed_listener = status == 7 and err
        self.assertEqual(self.status(ours), 1 if has_failed_listener else status, (ours.error, err))
        if ours.error is None or ours.error[0] == "ExitError":
            self.assertEqual(ours.err, err if status != 13 else b"")
            return
        self.assertEqual(ours.err, b"")
        message = ours.error[2].removeprefix("Uncaught ").splitlines()
        message = next(line for line in message if ours.error[0] in line or ours.error[0] == "Uncaught")
        self.assertIn(re.sub(r" imported from .*", "", message).strip("'[]"), err.decode())

    def test_scripts(self):
        for name, code in ALIKE.items():
            with self.subTest(name):
                self.compare(code, ".js")

    def test_modules(self):
        for name, code in MODULES.items():
            with self.subTest(name):
                self.compare(code, ".mjs")

    def test_again(self):
        """All scripts run a second time, when their declarations exist."""
        for name in (one for one in ALIKE if one not in DECLARED):
            with self.subTest(name):
                self.compare(ALIKE[name], ".js")


class Expressions(Case):
    def shown(self, code):
        execution = self.execute(code)
        if execution.error:
            name, value, _ = execution.error
            return f"Uncaught {value if name == 'Uncaught' else name}"
        return execution.plain if execution.main else None

    def test_alike(self):
        for code, theirs in zip(EXPRESSIONS, console(EXPRESSIONS), strict=True):
            with self.subTest(code):
                self.assertEqual(self.shown(code), theirs)

    def test_deliberate(self):
        theirs = console(list(DELIBERATE))
        for (code, (ours, why)), shown in zip(DELIBERATE.items(), theirs, strict=True):
            with self.subTest(code, why=why):
                self.assertEqual(self.shown(code), ours)
                self.assertNotEqual(shown, ours)


if __name__ == "__main__":
    main()
