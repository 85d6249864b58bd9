# SPDX-License-Identifier: LGPL-2.1-or-later
"""code_case: what the tests of "cloche code" and "cloche repl" share."""
import base64
import json
import os
import pathlib
import signal
import subprocess
import tempfile

from cloche_tests.box import SANDBOX, call, connect, options
from cloche_tests.cells import has_own_box
from cloche_tests.console import CLOCHE, CliTest

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
                       "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
SHOW = "from IPython.display import Image, HTML, display\n"
FIGURE = f"{SHOW}display(Image(data={PNG!r}))"
QUESTION = "\033[c"
# os.write() and not print(), which may print twice if it is interrupted.
SLEEP = "import os, time\nos.write(1, b'on\\n')\ntime.sleep(1000)"


class CodeTest(CliTest):
    """Tests share a sandbox, which the first one that needs it creates, because the start of its interpreter takes most of
    their time."""
    template = "interpreter"
    shared = None

    def setUp(self):
        self.own = None
        self.addCleanup(self.kill_others)

    @property
    def box(self):
        if not has_own_box(self):
            CodeTest.shared = CodeTest.shared or self.create_box()
            return CodeTest.shared
        self.own = self.own or self.create_box()
        return self.own

    def create_box(self):
        return self.out("create", "--template", self.template).strip()

    def others(self):
        """The ids of all sandboxes except the shared one."""
        return [box["Id"] for box in json.loads(self.out("list", "--json"))["sandboxes"] if box["Id"] != self.shared]

    def kill_others(self):
        if others := self.others():
            self.cloche("kill", *others)

    def kill_service(self):
        """Makes with-service kill the service and start it again."""
        os.kill(os.getppid(), signal.SIGUSR1)

    def wait_for_service(self):
        self.wait_until(lambda: subprocess.run([CLOCHE, "list"], capture_output=True).returncode == 0)

    def assert_own_sandbox_is_gone(self):
        self.wait_until(lambda: self.others() == [])

    def create_context(self, **keywords):
        return call(connect(), f"/org/cloche1/sandbox/{self.box}", SANDBOX, "CreateContext", "(a{sv})",
                    [options(**keywords)])[0]

    def watch_calls(self):
        """Starts dbus-monitor. It loses its name when it begins to receive other clients' messages."""
        calls = subprocess.Popen(["dbus-monitor", "--session", "member='StreamCode'"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.reap, calls)
        self.assertTrue(any("member=NameLost" in line for line in calls.stdout))
        return calls

    def next_call(self, calls):
        """Returns the text of the next call, up to the end of its options."""
        text = ""
        while not text.endswith("\n   ]\n"):
            text += calls.stdout.readline()
        return text

    def file(self, name, text):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        path = os.path.join(directory.name, name)
        pathlib.Path(path).write_text(text)
        return path
