# SPDX-License-Identifier: LGPL-2.1-or-later
"""The JavaScript runner follows the runner protocol as a process with three descriptors.

usage: test_runner.py RUN, where RUN is the runner's entry
"""

import json
import os
import subprocess
import tempfile
import unittest

from case import RUN, SLEEP, Case, start

from cloche_tests.runner_client import COLOURS, CUT, EXERCISE, NO_HISTORY, SILENT, UPDATE, Execution, RunnerGone
from cloche_tests.tap import main

KIB, MIB = 1 << 10, 1 << 20


class Checking(Case):
    """A check reports whether a prompt should execute code. It executes nothing and leaves no trace."""

    def test_statuses(self):
        self.runner.assert_checks("complete", (
            "1 + 1", "", "f(x => { return 1 })", "`a\nb`", "// (", "/* ( */ 1", "/[(]/.test(x)", "i++", "`${f(`a`)}`",
            "{ a: 1, b: 2 }", "{ f() }", "await f()", "import fs from 'fs'", "export const a = 1", "#!/usr/bin/node\n1"))
        self.runner.assert_checks("incomplete", (
            "f(", "{", "[1,", "`", "/* a\n", "x =", "a &&", "x => ", "function f() {\n", "x = 1 + // more", "`${`a`}",
            "{ a: 1, b", "'a\\\n", "class A {", "if (x)", "import {"))
        self.runner.assert_checks("invalid", ("}", "2e", "'open", "a b", "f())", "/a", "(x)\n  => 1"))

    def test_no_trace(self):
        count = self.run_ok("'kept'").count
        for code in ("var y = 5; console.log(y)", "a b", "f("):
            self.assertEqual(self.runner.check(code).count, count)
        after = self.run_ok("[_, typeof y, typeof _error]")
        self.assertEqual((after.plain, after.count), ("[ 'kept', 'undefined', 'undefined' ]", count + 1))

    def test_dialect(self):
        answer = self.runner.check("1", "coffee")
        self.assertEqual((answer.completeness, answer.error[0], answer.status), (None, "Error", 1))

    def test_interrupt(self):
        self.runner.begin_check("if (a) { f([1, 2]) }\n" * 400000)
        answer = self.runner.stop(Execution())
        self.assertEqual((answer.completeness, answer.error[0], answer.status), (None, "InterruptError", 2))


class Shown(Case):
    """Values are shown as in node's REPL."""

    def test_ready(self):
        version = subprocess.check_output(["/usr/bin/node", "--version"], text=True).strip()
        self.assertEqual(self.runner.ready, ("javascript", version.lstrip("v")))

    def test_value(self):
        execution = self.run_ok("const x = 20\nx + 1")
        self.assertEqual(execution.results, [(True, {"text/plain": b"21"})])
        for code, shown in (
            ("'a\\nb'", "'a\\nb'"), ("-0", "-0"), ("NaN", "NaN"), ("-Infinity", "-Infinity"),
            ("10n", "10n"), ("null", "null"), ("Symbol('s')", "Symbol(s)"), ("{a: 1}", "{ a: 1 }"),
            ("[undefined]", "[ undefined ]"), ("new Map([[1, {a: 2}]])", "Map(1) { 1 => { a: 2 } }"),
            ("(function f() {})", "[Function: f]"), ("[Promise.resolve(1)]", "[ Promise { 1 } ]"),
            ("new Proxy({}, {})", "Proxy [ {}, {} ]"), ("if (true) { 7 }", "7"),
            ("{ a: 1 };", "1"), ("'ä→😀'", "'ä→😀'"), ("1; // comment", "1"),
        ):
            with self.subTest(code):
                self.assertEqual(self.value(code), shown)
        for code in ("undefined", "var y = 5", "", "// nothing", "function f() {}", ";"):
            self.assertEqual(self.run_ok(code).results, [], code)

    def test_declared_again(self):
        for code in ("const c = %d; c", "let l = %d; l", "class K { static v = %d }; K.v",
                     "var v = %d; v", "function g() { return %d }; g()"):
            for number in (1, 2):
                self.assertEqual(self.value(code % number), str(number))
        self.assertEqual(self.value("[c, l, K.v, v, g()]"), "[ 2, 2, 2, 2, 2 ]")
        self.run_failing("c = 3", "TypeError")

    def test_history(self):
        first = self.run_ok("'a'.repeat(2)")
        second = self.run_ok("_ + 'b'")
        self.assertEqual((second.plain, second.count), ("'aab'", first.count + 1))
        self.run_failing("throw new RangeError('kept')", "RangeError")
        self.assertEqual(self.value("_error.message"), "'kept'")

    def test_exercise_and_silent(self):
        before = self.run_ok("'value'")
        exercise = self.run_ok("console.log('heard'); 7", EXERCISE)
        self.assertEqual((exercise.out, exercise.plain, exercise.count), (b"heard\n", "7", before.count))
        self.assertEqual(self.run_ok("_", NO_HISTORY).plain, "'value'")
        silent = self.run_ok("console.log('heard'); display(1); var s = 5; s", SILENT)
        self.assertEqual((silent.results, silent.out, silent.count), ([], b"heard\n", before.count))
        unkept = self.run_ok("s + 1", NO_HISTORY)
        self.assertEqual((unkept.plain, unkept.count), ("6", before.count))

    def test_bundles(self):
        self.run_ok(
            "var rich = {[Symbol.for('Jupyter.display')]() { return {\n"
            "'text/html': '<b>ä</b>', 'image/png': 'AAEC', 'image/jpeg': new Uint8Array([3, 4]),\n"
            "'a/x+json': {a: [1]}, 'bad': 'x', 'image/svg+xml': '<svg/>'}}}"
        )
        parts = {
            "text/html": "<b>ä</b>".encode(), "image/png": b"\0\1\2", "image/jpeg": b"\3\4",
            "a/x+json": b'{"a":[1]}', "image/svg+xml": b"<svg/>",
        }
        self.assertEqual(self.run_ok("rich").results, [(True, parts)])
        shown = self.run_ok("display(rich); display('text'); console.log('after')")
        self.assertEqual(shown.displays, [parts, {"text/plain": b"'text'"}])
        waited = self.run_ok("({async [Symbol.for('Jupyter.display')]() { return {'a/b': 'c'} }})")
        self.assertEqual(waited.results, [(True, {"a/b": b"c"})])
        self.assertEqual(self.value("Buffer.from('\\x89PNG')"), "<Buffer c2 89 50 4e 47>")

    def test_display_ids(self):
        shown = self.run_ok(
            "display(1, {display_id: 'ä'}); display({'text/html': 'h'}, {raw: true})\n"
            "display(2, {display_id: 'ä', update: true})"
        )
        self.assertEqual(shown.details, [(0, "ä", {}), (0, "", {}), (UPDATE, "ä", {})])
        self.assertEqual(shown.displays[2], {"text/plain": b"2"})
        self.assertEqual(len(self.run_ok("display(1, {display_id: 'x'.repeat(128)})").displays), 1)
        self.run_failing("display(1, {display_id: 'x'.repeat(129)})", "TypeError")
        self.run_failing("display(1, {update: true})", "TypeError")

    def test_await(self):
        self.assertEqual(self.value("await new Promise((r) => setTimeout(r, 2, 'slept'))"), "'slept'")
        self.assertEqual(self.value("for await (const n of [1, 2]) globalThis.n = n; n"), "2")
        self.assertEqual(self.value("{ a: await 1 }"), "{ a: 1 }")

    def test_between_executions(self):
        """Timers and servers continue between executions."""
        self.run_ok("setTimeout(() => { globalThis.later = 'ran' }, 1)")
        self.run_ok("while (!globalThis.later) " + SLEEP)
        self.run_ok("const server = http.createServer((q, s) => s.end('served')).listen(0)\n"
                    "await events.once(server, 'listening')")
        fetched = self.value("await (await fetch(`http://127.0.0.1:${server.address().port}`)).text()")
        self.assertEqual(fetched, "'served'")
        self.run_ok("server.close()")

    def test_warm(self):
        runner = start(self.folder.name, "--warm")
        self.addCleanup(runner.close)
        first = runner.execute("[typeof warm, _, _error]")
        self.assertEqual((first.plain, first.count), ("[ 'undefined', undefined, undefined ]", 1))
        self.assertEqual((first.out, first.err), (b"", b""))
        self.assertEqual(runner.execute("await fetch('data:,').then((r) => r.status)").err, b"")
        self.assertEqual(runner.execute("1").count, 3)

    def test_warm_has_nothing_that_cannot_be_renewed(self):
        """A warm runner has no other V8 context, has not loaded the DNS module, and has no open handles."""
        runner = start(self.folder.name, "--warm")
        self.addCleanup(runner.close)
        shown = runner.execute("[v8.getHeapStatistics().number_of_native_contexts,"
                               " process.moduleLoadList.includes('NativeModule dns'),"
                               " process._getActiveHandles()]")
        self.assertEqual(shown.plain, "[ 1, false, [] ]")


class Imports(Case):
    def test_statements(self):
        self.write("module.mjs", "export default 'd'; export const a = 1, b = 2;")
        for code, shown in (
            ("import d from './module.mjs'; d", "'d'"),
            ("import * as all from './module.mjs'\nall.b", "2"),
            ("import { a, b as c } from './module.mjs'; [a, c]", "[ 1, 2 ]"),
            ("import e, { a as f } from \"./module.mjs\"\n[e, f]", "[ 'd', 1 ]"),
            ("import g, * as h from './module.mjs'; [g, h.a]", "[ 'd', 1 ]"),
            ("import {\n  a as i, // one\n} from './module.mjs'\ni", "1"),
            ("import { default as j } from './module.mjs'; j", "'d'"),
            ("export const k = 3; k", "3"),
            ("export default 4", "4"),
            ("const m = 5; export { m }; m", "5"),
        ):
            with self.subTest(code):
                self.assertEqual(self.value(code), shown)
        self.assertEqual(self.run_ok("import './module.mjs'").results, [])
        self.assertEqual(self.value("[a, c, typeof d]"), "[ 1, 2, 'string' ]")

    def test_lines_stay(self):
        error = self.run_failing("import {\n sep\n} from 'path'\nthrow new Error('here')", "Error")
        self.assertRegex(error.error[2], r"cell-\d+:4:7")

    def test_calls(self):
        self.assertEqual(self.value("(await import('node:path')).sep"), "'/'")
        self.assertEqual(self.value("const f = () => import ('path'); (await f()).sep"), "'/'")
        for code, shown in (
            ("'import(1)'", "'import(1)'"), ("`import('fs')`", '"import(\'fs\')"'),
            ("/import(x)/.source", "'import(x)'"), ("5 // import('x')", "5"),
        ):
            self.assertEqual(self.value(code), shown)
        self.run_failing("await import('./nowhere.mjs')", "Error")
        self.run_failing("import x from 'no-such-package'", "Error")

    def test_packages(self):
        """Packages can be installed by npm while the runner runs, and are found from the code's directory."""
        self.write("node_modules/esm/package.json", '{"name": "esm", "type": "module", "main": "m.js"}')
        self.write("node_modules/esm/m.js", "export const kind = 'esm'")
        self.write("node_modules/cjs/index.js", "module.exports = {kind: 'cjs'}")
        self.write("sub/node_modules/deep/index.js", "module.exports = 'deep'")
        self.write("local.js", "exports.here = __filename")
        self.write("data.json", '{"a": [1]}')
        self.assertEqual(self.value("import { kind } from 'esm'; kind"), "'esm'")
        self.assertEqual(self.value("require('cjs').kind + (await import('cjs')).default.kind"), "'cjscjs'")
        self.write("node_modules/@own/cjs/part.js", "module.exports = 'part'")
        for specifier, found in (("npm:cjs", "{ kind: 'cjs' }"), ("npm:/cjs@^1.0", "{ kind: 'cjs' }"),
                                 ("npm:@own/cjs@2.1/part.js", "'part'"), ("npm:@own/cjs/part.js", "'part'")):
            self.assertEqual(self.value(f"(await import('{specifier}')).default"), found)
        error = self.run_failing("import 'npm:no-such-package'", "Error").error
        self.assertIn("Cannot find package 'no-such-package'", error[1])
        self.assertEqual(self.value("require('./local').here"), f"'{self.home}/local.js'")
        self.assertEqual(self.value("require('./data.json')"), "{ a: [ 1 ] }")
        self.run_failing("require('deep')", "Error")
        self.run_ok("process.chdir('sub')")
        self.assertEqual(self.value("[require('deep'), (await import('deep')).default]"),
                         "[ 'deep', 'deep' ]")
        self.run_ok("process.chdir('..')")

    def test_own_modules(self):
        self.assertEqual(self.value("[typeof fs.readFileSync, typeof path.join, os.EOL]"),
                         "[ 'function', 'function', '\\n' ]")
        self.assertEqual(self.value("const os = 5; os"), "5")


class Errors(Case):
    def test_stack(self):
        error = self.run_failing("function f() { throw new TypeError('no') }\n\nf()", "TypeError")
        self.assertEqual(error.error[1], "no")
        self.assertRegex(error.error[2],
                         r"^TypeError: no\n    at f \(cell-\d+:1:22\)\n    at cell-\d+:3:1$")
        self.assertEqual((error.out, error.err), (b"", b""))
        late = self.run_failing(SLEEP + "; throw new Error('late')", "Error")
        self.assertNotIn(os.path.dirname(RUN), late.error[2])
        rejected = self.run_failing("await Promise.reject(new RangeError('r'))", "RangeError")
        self.assertEqual(rejected.error[1], "r")
        own = self.run_failing("class Mine extends Error { name = 'Mine' }\nthrow new Mine('m')", "Mine")
        self.assertEqual(own.error[1], "m")

    def test_properties_and_causes(self):
        error = self.run_failing("fs.readFileSync('/nowhere')", "Error")
        self.assertIn("code: 'ENOENT'", error.error[2])
        error = self.run_failing("throw new Error('o', {cause: new RangeError('i')})", "Error")
        self.assertIn("[cause]: RangeError: i", error.error[2])

    def test_syntax(self):
        error = self.run_failing("1\nlet y = = 1", "SyntaxError")
        self.assertEqual(error.error[1], "Unexpected token '='")
        self.assertRegex(error.error[2], r"^cell-\d+:2\nlet y = = 1\n {8}\^\n\nSyntaxError: Unexpected")
        self.run_failing("return 1", "SyntaxError")
        self.run_failing("eval('1 +')", "SyntaxError")
        self.run_failing("var count = 1; eval(\"import x from 'y'\")", "SyntaxError")

    def test_thrown_values(self):
        for code, shown in (("'x'", "'x'"), ("null", "null"), ("undefined", "undefined"),
                            ("{a: 1}", "{ a: 1 }"), ("Symbol('s')", "Symbol(s)")):
            error = self.run_failing(f"throw ({code})", "Uncaught").error
            self.assertEqual(error[1:], (shown, f"Uncaught {shown}"))

    def test_hostile_values(self):
        self.run_failing("throw new Proxy(new Error('x'), {get() { throw 1 }})", "Uncaught")
        self.run_failing("throw Object.defineProperty(new Error, 'name', {get() { throw 1 }})", "Error")
        self.run_failing("throw Object.defineProperty(new Error, 'message', {get() { throw 1 }})", "Error")
        self.run_failing("throw Object.assign(new Error('m'), {stack: 5})", "Error")
        self.run_failing("({[util.inspect.custom]() { throw new RangeError('r') }})", "RangeError")
        self.run_failing("({get [Symbol.for('Jupyter.display')]() { throw 1 }})", "Uncaught")
        self.run_failing("({[Symbol.for('Jupyter.display')]() { return 1n }})\nthrow 2", "Uncaught")
        self.run_failing("function f() { f() }; f()", "RangeError")
        self.run_failing("Error.prepareStackTrace = () => { throw 1 }; throw new Error('p')", "Error")
        self.run_ok("delete Error.prepareStackTrace")

    def test_colours(self):
        code = "throw Object.assign(new Error('\\x1b[31mred'), {code: 5})"
        plain = self.run_failing(code, "Error")
        self.assertNotIn("\x1b", plain.error[2])
        coloured = self.run_failing(code, "Error", flags=COLOURS)
        self.assertIn("\x1b[33m5\x1b[39m", coloured.error[2])

    def test_exit(self):
        for code, value in (("process.exit(3)", "3"), ("process.exitCode = 4; process.exit()", "4")):
            self.assertEqual(self.run_failing(code, "ExitError").error[1], value)
            self.assertEqual(self.run_ok("process.exitCode").results, [])
        for code in ("process.exit()", "process.exit(0)"):
            self.assertEqual(self.run_ok(code + "; 'value'").results, [])

    def test_exit_returns_to_nobody(self):
        """No error handler catches process.exit(), wherever it is called, and pending callbacks do not run."""
        handled = "console.log('handled')"
        for code in (
            f"try {{ process.exit(5) }} catch {{ {handled} }} finally {{ {handled} }}",
            f"(async () => {{ await 1; process.exit(5) }})().catch(() => {handled})",
            f"await (async () => {{ {SLEEP}; process.exit(5) }})().finally(() => {handled})",
            f"setTimeout(() => {{ process.exit(5); {handled} }}, 1); await new Promise(() => {{}})",
            f"fs.readFile('/', () => {{ process.exit(5); {handled} }}); await new Promise(() => {{}})",
            f"setImmediate(() => process.exit(5)); setTimeout(() => {handled}, 5); await new Promise(() => {{}})",
            f"process.nextTick(() => {{ process.exit(5); {handled} }}); await new Promise(() => {{}})",
        ):
            with self.subTest(code):
                ended = self.run_failing(code, "ExitError")
                self.assertEqual((ended.error[1], ended.out), ("5", b""))
                self.assertEqual(self.run_ok("; ".join([SLEEP] * 5)).out, b"")

    def test_exit_listeners(self):
        """Only the exit listeners of the execution that exits are called."""
        self.run_ok("process.on('exit', function earlier() { console.log('earlier') })")
        own = self.run_failing("process.on('exit', (code) => { console.log(code); process.exitCode++ })\n"
                               "process.exit(5)", "ExitError")
        self.assertEqual((own.out, own.error[1]), (b"5\n", "6"))
        again = self.run_failing("process.on('exit', () => process.exit(8)); process.exit(7)", "ExitError")
        self.assertEqual((again.out, again.error[1]), (b"", "8"))
        self.assertEqual(self.value("process.listeners('exit').map((one) => one.name)"), "[ 'earlier' ]")
        self.run_ok("process.removeAllListeners('exit')")

    def test_nobody_catches(self):
        """An error in a timer or a promise is reported, and the runner continues."""
        for code in ("setTimeout(() => { throw new Error('lost') }, 1)",
                     "Promise.reject(new Error('lost'))",
                     "process.nextTick(() => { throw new Error('lost') })",
                     "queueMicrotask(() => { throw new Error('lost') })",
                     "setImmediate(() => { throw new Error('lost') })"):
            execution = self.run_ok(f"{code}; {SLEEP}; {SLEEP}; 'on'")
            self.assertEqual(execution.plain, "'on'")
            self.assertTrue(execution.err.startswith(b"Uncaught Error: lost\n"), execution.err)
        self.run_ok("process.once('uncaughtException', (e) => console.log('own', e.message))")
        own = self.run_ok(f"setTimeout(() => {{ throw new Error('x') }}, 1); {SLEEP}; {SLEEP}")
        self.assertEqual((own.out, own.err), (b"own x\n", b""))

    def test_input(self):
        for code in (
            "await require('readline/promises').createInterface({input: process.stdin}).question('?')",
            "require('readline').createInterface({input: process.stdin}).question('?', () => {})",
        ):
            self.assertIn("input is not available", self.run_failing(code, "Error").error[1])
        self.assertEqual(self.value("fs.readFileSync(0, 'utf8')"), "''")
        self.assertEqual(self.value("for await (const chunk of process.stdin) 1; 'eof'"), "'eof'")

    def test_texts(self):
        error = self.run_failing("throw new Error('a\\0\\ud800ä')", "Error")
        self.assertEqual(error.error[1], "a\\x00\ufffdä")
        long = self.run_failing("throw new Error('ä'.repeat(3_000_000))", "Error")
        self.assertLessEqual(len(long.error[1].encode()), MIB)
        self.assertRegex(long.error[1], r"ä\n\[\.\.\. \d+ bytes \.\.\.\]\nä")
        for length in (MIB, MIB + 1):
            error = self.run_failing(f"throw new Error('x'.repeat({length}))", "Error")
            self.assertEqual("bytes ..." in error.error[1], length > MIB)


class Streams(Case):
    def test_order(self):
        execution = self.run_ok(
            "process.stdout.write('1'); child_process.execSync('printf 2', {stdio: 'inherit'})\n"
            "console.log('3'); process.stdout.write(Buffer.from('4')); fs.writeSync(1, '5')"
        )
        self.assertEqual(execution.out, b"123\n45")

    def test_bytes(self):
        execution = self.run_ok("console.log('ä\\ud800'); process.stdout.write(Uint8Array.of(255))")
        self.assertEqual(execution.out, "ä\ufffd\n".encode() + b"\xff")
        self.assertEqual(len(self.run_ok("console.log('x'.repeat(5_000_000))").out), 5_000_001)

    def test_console(self):
        execution = self.run_ok("console.table([{a: 1}]); console.error('%s %d', 'x', 5)\n"
                                "console.group('g'); console.log({a: {b: {c: {}}}}); console.groupEnd()")
        self.assertIn("│ (index) │".encode(), execution.out)
        self.assertIn(b"g\n  { a: { b: { c: {} } } }\n", execution.out)
        self.assertEqual(execution.err, b"x 5\n")
        self.assertEqual(self.value("console === require('console')"), "true")

    def test_pipes(self):
        execution = self.run_ok("await require('stream/promises').pipeline("
                                "stream.Readable.from(['a', 'b']), process.stdout, {end: false})")
        self.assertEqual(execution.out, b"ab")
        called = self.run_ok("await new Promise((r) => process.stdout.write('c', r)); 'called'")
        self.assertEqual((called.out, called.plain), (b"c", "'called'"))

    def test_broken(self):
        for code in (
            "fs.closeSync(1); fs.closeSync(2)",
            "process.stdout.destroy(); process.stderr.destroy()",
            "process.stdout.end('x\\n')",
            "process.stdout = process.stderr = null",
            "delete process.stdout",
            "Object.defineProperty(process, 'stdout', {value: {write() {}}})",
            "fs.closeSync(1); fs.openSync('/dev/null', 'w')",
        ):
            with self.subTest(code):
                self.execute(code)
                self.tearDown()

    def test_captured(self):
        """Code can replace process.stdout.write and restore it."""
        self.run_ok("var caught = [], write = process.stdout.write")
        self.run_ok("process.stdout.write = (text) => caught.push(text); console.log('in')")
        self.assertEqual(self.value("process.stdout.write = write; caught"), "[ 'in\\n' ]")

    def test_environment(self):
        own = ["CLOCHE_A=1=2", "PATH=/nowhere", "TZ=UTC-5"]
        inside = self.run_ok(
            "process.env.CLOCHE_A += '!'; process.env.CLOCHE_B = 'stays'\n" + SLEEP +
            ";[process.env.CLOCHE_A, process.env.PATH, new Date(0).getHours()]", environment=own)
        self.assertEqual(inside.plain, "[ '1=2!', '/nowhere', 5 ]")
        after = self.value("[process.env.CLOCHE_A, process.env.CLOCHE_B, process.env.TZ]")
        self.assertEqual(after, "[ undefined, 'stays', undefined ]")
        self.assertEqual(self.value("new Date(0).getHours()"), "0")
        self.assertNotEqual(self.value("process.env.PATH"), "'/nowhere'")

    def test_children_inherit_no_channel(self):
        shown = self.run_ok("child_process.spawnSync('ls', ['-l', '/proc/self/fd'], {stdio: 'inherit'})")
        self.assertIn(b"pipe", shown.out)
        self.assertNotIn(b"socket", shown.out)


class Bounds(Case):
    def show(self, size, mime):
        return self.run_ok(f"display({{'{mime}': 'x'.repeat({size})}}, {{raw: true}})")

    def test_data(self):
        """Data of 4 MiB is sent, and data that is larger is saved."""
        sent = self.show(4 * MIB, "text/html")
        self.assertEqual(len(sent.displays[0]["text/html"]), 4 * MIB)
        self.assertEqual(sent.details, [(0, "", {})])
        text = self.show(4 * MIB + 1, "text/html")
        ((flags, _, saved),) = text.details
        self.assertEqual((flags, len(text.displays[0]["text/html"])), (CUT, 256 * KIB))
        path = saved["text/html"]
        self.assertRegex(path, rf"^{self.folder.name}/cloche-results-\w{{6}}/\d+-1\.html$")
        self.assertEqual(os.path.getsize(path), 4 * MIB + 1)
        self.assertEqual(os.stat(path).st_mode & 0o7777, 0o600)
        data = self.show(4 * MIB + 1, "application/x")
        self.assertEqual(data.displays, [{}])
        self.assertTrue(data.details[0][2]["application/x"].endswith("-1.bin"))

    def test_cut_characters(self):
        cut = self.run_ok("display({'text/plain': 'x' + 'ä'.repeat(3_000_000)}, {raw: true})")
        self.assertEqual(len(cut.displays[0]["text/plain"]), 256 * KIB - 1)
        cut.displays[0]["text/plain"].decode()

    def test_execution(self):
        code = ("const one = {'text/plain': 'p'.repeat(5000), 'image/png': new Uint8Array(3 * 2 ** 20)}\n"
                "for (let i = 0; i < 5; i++) display(one, {raw: true})")
        shown = self.run_ok(code)
        sizes = [{mime: len(data) for mime, data in parts.items()} for parts in shown.displays]
        self.assertEqual(sizes[:3], [{"text/plain": 5000, "image/png": 3 * MIB}] * 3)
        self.assertEqual(sizes[3:], [{"text/plain": 4 * KIB}] * 2)
        self.assertEqual([flags for flags, _, _ in shown.details], [0, 0, 0, CUT, CUT])
        for _, _, saved in shown.details[3:]:
            self.assertEqual(os.path.getsize(saved["image/png"]), 3 * MIB)
            self.assertEqual(os.path.getsize(saved["text/plain"]), 5000)
        self.assertEqual(self.run_ok("display(1)").details, [(0, "", {})])

    def test_count(self):
        many = self.run_ok("for (let i = 0; i < 999; i++) display(i)\n'value'")
        self.assertEqual((len(many.results), many.err), (1000, b""))
        many = self.run_ok("for (let i = 0; i < 1500; i++) display(i)\n'value'")
        self.assertEqual((len(many.displays), many.plain), (999, "'value'"))
        self.assertEqual(many.err.count(b"results are left out"), 1)

    def test_no_place_for_files(self):
        large = self.run_ok("display({'image/gif': new Uint8Array(5e6), 'text/html': 'h'}, {raw: true})",
                            environment=["TMPDIR=/proc/nowhere"])
        if not large.details[0][2]:  # otherwise the directory existed before
            self.assertEqual(large.details, [(CUT, "", {})])
            self.assertIn(b"cannot be saved", large.err)
        self.assertEqual(large.displays, [{"text/html": b"h"}])

    def test_no_growth(self):
        self.run_ok("var used = () => { gc(); return process.memoryUsage().heapUsed }\n"
                    "v8.setFlagsFromString('--expose-gc'); var gc = vm.runInNewContext('gc')")
        for _ in range(100):
            self.run_ok("({ a: new Array(100).fill(1) })")
        before = int(self.value("used()"))
        for _ in range(300):
            self.run_ok("({ a: new Array(100).fill(1) })")
        self.assertLess(int(self.value("used()")) - before, 400 * KIB)


class Endings(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="cloche-runner-")
        self.addCleanup(self.folder.cleanup)

    def test_host_closes(self):
        for code in ("setInterval(() => {}, 1000)", None):
            runner = start(self.folder.name)
            if code:
                runner.execute(code)
            else:
                runner.begin("console.log('now'); while (true);")
                runner.wait_for_output(Execution(), b"now\n")
            runner.close()
            self.assertEqual(runner.process.returncode, 0)

    def test_output_is_closed_unread(self):
        """The other stream is not blocked by a reader that has closed its end."""
        runner = start(self.folder.name)
        self.addCleanup(runner.close)
        runner.begin("console.log('out'); console.error('err'); 5")
        runner.close_output_unread()
        execution = runner.finish()
        self.assertEqual((execution.err, execution.plain), (b"err\n", "5"))

    def test_dies(self):
        for code, status in (("process.reallyExit(9)", 9), ("process.abort()", -6),
                             ("process.kill(process.pid, 'SIGKILL')", -9),
                             ("process.kill(process.pid, 'SIGWINCH')", 1)):
            runner = start(self.folder.name)
            with self.assertRaises(RunnerGone) as caught:
                runner.execute(code)
            self.assertEqual(caught.exception.args[0], status)
            runner.close()


class Reseeding(Case):
    """The same entropy gives the same numbers, and other entropy gives others, so all state is replaced."""

    def draw(self, entropy):
        self.assertEqual(self.runner.reseed(entropy).status, 0)
        return self.value("[Math.random(), Math.random()]")

    def test_math(self):
        first, second, other = (self.draw(one * 32) for one in (b"a", b"a", b"b"))
        self.assertEqual(first, second)
        self.assertNotEqual(first, other)
        before = self.value("Math.random()")
        self.assertNotEqual(before, self.value("Math.random()"))
        self.assertEqual(self.value(
            "const all = Array.from({length: 10_000}, Math.random);"
            "const mean = all.reduce((a, b) => a + b) / all.length;"
            "[Math.abs(mean - 0.5) < 0.02, all.every((n) => n >= 0 && n < 1), new Set(all).size]"),
            "[ true, true, 10000 ]")

    def test_openssl(self):
        """OpenSSL gets all entropy, and then the numbers that node has cached are used up."""
        folder = json.dumps(os.path.dirname(RUN))
        self.run_ok(f"var native = require({folder} + '/native.js'), real = native.reseed, calls = []\n"
                    "native.reseed = (bytes) => { calls.push(bytes.toString('hex')); real(bytes) }\n"
                    "var {randomUUID, randomInt} = crypto\n"
                    "crypto.randomUUID = () => { calls.push('uuid'); return randomUUID() }\n"
                    "crypto.randomInt = (n) => { calls.push('int'); return randomInt(n) }")
        self.runner.reseed(b"c" * 256)
        self.assertEqual(self.value("calls[0]"), repr("63" * 256))
        count = "calls.slice(1).filter((c) => c === '%s').length"
        self.assertEqual(self.value(count % "uuid"), "128")
        self.assertEqual(self.value(count % "int"), "1024")
        self.run_ok("Object.assign(native, {reseed: real}); Object.assign(crypto, {randomUUID, randomInt})")

    def test_environment_and_directory(self):
        place = os.path.join(self.folder.name, "place")
        os.makedirs(os.path.join(place, "node_modules", "only"))
        with open(os.path.join(place, "node_modules", "only", "index.js"), "w") as file:
            file.write("module.exports = 'here'")
        before = self.run_ok("1").count
        done = self.runner.reseed(b"d" * 32, ["CLOCHE_R=ä=1"], place)
        self.assertEqual((done.status, done.error, done.count), (0, None, before))
        self.assertEqual(self.value("process.cwd()"), f"'{place}'")
        self.assertEqual(self.value("[process.env.CLOCHE_R, require('only')]"), "[ 'ä=1', 'here' ]")

    def test_no_directory(self):
        done = self.runner.reseed(b"d" * 32, ["CLOCHE_N=1"], "/nowhere")
        self.assertEqual((done.status, done.error[0]), (1, "Error"))
        self.assertIn("ENOENT", done.error[1])
        self.assertEqual(self.value("process.env.CLOCHE_N"), "'1'")


if __name__ == "__main__":
    main()
