# SPDX-License-Identifier: LGPL-2.1-or-later
"""An interrupt of the JavaScript runner ends the execution and what it has started, and nothing else.

usage: test_interrupt.py RUN, where RUN is the runner's entry
"""

import os
import select

from case import SLEEP, Case

from cloche_tests.runner_client import Execution
from cloche_tests.tap import main


class Interrupts(Case):
    def test_everywhere(self):
        for code in (
            "console.log('now'); while (true);",
            "console.log('now'); await new Promise(() => {})",
            "await 1; console.log('now'); while (true);",
            SLEEP + "; console.log('now'); while (true);",
            "setImmediate(() => { console.log('now'); while (true); }); await new Promise(() => {})",
            "setTimeout(() => { console.log('now'); while (true); }, 1); await new Promise(() => {})",
            "process.nextTick(() => { console.log('now'); while (true); }); await new Promise(() => {})",
            "console.log('now'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)",
            "console.log('now'); while (true) console.log('x'.repeat(100_000))",
            "console.log('now'); while (true) { try { while (true); } catch {} finally { continue } }",
            "console.log('now'); ({ get [Symbol.for('Jupyter.display')]() { while (true); } })",
            "console.log('now'); /(a+)+b/.test('a'.repeat(100))",
        ):
            for _ in range(3):
                with self.subTest(code):
                    self.run_interrupted(code)
                    self.assertEqual(self.value(SLEEP + "; 'on'"), "'on'")

    def test_state_stays(self):
        self.run_ok("var before = 1")
        self.run_interrupted("var during = 2; console.log('now'); while (true);")
        self.assertEqual(self.value("[before, during]"), "[ 1, 2 ]")

    def test_it_is_over(self):
        """A loop with pauses does not continue after its interrupt."""
        for wait in (
            "new Promise((resolve) => setTimeout(resolve, 1))",
            "require('timers/promises').setTimeout(1)",
            "util.promisify(setTimeout)(1)",
        ):
            self.run_interrupted(f"var n = 0; console.log('now'); while (true) {{ n++; await {wait} }}")
            self.run_ok("var then = n; " + "; ".join([SLEEP] * 5))
            self.assertEqual(self.value("n - then <= 1"), "true", wait)
        self.run_interrupted("var n = 0; setInterval(() => n++, 1); console.log('now')\n"
                             "await new Promise(() => {})")
        self.run_ok("var then = n; " + "; ".join([SLEEP] * 5))
        self.assertEqual(self.value("n === then"), "true")

    def test_other_timers_go_on(self):
        self.run_ok("var ticks = 0; var ticking = setInterval(() => ticks++, 1)")
        self.run_interrupted("console.log('now'); await new Promise(() => {})")
        self.run_ok("var then = ticks; while (ticks <= then + 1) " + SLEEP)
        self.run_ok("clearInterval(ticking)")

    def test_timers_that_are_due(self):
        """Node calls timers that are due as soon as the interrupted code has returned."""
        self.run_ok("var ticks = 0; var ticking = setInterval(() => ticks++, 1)")
        for code in ("await 1; console.log('now'); while (true);",
                     "setImmediate(async () => { await 1; console.log('now'); while (true); }); await new Promise(() => {})",
                     "process.nextTick(() => { console.log('now'); while (true); }); await new Promise(() => {})"):
            for _ in range(5):
                self.run_interrupted(code)
                self.run_ok("var then = ticks; while (ticks <= then + 1) " + SLEEP)
        self.run_ok("clearInterval(ticking)")

    def test_ticks(self):
        """Each tick queues the next before the event loop runs. After the interrupt, no tick is left."""
        for code in (
            "(function tick() { process.nextTick(tick) })(); await new Promise(() => {})",
            "(function tick() { process.nextTick(tick); Promise.resolve().then(() => 'x'.repeat(1e6).length) })()\n"
            "await new Promise(() => {})",
            "const { pipeline, Readable, Writable } = require('stream')\n"
            "await require('util').promisify(pipeline)(Readable.from((function* () { while (true) yield 'x' })()),\n"
            "  new Writable({ write(chunk, encoding, done) { done() } }))",
            "(function tick() { process.nextTick(tick) })(); 5",
            "(async function again() { await 1; process.nextTick(again) })(); 5",
            "(async function again() { await 1; process.nextTick(again) })(); await new Promise(() => {})",
        ):
            for _ in range(5):
                with self.subTest(code):
                    self.run_interrupted(f"console.log('now'); {code}")
                    self.assertEqual(self.value("1"), "1")

    def test_between(self):
        for _ in range(20):
            self.runner.interrupt()
        self.assertEqual(self.value("1"), "1")

    def test_own_handler(self):
        self.run_ok("process.on('SIGINT', () => {}); process.removeAllListeners('SIGINT')")
        self.test_between()
        self.run_interrupted("console.log('now'); while (true);")

    def test_left_behind(self):
        """Code that an earlier execution left keeps the next one from starting."""
        before = self.run_ok("setTimeout(() => { fs.writeSync(1, 'now\\n'); while (true); }, 1)")
        self.runner.wait_for_output(before, b"now\n")
        execution = Execution()
        self.runner.begin("'begun'")
        self.interrupt_until_answer()
        self.assertEqual(self.runner.finish(execution).plain, "'begun'")

    def interrupt_until_answer(self):
        """Repeats the interrupt until the answer arrives, as a host does, but faster."""
        while not select.select([self.runner.socket], [], [], 0.1)[0]:
            self.runner.interrupt()

    def test_child(self):
        """A child gets the interrupt at once, as from a terminal. The code that waits for it does not continue."""
        self.run_ok("var k = 1")
        for call in ("execSync('echo now; exec sleep 1000', { stdio: 'inherit' })",
                     "execSync('echo now; sleep 1000; echo never', { stdio: 'inherit' })",
                     "execSync('echo now; (sleep 1000); echo never', { stdio: 'inherit' })",
                     "execFileSync('sh', ['-c', 'echo now; exec sleep 1000'], { stdio: 'inherit' })",
                     "spawnSync('sh', ['-c', 'echo now; exec sleep 1000'], { stdio: 'inherit' })",
                     "spawnSync('sh', ['-c', 'echo now; exec sleep 1000'], { stdio: 'inherit', detached: true })"):
            for code in (f"child_process.{call}",
                         f"try {{ child_process.{call} }} finally {{ console.log('never') }}",
                         f"for (;;) try {{ child_process.{call} }} catch {{ console.log('never') }}",
                         f"await 1; child_process.{call}",
                         f"setTimeout(() => child_process.{call}, 1); await new Promise(() => {{}})"):
                with self.subTest(code):
                    self.assertEqual(self.run_interrupted(code).out, b"now\n")
                    self.assertEqual(self.value("k"), "1")

    def test_stubborn_child(self):
        """A child that ignores signals is killed, and the state is kept."""
        self.run_ok("var k = 1")
        for signals in ("INT", "INT TERM"):
            execution = Execution()
            self.runner.begin(f"child_process.execSync('trap \"\" {signals}; echo now; sleep 1000; sleep 1000; sleep 1000', "
                              "{ stdio: 'inherit' })")
            self.runner.wait_for_output(execution, b"now\n")
            self.interrupt_until_answer()
            self.assertEqual(self.runner.finish(execution).status, 2)
            self.assertEqual(self.value("k"), "1")

    def test_while_sending(self):
        """Interrupts arrive while frames are sent. Each frame must be complete, which the client's parser checks."""
        for _ in range(20):
            self.run_interrupted("console.log('now'); while (true) display('x'.repeat(300_000))")

    def test_thrown_value(self):
        """The interrupt arrives while the thrown value is formatted."""
        self.run_interrupted("throw {get [util.inspect.custom]() { console.log('now'); while (true); }}")

    def test_at_the_end(self):
        """An interrupt that arrives between two executions ends neither."""
        sent = os.path.join(self.home, "sent")
        self.run_ok("var original = Object.getOwnPropertyDescriptor(console, 'table')\n"
                    "Object.defineProperty(console, 'table', {configurable: true, get: () => eval, set() {\n"
                    "  console.log('now'); while (!fs.existsSync('sent'));\n"
                    "  child_process.spawnSync('kill', ['-INT', process.pid])\n"
                    "  for (const end = Date.now() + 300; Date.now() < end;);\n}})")
        execution = Execution()
        self.runner.begin("process.stdout = null; 'first'")
        self.runner.wait_for_output(execution, b"now\n")
        number = self.runner._number
        self.runner.begin("Object.defineProperty(console, 'table', original); fs.rmSync('sent'); 'second'")
        open(sent, "w").close()
        self.runner._number = number
        self.assertEqual(self.runner.finish(execution).plain, "'first'")
        self.runner._number = number + 1
        self.assertEqual(self.runner.finish().plain, "'second'")

    def test_module(self):
        """A module whose loading was interrupted is loaded again."""
        self.write("slow.js", "exports.a = 1; console.log('now')\n"
                   "while (!globalThis.isFast);\nexports.b = 2")
        self.run_interrupted("require('./slow')")
        self.assertEqual(self.value("var isFast = true; require('./slow')"), "{ a: 1, b: 2 }")


LOCAL = "globalThis.local ??= new (require('async_hooks').AsyncLocalStorage)();"
LOOP = "() => { console.log('now'); while (true); }"
FOREVER = "; await new Promise(() => {})"


class AsyncCalls(Case):
    """With async hooks, node counts nested calls and aborts if the count is wrong."""

    def test_everywhere(self):
        for code in (
            f"local.run(1, {LOOP})",
            f"local.run(1, () => setTimeout({LOOP}, 1))" + FOREVER,
            f"local.run(1, () => setImmediate({LOOP}))" + FOREVER,
            f"local.run(1, () => process.nextTick({LOOP}))" + FOREVER,
            f"local.run(1, () => queueMicrotask({LOOP}))" + FOREVER,
            f"await local.run(1, async () => {{ await 1; ({LOOP})() }})",
            f"await local.run(1, async () => {{ {SLEEP}; ({LOOP})() }})",
            f"local.run(1, () => fs.readFile('/', {LOOP}))" + FOREVER,
            f"local.run(1, () => fs.promises.stat('/').then({LOOP}))" + FOREVER,
            f"setTimeout(() => new async_hooks.AsyncResource('X').runInAsyncScope({LOOP}), 1)" + FOREVER,
        ):
            for _ in range(2):
                with self.subTest(code):
                    self.run_interrupted(LOCAL + code)
                    self.assertEqual(self.value("local.getStore() === undefined"), "true")
                    self.assertEqual(self.value(f"{SLEEP}; async_hooks.executionAsyncId() > 0"), "true")

    def test_store(self):
        """A store that an execution has entered is kept for the next one, unless the execution was interrupted."""
        self.run_ok(LOCAL + "local.enterWith('kept')")
        self.assertEqual(self.value("local.getStore()"), "'kept'")
        self.run_interrupted(f"local.run('lost', {LOOP})")
        self.assertEqual(self.value("local.getStore()"), "'kept'")

    def test_in_the_middle_of_everything(self):
        """Interrupts arrive while node's own code runs."""
        self.run_ok(LOCAL + """
            async function work() {
              for (;;) await local.run({}, async () => {
                await fs.promises.readFile('/etc/hosts'); await new Promise(setImmediate)
                await new Promise(process.nextTick); await new Promise(queueMicrotask)
                await new Promise((r) => zlib.gzip('x', r)); await new Promise((r) => setTimeout(r, 1))
              })
            }""")
        for _ in range(50):
            self.run_interrupted("const all = [work(), work()]; console.log('now'); await Promise.all(all)")
        self.assertEqual(self.value("'on'"), "'on'")


class Waiting(Case):
    """An interrupt closes what the execution has opened, and nothing that existed before."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        opened = cls.runner.execute(
            "var held = [], server = http.createServer((request, answer) => {\n"
            "  if (request.url !== '/held') return answer.end('served')\n"
            "  console.log('now'); held.push(events.once(request.socket, 'close'))\n"
            "}).listen(0); await events.once(server, 'listening')\n"
            "var base = `http://127.0.0.1:${server.address().port}`; void 0")
        assert opened.status == 0, opened.error

    def tearDown(self):
        self.assertEqual(self.value("await (await fetch(base)).text()"), "'served'")
        super().tearDown()

    def test_request(self):
        for code in ("await fetch(base + '/held')", "http.get(base + '/held')" + FOREVER):
            self.assertEqual(self.run_interrupted(f"var isOver = false; {code}; isOver = true").err, b"")
            self.assertEqual(self.value("await held.at(-1); isOver"), "false")

    def test_code_goes_on_behind_it(self):
        self.run_interrupted("var caught; try { await fetch(base + '/held') } catch (e) { caught = e }")
        self.assertEqual(self.value("while (!caught) " + SLEEP + "; [caught.name, caught.cause.name]"),
                         "[ 'TypeError', 'InterruptError' ]")

    def test_connection(self):
        self.run_interrupted(
            "var socket = net.connect(server.address().port); await events.once(socket, 'connect')\n"
            "console.log('now'); for await (const chunk of socket) 1")
        self.assertEqual(self.value("socket.destroyed"), "true")

    def test_server(self):
        self.run_interrupted("var own = net.createServer().listen(0); await events.once(own, 'listening')\n"
                             "console.log('now'); await events.once(own, 'close')")
        self.assertEqual(self.value("[own.listening, server.listening]"), "[ false, true ]")

    def test_datagrams(self):
        self.run_interrupted("var datagrams = dgram.createSocket('udp4').bind(0, '127.0.0.1')\n"
                             "await events.once(datagrams, 'listening'); var isClosed = false\n"
                             "datagrams.on('close', () => { isClosed = true })\n"
                             "console.log('now'); await events.once(datagrams, 'message')")
        self.run_ok("while (!isClosed) " + SLEEP)

    def test_accepted(self):
        """A connection to a server of an earlier execution remains open."""
        self.run_ok("var earlier = net.createServer((peer) => { peers.push(peer); peer.write('hello') })\n"
                    "var peers = []; await events.once(earlier.listen(0), 'listening')\n"
                    "var remote = child_process.spawn('/bin/bash', ['-c',\n"
                    "  `read go; exec 3<>/dev/tcp/127.0.0.1/${earlier.address().port}; read -N5 <&3; echo here; cat <&3`])")
        self.run_interrupted("remote.stdin.write('go\\n'); await events.once(remote.stdout, 'data')\n"
                             "console.log('now')" + FOREVER)
        self.assertEqual(self.value("[peers.length, peers[0].destroyed, remote.exitCode]"),
                         "[ 1, false, null ]")
        self.run_ok("peers[0].end(); await events.once(remote, 'exit'); earlier.close()")

    ENDED = "child.signalCode ?? (await events.once(child, 'exit'))[1]"

    def test_child(self):
        self.run_interrupted("var child = child_process.spawn('sleep', ['1000']); console.log('now')\n"
                             "await events.once(child, 'exit')")
        self.assertEqual(self.value(self.ENDED), "'SIGINT'")

    def test_children_of_a_child(self):
        """The pipe ends when all processes that hold it have ended."""
        self.run_interrupted("var child = child_process.exec('sleep 1000; sleep 1000'); console.log('now')" + FOREVER)
        self.run_ok("if (!child.stdout.closed) await events.once(child.stdout, 'close')")

    def test_children_that_go_on(self):
        """Children of an earlier execution and detached children continue."""
        self.run_ok("var earlier = child_process.spawn('sleep', ['1000'])")
        self.run_interrupted("var own = child_process.spawn('sleep', ['1000'])\n"
                             "var detached = child_process.spawn('sleep', ['1000'], { detached: true })\n"
                             "console.log('now'); await events.once(detached, 'exit')")
        self.assertEqual(self.value(self.ENDED.replace("child", "own")), "'SIGINT'")
        for name in ("earlier", "detached"):
            self.assertEqual(self.value(f"{name}.kill('SIGTERM'); " + self.ENDED.replace("child", name)), "'SIGTERM'")


if __name__ == "__main__":
    main()
