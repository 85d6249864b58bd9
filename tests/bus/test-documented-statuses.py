# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-documented-statuses: the service reports each status that org.cloche1.xml documents, and no other.

In an environment whose system bus has the service (with-service).
"""
import contextlib
import json
import os
import pathlib
import re
import signal
import unittest

from cloche_tests import tap
from cloche_tests.box import (
    BUS_NAME,
    MANAGER,
    SANDBOX,
    WAIT_MS,
    Box,
    BoxTest,
    Failure,
    Gio,
    GLib,
    call,
    connect,
    options,
    t,
)
from cloche_tests.cells import CodeTest, Running, own_box

XML = pathlib.Path(os.environ["CLOCHE_XML"]).read_text()
CONTROL = pathlib.Path(os.environ["FIXTURE_CONTROL"])
CATCHES = "import time\ntry: time.sleep(60)\nexcept KeyboardInterrupt: print('caught')"
DEAF = "import os, signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); os.write(1, b'deaf'); time.sleep(60)"
LIMIT = "the code ran longer than its limit of {} and was interrupted"


def documented(begin):
    """Returns the quoted words between this text and the end of its sentence or list."""
    _, found, rest = XML.partition(begin)
    assert found, begin
    return set(re.findall(r'"([a-z-]+)"', re.match(r'(?:[^@;()]|\([^"]*?\))*', rest)[0]))


seen = {"status": set(), "end": set(), "how": set(), "wait": set(), "reason": set(), "context": set(), "type": set()}


class Codes(CodeTest):
    def run_code(self, text, **options):
        execution = super().run_code(text, **options)
        self.check(execution)
        return execution

    def check(self, execution):
        seen["status"].add(execution["status"])
        self.assertEqual("error" in execution, execution["status"] != "ok", execution)

    def events(self, text, **options):
        events = super().events(text, **options)
        seen["type"].update(event["type"] for event in events)
        seen["end"].add(events[-1]["status"])
        errors = [event for event in events if event["type"] == "error"]
        self.assertEqual(len(errors), events[-1]["status"] in ("error", "interrupted", "timed-out"), events)
        return events

    def assert_error(self, execution, status, name, value):
        self.assertEqual((execution["status"], execution["error"]["name"], execution["error"]["value"]), (status, name, value))

    def begun(self, text, **options):
        """Runs code in the background; returns when it has reached the name `begun`."""
        running = Running(self.box, text.replace("begun", f"open({self.fifo!r}, 'w').close()"), **options)
        self.box.sh(f"cat {self.fifo}")
        return running

    def interrupted(self, text, **options):
        running = self.begun(text, **options)
        self.method("InterruptContext", options.get("context", "python"))
        self.check(running.result())
        return running.result()


class RunCode(Codes):
    @classmethod
    def setUpClass(cls):
        Silence.begin()

    def test_ok_and_error(self):
        self.assertEqual(self.run_code("1")["status"], "ok")
        self.assertEqual(self.run_code("1 / 0")["status"], "error")

    def test_timed_out(self):
        """At a timeout, the code ignores the interrupt, catches it, or ends with another error."""
        execution = self.run_code("while True: pass", timeout=t(1))
        self.assert_error(execution, "timed-out", "KeyboardInterrupt", LIMIT.format("1 second"))
        self.assertIn("while True", execution["error"]["traceback"])
        execution = self.run_code(CATCHES, timeout=t(2))
        self.assert_error(execution, "timed-out", "TimeoutError", LIMIT.format("2 seconds"))
        self.assertEqual((execution["stdout"], execution["error"]["traceback"]), ("caught\n", ""))
        execution = self.run_code(CATCHES.replace("print('caught')", "raise ValueError('own')"), timeout=t(1))
        self.assert_error(execution, "timed-out", "ValueError", "own")

    def test_timed_out_in_a_shell(self):
        self.run_code("x = 1")
        for text in ("!sleep 60; echo", "%%bash\nsleep 60; echo"):
            execution = self.run_code(text, timeout=t(1))
            self.assertEqual(execution["status"], "timed-out")
            self.assertNotEqual(execution["error"]["value"], "")
        self.assertEqual(self.value("x"), "1")

    def test_timed_out_and_killed(self):
        killed = "it ignored the interrupt for 5 seconds, and its interpreter was killed: the interpreter's state is lost"
        self.run_code("x = 1")
        execution = self.run_code(DEAF, timeout=t(1))
        self.assert_error(execution, "timed-out", "TimeoutError", f"the code ran longer than its limit of 1 second; {killed}")
        self.assertEqual(execution["stdout"], "deaf")
        self.assertEqual(self.run_code("x")["error"]["name"], "NameError")

    def test_timed_out_and_dead(self):
        execution = self.run_code(CATCHES.replace("print('caught')", "import os; os._exit(3)"), timeout=t(1))
        self.assert_error(execution, "timed-out", "TimeoutError",
                          "the code ran longer than its limit of 1 second; its interpreter died of the interrupt "
                          "(exit status 3): the interpreter's state is lost")

    def test_runner_that_gives_no_reason(self):
        """Code can send the runner's frames itself."""
        send = "import struct; get_ipython().results._channel.send({}, {})"
        execution = self.run_code(send.format(19, "struct.pack('<II', 1, 0)"))
        self.assert_error(execution, "error", "UnknownError", "the code failed, and its interpreter did not report why")
        execution = self.run_code(send.format(19, "struct.pack('<II', 2, 0)"))
        self.assert_error(execution, "interrupted", "KeyboardInterrupt", "the code was interrupted")
        execution = self.run_code(send.format(18, "b'\\1\\0\\0\\0x' * 3") + "; " + send.format(19, "struct.pack('<II', 0, 0)"))
        self.assert_error(execution, "error", "x", "x")

    def test_other_languages(self):
        for language, text in (("javascript", "while (true) {}"), ("bash", "sleep 60; echo no"),
                               ("typescript", "await new Promise(() => {})"), ("python3", "while True: pass"), ("r", "Sys.sleep(60)")):
            with self.subTest(language):
                self.run_code("1", language=language)  # so that the limit does not include the start of the interpreter
                execution = self.run_code(text, language=language, timeout=t(1))
                self.assertEqual((execution["status"], execution["stdout"]), ("timed-out", ""))
                self.assertTrue(execution["error"]["name"])
                self.assertTrue(execution["error"]["value"])

    def test_interrupted(self):
        execution = self.interrupted("begun\nwhile True: pass")
        self.assert_error(execution, "interrupted", "KeyboardInterrupt", "the code was interrupted")
        self.assertEqual(self.interrupted(CATCHES.replace("time.sleep", "begun; time.sleep"))["status"], "ok")
        self.assert_error(self.run_code("raise KeyboardInterrupt('own')"), "interrupted", "KeyboardInterrupt", "own")

    def test_not_interruptible(self):
        running = self.begun(DEAF.replace("time.sleep", "begun; time.sleep"))
        self.method("InterruptContext", "python")
        with self.assertRaises(Failure) as caught:
            running.result()
        self.assertEqual(caught.exception.name, "RunnerLost")
        self.assertIn("was killed because the code ignored an interrupt for 5 seconds", caught.exception.message)

    def test_deaths(self):
        for text, part in (("import os; os._exit(3)", "(exit status 3)"), ("import os; os.abort()", "(killed by SIGABRT)"),
                           ("import os; os.kill(os.getpid(), 40)", "(killed by signal 40)")):
            with self.assertRaises(Failure) as caught:
                self.run_code(text)
            self.assertEqual(caught.exception.name, "RunnerLost")
            self.assertIn(part, caught.exception.message)

    def test_one_shot(self):
        cases = (("1", {}, "ok"), ("1 / 0", {}, "error"), (CATCHES, {"timeout": t(1)}, "timed-out"),
                 (DEAF, {"timeout": t(1)}, "timed-out"))
        answers = {}
        for text, keywords, _ in cases:
            self.bus.call(BUS_NAME, "/org/cloche1", MANAGER, "RunCode",
                          GLib.Variant("(ssa{sv})", ("python", text, options(template="interpreter", **keywords))), None,
                          Gio.DBusCallFlags.NONE, -1, None, lambda bus, result, text: answers.update({text: bus.call_finish(result)}), text)
        while len(answers) < len(cases):
            GLib.MainContext.default().iteration(True)
        for text, _, status in cases:
            execution, = answers[text].unpack()
            self.check(execution)
            self.assertEqual(execution["status"], status)


class Streams(Codes):
    def test_errors(self):
        """The error arrives before the end, whoever reports it."""
        self.assertEqual(self.brief(CATCHES, timeout=t(1)),
                         [("stdout", "caught\n"), ("error", "TimeoutError"), ("end", "timed-out")])
        self.assertEqual(self.brief(DEAF, timeout=t(1)), [("stdout", "deaf"), ("error", "TimeoutError"), ("end", "timed-out")])
        self.assertEqual(self.brief("raise KeyboardInterrupt"), [("error", "KeyboardInterrupt"), ("end", "interrupted")])
        self.assertEqual(self.brief("import sys; print(1, file=sys.stderr)"), [("stderr", "1\n"), ("end", "ok")])
        self.assertEqual(self.brief("1 / 0"), [("error", "ZeroDivisionError"), ("end", "error")])
        self.assertEqual(self.brief("1"), [("result", {"text/plain": "1"}), ("end", "ok")])

    @own_box
    def test_lost(self):
        self.events("import os; os._exit(1)")
        self.events("1", language="no-such-kernel")
        end = self.last_of("print(1, flush=True)\nwhile True: pass", self.box.kill)
        self.assertEqual((end["status"], end["error"]), ("guest-lost", "org.cloche1.Error.GuestLost"))

    def test_clear(self):
        """As in ipykernel, the event keeps its order among the outputs."""
        events = self.events("from IPython.display import clear_output\n"
                             "print(1); clear_output(wait=True); print(2); display(3); clear_output(); print(4)")
        self.assertEqual([(event["type"], event.get("text", event.get("wait"))) for event in events[:-1]],
                         [("stdout", "1\n"), ("clear", True), ("stdout", "2\n"), ("result", None), ("clear", False), ("stdout", "4\n")])

    def test_clear_in_an_answer(self):
        """The answer keeps output from before it was cleared."""
        execution = self.run_code("from IPython.display import clear_output\nprint(1); display(2); clear_output(); print(3)")
        self.assertEqual((execution["stdout"], len(execution["results"])), ("1\n3\n", 1))

    def test_clear_of_nobody(self):
        self.assertEqual(self.brief("from IPython.display import clear_output\nclear_output()", silent=True), [("end", "ok")])

    def test_clear_of_a_kernel(self):
        for language, text in (("python3", "from IPython.display import clear_output; clear_output(wait=True)"),
                               ("r", "IRdisplay::clear_output(wait = TRUE)")):
            clear, end = self.events(text, language=language)
            self.assertEqual((clear["type"], clear["wait"], end["status"]), ("clear", True, "ok"))

    THREAD = """import threading
def late():
    with open({0!r}) as go: go.read()
    print('late ü', flush=True)
    with open({0!r}, 'w') as done: done.write('x')
threading.Thread(target=late).start()"""

    def write_late(self):
        """A thread writes after the end of its execution."""
        self.run_code(self.THREAD.format(self.fifo))
        self.box.sh(f"echo >{self.fifo}; cat {self.fifo}")

    def test_earlier(self):
        self.write_late()
        late, own, end = self.events("print('own')")
        self.assertEqual((late["type"], late["text"], late["earlier"]), ("stdout", "late ü\n", True))
        self.assertEqual((own["text"], "earlier" in own), ("own\n", False))
        self.assertEqual(self.brief("print('own')"), [("stdout", "own\n"), ("end", "ok")])

    def test_earlier_and_an_answer(self):
        """An answer contains only output from the time of the execution. A later stream does not get earlier output."""
        self.write_late()
        self.assertEqual(self.run_code("print('own')")["stdout"], "own\n")
        self.assertEqual(self.brief("print('own')"), [("stdout", "own\n"), ("end", "ok")])

    def test_much_earlier(self):
        """The last 64 KiB of output between executions are kept."""
        kept = 64 << 10
        self.run_code(f"(read x <{self.fifo}; seq -w 20000; echo >{self.fifo}) & :", language="bash")
        self.box.sh(f"echo >{self.fifo}; cat {self.fifo}")
        events = self.events("echo own", language="bash")
        text = "".join(event["text"] for event in events[:-2])
        self.assertTrue(all(event["earlier"] for event in events[:-2]))
        self.assertEqual(text, "".join(f"{i:05}\n" for i in range(1, 20001))[-kept:])

    def last_of(self, text, end):
        lines = self.stream(text)
        lines.readline()
        end()
        with lines:
            last = json.loads(list(lines)[-1])
        seen["end"].add(last["status"])
        return last


class Contexts(Codes):
    def state(self, context):
        state = self.contexts()[context]["state"]
        seen["context"].add(state)
        return state

    @own_box
    def test_states(self):
        self.assertEqual(self.state("bash"), "not-started")
        self.run_code("1")
        self.assertEqual(self.state("python"), "idle")
        running = self.begun("begun\nwhile True: pass")
        self.assertEqual(self.state("python"), "busy")
        self.method("InterruptContext", "python")
        running.result()
        starting = Running(self.box, "1", language="r")
        while self.state("r") != "starting":
            pass
        starting.result()


class Runs(BoxTest):
    def test_how(self):
        for argv, keywords, status, how in (
            (["true"], {}, 0, "exited"), (["sh", "-c", "exit 3"], {}, 3, "exited"),
            (["sh", "-c", "kill -TERM $$"], {}, 143, "signaled"), (["sleep", "60"], {"timeout": t(1)}, 137, "timed-out"),
        ):
            exit_status, _, _, details = self.box.call("Run", "(asa{sv})", argv, **keywords)
            self.assertEqual((exit_status, details["how"]), (status, how))
            self.assertEqual(details.get("signal"), status - 128 if status > 128 else None)
            seen["how"].add(how)
            process, *fds = self.box.start(*argv, **keywords)
            self.assertEqual(process.wait(), (status % 128 if how != "exited" else status, how))
            self.assertEqual(process.properties()["ExitHow"], how)
            seen["wait"].add(how)
            for fd in fds:
                os.close(fd)

    def test_out_of_memory(self):
        """Fake machines cannot run out of memory. tests/system/test-guest-environment.py tests the kernel's part."""
        with agent("out-of-memory"):
            box = until_hostile(self.bus, lambda box: box.call("Run", "(asa{sv})", ["true"])[3]["how"] == "out-of-memory")
        self.addCleanup(box.kill)
        exit_status, _, _, details = box.call("Run", "(asa{sv})", ["true"])
        self.assertEqual((exit_status, details["how"], details["signal"]), (137, "out-of-memory", 9))
        seen["how"].add(details["how"])
        process, *fds = box.start("true")
        self.assertEqual(process.wait(), (9, "out-of-memory"))
        seen["wait"].add("out-of-memory")
        for fd in fds:
            os.close(fd)


class agent:
    """Machines that start in this block have an agent of hostile-agent.c."""

    def __init__(self, name):
        self.path, self.control = CONTROL / name, CONTROL / "agent"

    def __enter__(self):
        self.path.symlink_to(os.environ["HOSTILE_AGENT"])
        self.control.with_suffix(".new").write_text(str(self.path))
        self.control.with_suffix(".new").rename(self.control)

    def __exit__(self, *error):
        self.control.unlink()
        self.path.unlink()


def until_hostile(bus, is_it):
    """Returns the first sandbox of this kind. Machines that were ready before are claimed first."""
    for _ in range(10):
        box = Box(bus, "minimal")
        if is_it(box):
            return box
        with contextlib.suppress(Failure):  # it may have ended already
            box.kill()
    raise AssertionError("no machine had the expected agent")


class Signals:
    """Receives the signals about the end of sandboxes."""

    def __init__(self, bus):
        self.reasons = {}
        list_sandboxes(bus)  # signals are sent only to connections that have called the service
        bus.signal_subscribe("org.cloche1", MANAGER, "SandboxRemoved", None, None, 0, self.on_removed)

    def on_removed(self, bus, sender, path, interface, name, parameters):
        sandbox, _, reason = parameters.unpack()
        self.reasons[sandbox] = reason

    def reason(self, box):
        while box.id not in self.reasons:
            GLib.MainContext.default().iteration(True)
        seen["reason"].add(self.reasons[box.id])
        return self.reasons[box.id]


def list_sandboxes(bus):
    return call(bus, "/org/cloche1", MANAGER, "ListSandboxes", "(a{sv})", (options(),))[0]


class Removals(unittest.TestCase):
    """Reasons for the end of a sandbox, and the errors of calls that the end interrupts."""

    def setUp(self):
        self.bus = connect()
        self.addCleanup(self.bus.close_sync, None)
        self.signals = Signals(self.bus)

    def assert_reason(self, box, reason):
        self.assertEqual(self.signals.reason(box), reason)

    def assert_lost(self, box, reason, *argv):
        with self.assertRaises(Failure) as caught:
            box.run(*argv, user="root")
        self.assertEqual(caught.exception.name, "GuestLost")
        self.assertIn(f"has ended: {reason}", caught.exception.message)
        self.assert_reason(box, reason)

    def test_killed(self):
        box = Box(self.bus)
        box.kill()
        self.assert_reason(box, "killed")

    def test_timed_out(self):
        self.assert_lost(Box(self.bus, timeout=t(1)), "timed-out", "sleep", "60")

    def test_machines_that_end(self):
        for name, reason in (("shuts-down", "guest-shut-down"), ("panics", "guest-panicked"), ("dies", "machine-lost"),
                             ("garbage", "protocol-error")):
            with agent(name):
                box = until_hostile(self.bus, lambda box: f"has ended: {reason}" in self.ends(box))
            self.assert_reason(box, reason)

    @staticmethod
    def ends(box):
        try:
            box.run("true")
        except Failure as failure:
            return failure.message
        return ""

    def test_caller_left(self):
        bus = connect()
        bus.call("org.cloche1", "/org/cloche1", MANAGER, "RunCode",
                 GLib.Variant("(ssa{sv})", ("python", "while True: pass", options(template="python", name="leaves"))),
                 None, Gio.DBusCallFlags.NONE, -1, None, None)
        while not (found := [path for path, properties in list_sandboxes(self.bus) if properties["Name"] == "leaves"]):
            pass
        bus.close_sync()
        self.assert_reason(Box.at(self.bus, found[0]), "caller-left")

    def test_service_stopped(self):
        """A stream ends with the service. A sandbox ends if the service is stopped together with its sandboxes."""
        box = Box(self.bus, "interpreter")
        lines = os.fdopen(box.call("StreamCode", "(sa{sv})", "print(1, flush=True)\nwhile True: pass")[0], "rb")
        lines.readline()
        self.stop_service(signal.SIGHUP)
        with lines:
            end = json.loads(list(lines)[-1])
        self.assertEqual((end["status"], end["error"]), ("service-stopping", "org.cloche1.Error.ServiceStopping"))
        seen["end"].add(end["status"])
        list_sandboxes(self.bus)
        self.stop_service(signal.SIGUSR2)
        self.assert_reason(box, "service-stopped")

    def stop_service(self, number):
        """Stops the service; returns when the next instance has the name."""
        owners = []
        self.bus.signal_subscribe("org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged", None, "org.cloche1", 0,
                                  lambda *arguments: owners.append(arguments[-1].unpack()[2]))
        os.kill(os.getppid(), number)
        while not any(owners):
            GLib.MainContext.default().iteration(True)


class Silence(unittest.TestCase):
    """The service ends a machine whose agent has not answered for 20 seconds, which pass while the tests of RunCode run."""

    @classmethod
    def begin(cls):
        """Starts a command in a machine that was ready before, and in one with a silent agent."""
        bus, cls.calls = connect(), []
        cls.signals = Signals(bus)
        with agent("silent"):
            cls.boxes = [Box(bus, "minimal") for _ in range(2)]
        Box(bus, "minimal").kill()  # may have the agent, too; the next machine has not
        for box in cls.boxes:
            bus.call(BUS_NAME, box.path, SANDBOX, "Run", GLib.Variant("(asa{sv})", (["true"], {})), None,
                     Gio.DBusCallFlags.NONE, WAIT_MS, None, lambda bus, result: cls.calls.append(result))
        cls.bus = bus

    def test_silent_agent(self):
        while len(self.calls) < len(self.boxes):
            GLib.MainContext.default().iteration(True)
        with self.assertRaisesRegex(GLib.Error, "GuestLost.*has ended: guest-hung"):
            for result in self.calls:
                self.bus.call_finish(result)
        self.assertEqual(self.signals.reason(self.boxes[1]), "guest-hung")
        self.bus.close_sync()


class Words(unittest.TestCase):
    """This class runs last: the other tests have seen exactly the documented words."""

    def test_all_are_provoked(self):
        for kind, begin in (("status", "@execution: status s ("), ("how", "how s ("), ("wait", "@how: "),
                            ("reason", "EndReason: empty until it has ended; then "), ("context", "state s (\"not-started\"")):
            with self.subTest(kind):
                words = documented(begin) | ({"not-started"} if kind == "context" else set())
                self.assertEqual(seen[kind], words)

    def test_ends_of_streams(self):
        ended, lost = XML.split('{"type": "end", "status": ')[1:]
        documented_ends = ended.partition(', "execution-count"')[0] + lost.partition(', "error":')[0]
        self.assertEqual(seen["end"], set(re.findall(r'"([a-z-]+)"', documented_ends)))

    def test_types_of_events(self):
        part = XML[XML.index("@events: gives a line"):XML.index("Executes code as RunCode() does")]
        types = set(re.findall(r'{"type": "([a-z]+)"', part)) | set(re.findall(r'"type": "stdout" or "([a-z]+)"', part))
        self.assertEqual(seen["type"], types)


tap.main()
