# SPDX-License-Identifier: LGPL-2.1-or-later
"""An execution of the JavaScript runner ends when its value is settled or, with drain, when nothing is left to run.

usage: test_drain.py RUN, where RUN is the runner's entry
"""

from case import SLEEP, Case

from cloche_tests.runner_client import DRAIN, SILENT, Execution
from cloche_tests.tap import main

MAIN = "(async () => { console.log('start'); " + SLEEP + "; console.log('end'); %s })()"
FOREVER = "new Promise(() => {})"


class Promises(Case):
    """A promise that is the value of the code is awaited, such as main() at the end of a script."""

    def test_output_is_the_executions(self):
        for dialect in ("", "typescript"):
            ended = self.run_ok(MAIN % "" + ".catch(console.error)", dialect=dialect)
            self.assertEqual((ended.out, ended.results), (b"start\nend\n", []))

    def test_value(self):
        self.assertEqual(self.value(MAIN % "return 42"), "42")
        self.assertEqual(self.value("_ + 1"), "43")
        self.assertEqual(self.value("Promise.resolve(Promise.resolve({ a: 1 }))"), "{ a: 1 }")
        self.assertEqual(self.value("class Own extends Promise {}; Own.resolve(5)"), "5")
        self.assertEqual(self.run_ok("Promise.resolve(6)", SILENT).results, [])
        self.assertEqual(self.value("[Promise.resolve(7)]"), "[ Promise { 7 } ]")

    def test_rejected(self):
        failed = self.run_failing(MAIN % "throw new RangeError('no')", "RangeError")
        self.assertEqual((failed.out, failed.err, failed.error[1]), (b"start\nend\n", b"", "no"))
        self.assertEqual(self.value("_error.message"), "'no'")
        self.assertEqual(self.run_failing("Promise.reject(7)", "Uncaught").error[1], "7")

    def test_thenables(self):
        """The method `then` of an object that is not a promise is not called, because it may have effects, such as a
        database query."""
        lazy = self.run_ok("({ then() { console.log('asked') }, sql: 'select' })")
        self.assertEqual((lazy.out, lazy.plain), (b"", "{ then: [Function: then], sql: 'select' }"))

    def test_never(self):
        """A promise that nothing can settle is shown as pending."""
        for flags in (0, DRAIN):
            self.assertEqual(self.run_ok(FOREVER, flags).plain, "Promise { <pending> }")
        self.assertEqual(self.run_ok(f"setTimeout(() => {{}}, 1e6).unref(); {FOREVER}").plain,
                         "Promise { <pending> }")
        self.run_interrupted(f"setInterval(() => console.log('now'), 1); {FOREVER}")

    def test_later(self):
        """The next execution settles the promise."""
        self.run_ok("var settle; var settled; var own = new Promise((r) => { settle = r })\n"
                    "own.then((value) => { settled = value }); own")
        self.run_ok("settle(8)")
        self.assertEqual(self.value("settled"), "8")


class Drains(Case):
    def drain(self, code, **options):
        return self.run_ok(code, DRAIN, **options)

    def test_ends_when_node_would(self):
        for code, out in (
            ("setTimeout(() => console.log('timer'), 5)", "timer"),
            ("setImmediate(() => console.log('immediate'))", "immediate"),
            ("let n = 0; const i = setInterval(() => { if (++n === 3) { clearInterval(i); console.log(n) } }, 1)", "3"),
            ("setTimeout(() => setTimeout(() => console.log('second'), 5), 5)", "second"),
            ("require('timers/promises').setTimeout(5).then(() => console.log('promised'))", "promised"),
            ("fs.readFile('/dev/null', () => console.log('file'))", "file"),
            ("fs.promises.stat('/').then(() => console.log('promised file'))", "promised file"),
            ("child_process.exec('sleep .01; echo child', (e, out) => process.stdout.write(out))", "child"),
            ("child_process.spawn('sh', ['-c', 'sleep .01; echo inherited'], { stdio: 'inherit' })", "inherited"),
            ("new worker_threads.Worker('require(\"fs\").writeSync(1, \"worker\\\\n\")', { eval: true })", "worker"),
            ("zlib.gzip('x', () => console.log('zlib'))", "zlib"),
            ("crypto.pbkdf2('p', 's', 1, 8, 'sha256', () => console.log('crypto'))", "crypto"),
            ("WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])).then(() => console.log('wasm'))",
             "wasm"),
            ("http.createServer((q, s) => s.end('served')).listen(0, function () {\n"
             "  http.get({ port: this.address().port, agent: false }, (s) => s.on('data', (d) => console.log(`${d}`)))\n"
             "  .on('close', () => this.close()) })", "served"),
            ("process.stdin.on('data', () => {}).on('end', () => console.log('input ends'))", "input ends"),
            ("readline.createInterface({ input: process.stdin }).on('close', () => console.log('lines end'))",
             "lines end"),
            ("(async () => { " + SLEEP + "; console.log('async') })(); 0", "async"),
        ):
            with self.subTest(code):
                self.assertEqual(self.drain(code + "; void 0").out.decode(), out + "\n")

    def test_unreferenced(self):
        """Unreferenced handles do not delay the end, as in node."""
        self.drain("setInterval(() => {}, 1).unref(); net.createServer().listen(0).unref()\n"
                   "const child = child_process.spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' }); child.unref()\n"
                   "globalThis.sleeping = child.pid; void 0")
        self.assertEqual(self.value("process.kill(sleeping)"), "true")  # the child still runs

    def test_without_the_flag(self):
        """Without the flag, timers continue after the end, as in a notebook."""
        self.assertEqual(self.run_ok("var fired; setTimeout(() => { fired = 'fired' }, 5); fired").results, [])
        self.assertEqual(self.value("while (!fired) " + SLEEP + "; fired"), "'fired'")

    def test_value_and_state(self):
        shown = self.drain("var kept = 1; setTimeout(() => { kept++; display(kept) }, 1); kept")
        self.assertEqual([parts["text/plain"] for _, parts in shown.results], [b"1", b"2"])
        self.assertEqual(self.value("kept"), "2")

    def test_errors(self):
        """An error ends the execution, as it ends node with status 1: pending callbacks do not run."""
        self.run_ok("var fail = () => { setTimeout(() => console.log('later'), 1); throw new RangeError('r') }")
        for code in (
            "fail()", "(async () => fail())(); 0", "setTimeout(fail, 1)", "process.nextTick(fail)",
            "queueMicrotask(fail)", "fs.stat('/', fail)", f"setTimeout(fail, 1); await {FOREVER}",
            f"setTimeout(fail, 1); {FOREVER}",
        ):
            with self.subTest(code):
                failed = self.run_failing(code, "RangeError", flags=DRAIN)
                self.assertEqual((failed.error[1], failed.out, failed.err), ("r", b"", b""))
                self.assertEqual(self.run_ok(SLEEP).out, b"")
        caught = self.drain("process.once('uncaughtException', (e) => console.log('own', e.message))\n"
                            "setTimeout(fail, 1)")
        self.assertEqual(caught.out, b"own r\nlater\n")

    def test_unsettled(self):
        """Node exits with status 13 for an unsettled top-level await."""
        self.assertEqual(self.run_failing(f"await {FOREVER}", "ExitError", flags=DRAIN).error[1], "13")

    def test_exit_listeners(self):
        ended = self.drain(
            "process.on('exit', (code) => console.log('exit', code))\n"
            "let again = 2; process.on('beforeExit', (code) => {\n"
            "  console.log('before', code); if (--again) setTimeout(() => console.log('more'), 1) })")
        self.assertEqual(ended.out, b"before 0\nmore\nbefore 0\nexit 0\n")
        self.assertEqual(self.drain("1").out, b"")
        failed = self.run_failing("process.on('exit', (code) => console.log('exit', code)); throw new Error('x')",
                                  "Error", flags=DRAIN)
        self.assertEqual(failed.out, b"exit 1\n")
        awaited = self.drain("process.once('beforeExit', async () => { await 1; await 2\n" + SLEEP +
                             "; console.log('behind') })")
        self.assertEqual(awaited.out, b"behind\n")
        odd = self.drain("process.on('exit', () => { throw new Error('odd') })")
        self.assertTrue(odd.err.startswith(b"Uncaught Error: odd\n"))

    def test_exit_code(self):
        for code in ("process.exitCode = 5", "setTimeout(() => { process.exitCode = 5 }, 1)",
                     "setTimeout(() => process.exit(5), 1); setInterval(() => {}, 1)",
                     "process.on('exit', () => { process.exitCode = 5 })",
                     "process.on('beforeExit', () => process.exit(5))"):
            self.assertEqual(self.run_failing(code, "ExitError", flags=DRAIN).error[1], "5", code)
            self.assertEqual(self.run_ok("process.exitCode").results, [])
        self.drain("setTimeout(() => process.exit(), 1); setInterval(() => {}, 1)")

    def test_interrupts(self):
        for code in ("setInterval(() => {}, 1000)", "net.createServer().listen(0)",
                     "setTimeout(() => { while (true); }, 1)",
                     "process.on('beforeExit', () => { while (true); })",
                     "(async () => { await 1; while (true); })()", "Promise.resolve().then(() => { while (true); }); 0",
                     "await 1; while (true);", "setImmediate(async () => { await 1; while (true); })",
                     "child_process.spawn('sleep', ['1000'])"):
            execution = Execution()
            self.runner.begin(f"console.log('now'); {code}; void 0", DRAIN)
            self.runner.wait_for_output(execution, b"now\n")
            ended = self.runner.stop(execution)
            self.assertEqual((ended.status, ended.error[0]), (2, "InterruptError"), code)

    def test_earlier_ones_are_not_waited_for(self):
        self.run_ok("var ticks = 0, ticking = setInterval(() => ticks++, 1), isOn = true, bySelf = 0;\n"
                    "(async () => { while (isOn) { await new Promise((r) => setTimeout(r, 1)); bySelf++ } })();\n"
                    "(function again() { if (isOn) setTimeout(again, 1) })()\n"
                    "var server = http.createServer((q, s) => s.end('served')).listen(0)\n"
                    "await events.once(server, 'listening')\n"
                    "var held = net.connect(server.address().port); void 0")
        self.assertEqual(self.drain("setTimeout(() => console.log('own'), 5)").out, b"own\n")
        self.assertEqual(self.drain("await (await fetch(`http://127.0.0.1:${server.address().port}`)).text()").plain,
                         "'served'")
        self.run_failing("setTimeout(() => { throw new RangeError('own') }, 1)", "RangeError", flags=DRAIN)
        self.run_ok("var then = [ticks, bySelf]; while (ticks <= then[0] || bySelf <= then[1]) " + SLEEP)
        self.assertEqual(self.value("await (await fetch(`http://127.0.0.1:${server.address().port}`)).text()"),
                         "'served'")
        self.run_ok("isOn = false; clearInterval(ticking); held.destroy(); server.close()")

    def test_errors_of_earlier_ones(self):
        self.run_ok("var isDraining, ticks = 0, ticking = setInterval(() => {\n"
                    "  if (isDraining && ++ticks === 2) clearInterval(ticking)\n"
                    "  if (isDraining) throw new Error('earlier')\n}, 1)")
        ended = self.drain("isDraining = true; (function wait() {\n"
                           "  if (ticks < 2) setTimeout(wait, 1); else console.log('own') })()")
        self.assertEqual(ended.out, b"own\n")
        self.assertTrue(ended.err.startswith(b"Uncaught Error: earlier\n"), ended.err)


if __name__ == "__main__":
    main()
