# SPDX-License-Identifier: LGPL-2.1-or-later
"""cells: runs code in the test's sandbox, and collects its events."""
import json
import os
import tempfile
import unittest

from cloche_tests.box import BUS_NAME, SANDBOX, WAIT_MS, Box, BoxTest, Failure, Gio, GLib, call, connect, options

# Reports that it has begun, and then runs until it is interrupted.
FOREVER = "import time; f = open({!r}, 'w'); f.write('x'); f.close()\nwhile True: time.sleep(.01)"


class Running:
    """A call of RunCode that was sent and not awaited. Later calls are sent after it."""

    def __init__(self, box, text, **keywords):
        self.answer = None
        box.bus.call(BUS_NAME, box.path, SANDBOX, "RunCode", GLib.Variant("(sa{sv})", (text, options(**keywords))), None,
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


def own_box(test):
    """Marks a test that needs a new sandbox, or changes or ends its sandbox."""
    test.has_own_box = True
    return test


def has_own_box(case):
    return hasattr(getattr(case, case._testMethodName), "has_own_box")


class CodeTest(BoxTest):
    """Tests of a module share a sandbox, because the start of its interpreter takes most of their time. A test sees no names
    in Python, and no contexts that were created, from the test before."""

    template = "interpreter"
    shared = {}  # paths of sandboxes by template

    def setUp(self):
        if has_own_box(self):
            super().setUp()
        else:
            self.bus = connect()
            self.addCleanup(self.bus.close_sync, None)
            self.box = self.share()
            self.forget()
        directory = tempfile.TemporaryDirectory()  # fake machines share the host's files
        self.addCleanup(directory.cleanup)
        self.dir, self.fifo = directory.name, f"{directory.name}/fifo"
        os.mkfifo(self.fifo)

    def share(self):
        if self.template not in self.shared:
            box = self.create_box()
            self.shared[self.template] = box.path
            unittest.addModuleCleanup(self.end_shared, self.template)
        return Box.at(self.bus, self.shared[self.template], self.user)

    def create_box(self):
        return Box(self.bus, self.template, self.user)

    @classmethod
    def end_shared(cls, template):
        bus = connect()
        Box.at(bus, cls.shared.pop(template)).kill()
        bus.close_sync()

    def forget(self):
        for context in self.contexts().values():
            if not context["default"]:
                self.method("RemoveContext", context["id"])
            elif context["language"] == "python" and context["state"] != "not-started":
                self.box.call("RunCode", "(sa{sv})", "%reset -f", silent=True, store_history=False)

    def run_code(self, text, **keywords):
        return self.box.call("RunCode", "(sa{sv})", text, **keywords)[0]

    def value(self, text, **keywords):
        execution = self.run_code(text, **keywords)
        self.assertEqual(execution["status"], "ok", execution)
        return execution["results"][-1]["data"]["text/plain"]

    def events(self, text, **keywords):
        with self.stream(text, **keywords) as lines:
            return [json.loads(line) for line in lines]

    def stream(self, text, **keywords):
        return os.fdopen(self.box.call("StreamCode", "(sa{sv})", text, **keywords)[0], "rb")

    def brief(self, text, **keywords):
        """Returns the type and the main value of each event."""
        keys = {"stdout": "text", "stderr": "text", "result": "data", "error": "name", "end": "status"}
        return [(event["type"], event[keys[event["type"]]]) for event in self.events(text, **keywords)]

    def method(self, name, *values):
        return call(self.bus, self.box.path, SANDBOX, name, "(" + "s" * len(values) + ")", values)

    def create(self, **keywords):
        return self.box.call("CreateContext", "(a{sv})", **keywords)[0]

    def contexts(self):
        return {context["id"]: context for context in self.method("ListContexts")[0]}

    def begin(self, **keywords):
        """Runs code without end in the background; returns when it has begun."""
        call = Running(self.box, FOREVER.format(self.fifo), **keywords)
        self.assertEqual(self.box.sh(f"cat {self.fifo}"), "x")
        return call

    def assert_lost(self, part, running):
        with self.assertRaises(Failure) as caught:
            running.result()
        self.assertEqual(caught.exception.name, "RunnerLost")
        self.assertIn(part, caught.exception.message)
