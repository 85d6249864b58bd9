# SPDX-License-Identifier: LGPL-2.1-or-later
"""cells: runs code in a sandbox of the test's own, and collects its events."""
import json
import os

from cloche_tests.box import BUS_NAME, SANDBOX, WAIT_MS, BoxTest, Failure, Gio, GLib, call, options

# Says that it has begun, and then goes on until it is interrupted.
FOREVER = "import time; f = open({!r}, 'w'); f.write('x'); f.close()\nwhile True: time.sleep(.01)"


class Running:
    """A RunCode that was sent; what is called next comes behind it."""

    def __init__(self, box, text, **words):
        self.answer = None
        box.bus.call(BUS_NAME, box.path, SANDBOX, "RunCode", GLib.Variant("(sa{sv})", (text, options(**words))), None,
                     Gio.DBusCallFlags.NONE, WAIT_MS, None, self.on_answer)

    def on_answer(self, bus, result):
        try:
            self.answer, = bus.call_finish(result).unpack()
        except GLib.Error as error:
            self.answer = Failure(error)

    def result(self):
        while self.answer is None:
            GLib.MainContext.default().iteration(True)
        if isinstance(self.answer, Failure):
            raise self.answer
        return self.answer


class CodeTest(BoxTest):
    template = "interpreter"

    def setUp(self):
        super().setUp()
        self.dir = self.box.sh("mktemp -d").strip()
        self.addCleanup(lambda: self.box.sh(f"rm -rf {self.dir}"))
        self.fifo = f"{self.dir}/fifo"
        self.box.sh(f"mkfifo {self.fifo}")

    def run_code(self, text, **words):
        return self.box.call("RunCode", "(sa{sv})", text, **words)[0]

    def value(self, text, **words):
        execution = self.run_code(text, **words)
        self.assertEqual(execution["status"], "ok", execution)
        return execution["results"][-1]["data"]["text/plain"]

    def events(self, text, **words):
        with self.stream(text, **words) as lines:
            return [json.loads(line) for line in lines]

    def stream(self, text, **words):
        return os.fdopen(self.box.call("StreamCode", "(sa{sv})", text, **words)[0], "rb")

    def brief(self, text, **words):
        """Type, and what tells it from others, of each event."""
        keys = {"stdout": "text", "stderr": "text", "result": "data", "error": "name", "end": "status"}
        return [(event["type"], event[keys[event["type"]]]) for event in self.events(text, **words)]

    def method(self, name, *values):
        return call(self.bus, self.box.path, SANDBOX, name, "(" + "s" * len(values) + ")", values)

    def create(self, **words):
        return self.box.call("CreateContext", "(a{sv})", **words)[0]

    def contexts(self):
        return {context["id"]: context for context in self.method("ListContexts")[0]}

    def begin(self, **words):
        """Executes without end in the background; returns when the code runs."""
        call = Running(self.box, FOREVER.format(self.fifo), **words)
        self.assertEqual(self.box.sh(f"cat {self.fifo}"), "x")
        return call

    def assert_lost(self, part, running):
        with self.assertRaises(Failure) as caught:
            running.result()
        self.assertEqual(caught.exception.name, "RunnerLost")
        self.assertIn(part, caught.exception.message)
