# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-contexts: contexts keep separate state, and events of an execution arrive while it runs.

In an environment whose system bus has the service (with-service).
"""
import base64
import json
import os

from cloche_tests import tap
from cloche_tests.box import (
    BUS_NAME,
    SANDBOX,
    WAIT_MS,
    Box,
    Failure,
    Gio,
    GLib,
    call,
    connect,
    options,
    t,
)
from cloche_tests.cells import CodeTest, Running, own_box

MIB = 1 << 20
CONTEXTS_MAX = 32


class Contexts(CodeTest):
    def test_namespaces(self):
        first, second = self.create(), self.create(language="python")
        numbers = [int(context.removeprefix("python-")) for context in (first, second)]
        self.assertEqual(numbers[1], numbers[0] + 1)
        for context in (first, second):
            self.run_code(f"x = {context!r}", context=context)
        self.run_code("x = 'default'")
        for context in (first, second):
            self.assertEqual(self.value("x", context=context), repr(context))
        self.assertEqual(self.value("x", context="python"), "'default'")
        self.assertEqual(self.value("x", language="python"), "'default'")

    @own_box
    def test_list(self):
        self.run_code("1", silent=True, store_history=False)  # starts the interpreter
        self.assertEqual(self.contexts()["python"], {
            "id": "python", "language": "python", "cwd": "", "default": True, "state": "idle",
            "execution-count": 0})
        self.assertEqual(self.contexts()["bash"]["state"], "not-started")
        self.assertNotIn("typescript", self.contexts())
        self.assertNotIn("jupyter", self.contexts())
        self.create(cwd=self.dir)
        self.value("1", context="python-1")
        self.value("2", context="python-1")
        self.assertEqual(self.contexts()["python-1"], {
            "id": "python-1", "language": "python", "cwd": self.dir, "default": False, "state": "idle",
            "execution-count": 2})
        running = self.begin(context="python-1")
        self.assertEqual(self.contexts()["python-1"]["state"], "busy")
        self.method("RemoveContext", "python-1")
        self.assertNotIn("python-1", self.contexts())
        self.assert_lost("removed", running)

    def test_words(self):
        context = self.create(cwd=self.dir, environment={"A": "one", "B": "two"})
        text = "import os; os.getcwd(), os.environ['A'], os.environ['B'], os.environ.get('C')"
        self.assertEqual(self.value(text, context=context), repr((self.dir, "one", "two", None)))
        self.assertEqual(self.value(text, context=context, environment={"B": "2", "C": "3"}),
                         repr((self.dir, "one", "2", "3")))
        self.method("RestartContext", context)
        self.assertEqual(self.value(text, context=context), repr((self.dir, "one", "two", None)))

    @own_box
    def test_wrong_words(self):
        self.assert_fails("Unsupported", "'cobol 2000'", self.create, language="cobol 2000")
        self.assert_fails("Unsupported", "'jupyter'", self.create, language="jupyter")
        self.assert_fails("InvalidArgument", "cwd", self.create, cwd="x" * 4096)
        self.assert_fails("NoSuchDirectory", "/nowhere", self.create, cwd="/nowhere")
        self.assertEqual([one for one in self.contexts().values() if not one["default"]], [])
        self.assert_fails("NoSuchContext", "'python-9'", self.run_code, "1", context="python-9")
        self.assert_fails("NoSuchContext", "''", self.run_code, "1", context="")
        self.assert_fails("InvalidArgument", "'context'", self.run_code, "1", context="python", language="python")
        for method in ("RestartContext", "InterruptContext", "RemoveContext"):
            self.assert_fails("NoSuchContext", "'typescript'", self.method, method, "typescript")

    @own_box
    def test_names_of_languages(self):
        """Abbreviations and any case name the same context."""
        self.run_code("const x = 6", language="js")
        self.assertEqual(self.value("(x as number) * 7", language="TypeScript"), "42")
        self.assertEqual(self.value("x", context="javascript"), "6")
        self.run_code("y=1", language="sh")
        self.assertEqual(self.run_code("echo $y", language="Bash")["stdout"], "1\n")
        self.run_code("z = 2", language="PY")
        self.assertEqual(self.value("z"), "2")
        self.assertEqual(self.create(language="ts"), "typescript-1")
        self.assertEqual({context["language"] for context in self.contexts().values()},
                         {"python", "javascript", "typescript", "bash"})
        answer, = call(self.bus, "/org/cloche1", "org.cloche1.Manager", "RunCode", "(ssa{sv})",
                       ("JS", "6 * 7", options(template="interpreter")))
        self.assertEqual(answer["results"][0]["data"]["text/plain"], "42")

    def test_kernel_that_is_not_there(self):
        self.assert_fails("Unsupported", "'no-such-kernel'", self.create, language="no-such-kernel")
        self.assert_fails("Unsupported", "'no-such-kernel'", self.run_code, "1", language="no-such-kernel")

    def test_at_once(self):
        """The first execution reads what the second writes, so both must run at the same time."""
        context = self.create()
        reader = Running(self.box, f"open({self.fifo!r}).read()", context=context)
        self.assertEqual(self.value(f"open({self.fifo!r}, 'w').write('from the other')"), "14")
        self.assertEqual(reader.result()["results"][0]["data"]["text/plain"], "'from the other'")

    def check(self, code, **keywords):
        return tuple(call(self.bus, self.box.path, SANDBOX, "IsComplete", "(sa{sv})", (code, options(**keywords))))

    def test_is_complete(self):
        self.run_code("x = 'kept'")
        for code, keywords, answer in (
            ("x = 1", {}, ("complete", "")),
            ("if x:", {}, ("incomplete", "    ")),
            ("1 +", {}, ("invalid", "")),
            ("f(", {"language": "js"}, ("incomplete", "")),
            ("let x: number = 1", {"language": "ts"}, ("complete", "")),
            ("let x: number = 1", {"language": "js"}, ("invalid", "")),
            ("if true", {"context": "bash"}, ("incomplete", "")),
            ("x" * (128 * 1024 + 1), {}, ("unknown", "")),
        ):
            self.assertEqual(self.check(code, **keywords), answer, (code[:20], keywords))
        self.assertEqual(self.value("x"), "'kept'")
        count = self.contexts()["python"]["execution-count"]
        self.check("y = 1")
        self.assertEqual(self.contexts()["python"]["execution-count"], count)
        self.assert_fails("NoSuchContext", "'python-9'", self.check, "1", context="python-9")
        self.assert_fails("InvalidArgument", "'context'", self.check, "1", context="python", language="python")

    def test_check_keeps_output(self):
        """Output of a thread before a check belongs to the execution after it."""
        self.run_code(f"import threading\ndef late():\n    open({self.fifo!r}).read()\n    print('late', flush=True)\n"
                      f"    open({self.fifo!r}, 'w').close()\nthreading.Thread(target=late).start()")
        self.box.sh(f"echo >{self.fifo}; cat {self.fifo}")
        self.assertEqual(self.check("1"), ("complete", ""))
        with self.stream("2") as events:
            first = json.loads(events.readline())
        self.assertEqual((first["type"], first["text"], first.get("earlier")), ("stdout", "late\n", True))

    def test_interrupt(self):
        self.method("InterruptContext", "python")
        self.run_code("x = 1")
        running = self.begin()
        self.method("InterruptContext", "python")
        self.assertEqual(running.result()["status"], "interrupted")
        self.assertEqual(running.result()["error"]["name"], "KeyboardInterrupt")
        self.assertEqual(self.value("x"), "1")

    def test_restart(self):
        context = self.create()
        self.run_code("x = 1", context=context)
        self.run_code("x = 2")
        running = self.begin(context=context)
        waiting = Running(self.box, "1", context=context)
        self.method("RestartContext", context)
        self.assert_lost("was restarted", running)
        self.assert_lost("was restarted", waiting)
        self.assertEqual(self.run_code("x", context=context)["error"]["name"], "NameError")
        self.assertEqual(self.value("x"), "2")

    def test_remove_default(self):
        self.run_code("x = 1")
        self.method("RemoveContext", "python")
        self.assertEqual(self.contexts()["python"]["state"], "not-started")
        self.assertEqual(self.run_code("x")["error"]["name"], "NameError")

    def test_death(self):
        context = self.create()
        with self.assertRaisesRegex(Failure, "RunnerLost: .*exit status 3.*its state is lost"):
            self.run_code("import os; os._exit(3)", context=context)
        self.assertEqual(self.contexts()[context]["state"], "not-started")
        self.assertEqual(self.value("6 * 7", context=context), "42")

    @own_box
    def test_bound(self):
        made = []
        for _ in range(CONTEXTS_MAX):  # at once, because a context waits until its interpreter has started
            self.bus.call(BUS_NAME, self.box.path, SANDBOX, "CreateContext", GLib.Variant("(a{sv})", (options(language="bash"),)),
                          None, Gio.DBusCallFlags.NONE, WAIT_MS, None,
                          lambda bus, result: made.append(bus.call_finish(result).unpack()[0]))
        while len(made) < CONTEXTS_MAX:
            GLib.MainContext.default().iteration(True)
        self.assertEqual(set(made), {f"bash-{i + 1}" for i in range(CONTEXTS_MAX)})
        self.assert_fails("QuotaExceeded", f"has {CONTEXTS_MAX}", self.create, language="bash")
        self.method("RemoveContext", made[0])
        self.assertEqual(self.create(language="bash"), f"bash-{CONTEXTS_MAX + 1}")

    def test_another_users(self):
        """The id of a context is valid in one sandbox only."""
        context = self.create(language="bash")
        other = Box(self.bus, self.template)
        self.addCleanup(other.kill)
        self.assert_fails("NoSuchContext", context, other.call, "RunCode", "(sa{sv})", "1", context=context)


class Draining(CodeTest):
    """An execution ends with its top level, or as a script would end."""

    LATER = "setTimeout(() => { globalThis.isOver = true; console.log('later') }, 5); typeof isOver"

    def test_without(self):
        self.run_code("globalThis.isOver = false", language="javascript")
        at_once = self.run_code(self.LATER, language="javascript", drain=False)
        self.assertEqual((at_once["status"], at_once["stdout"]), ("ok", ""))
        self.value("while (!globalThis.isOver) await new Promise(setImmediate); 'over'", language="javascript")

    def test_with(self):
        for language in ("javascript", "typescript"):
            drained = self.run_code(self.LATER, language=language, drain=True)
            self.assertEqual((drained["status"], drained["stdout"]), ("ok", "later\n"))
        self.assertEqual(self.brief("setTimeout(() => console.log('later'), 5); 1", language="javascript", drain=True), [
            ("result", {"text/plain": "1"}), ("stdout", "later\n"), ("end", "ok")])

    def test_timeout(self):
        self.run_code("var kept = 1", language="javascript")
        drained = self.run_code("setInterval(() => {}, 1); 2", language="javascript", drain=True, timeout=t(1))
        self.assertEqual((drained["status"], drained["error"]["name"]), ("timed-out", "InterruptError"))
        self.assertEqual(self.value("kept", language="javascript"), "1")

    def test_error(self):
        drained = self.run_code("setTimeout(() => { throw new RangeError('late') }, 1); 2", language="javascript",
                                drain=True)
        self.assertEqual((drained["status"], drained["error"]["value"]), ("error", "late"))

    def test_one_shot(self):
        answer, = call(self.bus, "/org/cloche1", "org.cloche1.Manager", "RunCode", "(ssa{sv})",
                       ("js", self.LATER, options(template="interpreter")))
        self.assertEqual((answer["status"], answer["stdout"]), ("ok", "later\n"))

    def test_of_other_languages(self):
        self.assertEqual(self.run_code("echo 1", language="bash", drain=True)["stdout"], "1\n")


class Streams(CodeTest):
    def test_order(self):
        self.assertEqual(self.brief("""import sys
print("one")
display("two")
print("three", file=sys.stderr)
4"""), [("stdout", "one\n"), ("result", {"text/plain": "'two'"}), ("stderr", "three\n"),
        ("result", {"text/plain": "4"}), ("end", "ok")])

    def test_order_of_many(self):
        expected = [(kind, f"{i}\n") for i in range(50) for kind in ("stdout", "stderr")]
        self.assertEqual(self.brief("import sys\nfor i in range(50): print(i); print(i, file=sys.stderr)"),
                         expected + [("end", "ok")])

    def test_fields(self):
        self.value("0")
        before = self.contexts()["python"]["execution-count"]
        display, result, end = self.events("display(1, display_id='d'); 2")
        self.assertEqual((display["main"], result["main"]), (False, True))
        self.assertEqual((result["update"], result["truncated"], result["saved"]), (False, False, {}))
        self.assertEqual(end["execution-count"], before + 1)
        self.assertGreater(end["duration-us"], 0)
        times = [event["time"] for event in (display, result, end)]
        self.assertEqual(times, sorted(times))
        self.assertAlmostEqual(times[0] / 1e6, float(self.box.sh("date +%s")), delta=60)

    def test_as_it_happens(self):
        with self.stream(f"print('before', flush=True); open({self.fifo!r}).read(); print('after')") as lines:
            self.assertEqual(json.loads(lines.readline())["text"], "before\n")
            self.box.sh(f"echo >{self.fifo}")
            self.assertEqual(json.loads(lines.readline())["text"], "after\n")
            self.assertEqual(json.loads(lines.readline())["status"], "ok")
            self.assertEqual(lines.read(), b"")

    def test_error(self):
        error, end = self.events("1 / 0")
        self.assertEqual((error["name"], error["value"]), ("ZeroDivisionError", "division by zero"))
        self.assertIn("line 1", error["traceback"])
        self.assertEqual(end["status"], "error")

    def test_bytes(self):
        """Binary data is encoded in base64; JSON is text."""
        result, _ = self.events("display({'image/png': b'\\x89PNG\\0', 'application/json': {'a': 1}, 'text/html': '<b>'}, raw=True)")
        self.assertEqual(base64.b64decode(result["data"]["image/png"]), b"\x89PNG\0")
        self.assertEqual(json.loads(result["data"]["application/json"]), {"a": 1})
        self.assertEqual(result["data"]["text/html"], "<b>")

    def test_characters_in_pieces(self):
        text = self.events("""import os, time
for byte in 'ü€😀'.encode():
    os.write(1, bytes([byte])); time.sleep(.02)
_ = os.write(1, b'\\xc3')""")
        self.assertEqual("".join(event["text"] for event in text[:-1]), "ü€😀�")
        self.assertEqual([event.get("invalid", False) for event in text[:-1]], [False] * (len(text) - 2) + [True])

    def test_much(self):
        """Nothing is lost if one side is slow; a slow reader blocks the code."""
        size = 100 * MIB
        got = 0
        with self.stream(f"line = 'x' * 1023\nfor i in range({size // 1024}): print(line)") as lines:
            first = json.loads(lines.readline())
            got = len(first["text"])
            self.assertEqual(self.contexts()["python"]["state"], "busy")
            for line in lines:
                event = json.loads(line)
                got += len(event.get("text", ""))
        self.assertEqual((got, event["status"]), (size, "ok"))

    def test_reader_that_leaves(self):
        self.run_code("x = 1")
        lines = self.stream("print('begun', flush=True)\nwhile True: pass")
        self.assertEqual(json.loads(lines.readline())["text"], "begun\n")
        lines.close()
        self.assertEqual(self.value("x"), "1")

    def test_reader_that_leaves_a_flood(self):
        lines = self.stream("while True: print('x' * 1000)")
        lines.readline()
        lines.close()
        self.assertEqual(self.value("6 * 7"), "42")

    def test_caller_that_leaves(self):
        """The stream lasts as long as its descriptor, not as long as the connection."""
        bus = connect()
        fd, = call(bus, self.box.path, SANDBOX, "StreamCode", "(sa{sv})",
                   (f"print(open({self.fifo!r}).read())", {}))
        bus.close_sync()
        with open(fd, "rb") as lines:
            self.box.sh(f"echo here >{self.fifo}")
            *printed, end = [json.loads(line) for line in lines]
        self.assertEqual(("".join(event["text"] for event in printed), end["status"]), ("here\n\n", "ok"))

    @own_box
    def test_unread_stream_is_charged(self):
        """A stream is a process of its owner until it was read or closed, even after its sandbox has ended."""
        def charged():
            return call(self.bus, "/org/cloche1", "org.cloche1.Manager", "GetQuota")[0]["processes"][0]

        before = charged()
        lines = self.stream("display({'text/plain': 'x' * 2_000_000}, raw=True)")  # one line, more than a socket accepts
        self.assertEqual(os.read(lines.fileno(), 1), b"{")
        self.box.kill()
        self.assertEqual(charged(), before + 1)
        lines.close()
        while charged() != before:
            pass

    def test_timeout(self):
        self.assertEqual(self.brief("while True: pass", timeout=t(1)),
                         [("error", "KeyboardInterrupt"), ("end", "timed-out")])

    @own_box
    def test_deaths(self):
        out, end = self.events("import os; print('here', flush=True); os._exit(1)")
        self.assertEqual((out["text"], end["status"]), ("here\n", "runner-lost"))
        self.assertEqual(end["error"], "org.cloche1.Error.RunnerLost")
        self.assertIn("exit status 1", end["message"])
        end, = self.events("1", language="no-such-kernel")
        self.assertEqual((end["status"], end["error"]), ("failed", "org.cloche1.Error.Unsupported"))
        lines = self.stream("print('begun', flush=True)\nwhile True: pass")
        lines.readline()
        self.box.kill()
        with lines:
            self.assertEqual(json.loads(lines.readline())["status"], "guest-lost")
            self.assertEqual(lines.read(), b"")

    def test_one_after_the_other(self):
        streams = [self.stream(f"print({i})") for i in range(10)]
        for i, lines in enumerate(streams):
            with lines:
                self.assertEqual([json.loads(line).get("text") for line in lines], [f"{i}\n", None])

    def test_wrong_words(self):
        self.assert_fails("NoSuchContext", "'x'", self.stream, "1", context="x")
        self.assert_fails("InvalidArgument", "code", self.stream, "x" * (MIB + 1))


tap.main()
