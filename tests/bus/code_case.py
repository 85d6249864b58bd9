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
from cloche_tests.console import CLOCHE, CliTest

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
                       "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
SHOW = "from IPython.display import Image, HTML, display\n"
FIGURE = f"{SHOW}display(Image(data={PNG!r}))"
QUESTION = "\033[c"
# Not print(): interrupted in the middle of it, it may print twice.
SLEEP = "import os, time\nos.write(1, b'on\\n')\ntime.sleep(1000)"


class CodeTest(CliTest):
    template = "interpreter"

    def ids(self):
        return [box["Id"] for box in json.loads(self.out("list", "--json"))["sandboxes"]]

    def kill_service(self):
        """with-service starts it again."""
        os.kill(os.getppid(), signal.SIGUSR1)

    def wait_for_service(self):
        self.wait_until(lambda: subprocess.run([CLOCHE, "list"], capture_output=True).returncode == 0)

    def assert_own_sandbox_is_gone(self):
        self.wait_until(lambda: self.ids() == [self.box])

    def create_context(self, **words):
        return call(connect(), f"/org/cloche1/sandbox/{self.box}", SANDBOX, "CreateContext", "(a{sv})",
                    [options(**words)])[0]

    def watch_calls(self):
        """A monitor loses its name when it begins to see what others send."""
        calls = subprocess.Popen(["dbus-monitor", "--session", "member='StreamCode'"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.reap, calls)
        self.assertTrue(any("member=NameLost" in line for line in calls.stdout))
        return calls

    def next_call(self, calls):
        """The options, up to the end of their array."""
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
