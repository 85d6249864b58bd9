# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-examples: docs/examples do what docs/driving-cloche.md says.

In an environment whose system bus has the service (with-service), with a default template that has Python. The examples
write to the user's home, which fake machines share with this test, so the home must be a copy (with-home.sh).
"""
import ast
import json
import os
import pathlib
import pwd
import re
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
from cloche_tests import tap

EXAMPLES = TOP / "docs/examples"
HOME = pathlib.Path(pwd.getpwuid(0).pw_dir)
NO_FILE = "file 'notes/nothing.txt': No such file or directory"
ALL = ["run: 0 HELLO exited", "stream: got one", "stream: got two", "stream: exited 3", "file: remember the milk",
       "list: file today.txt 18", "watch: remove today.txt", "port: HTTP/1.0 200 OK", "code: computing 42",
       "code: error ZeroDivisionError", f"error: org.cloche1.Error.NoSuchFile - {NO_FILE}"]


AGENT = ["sum: 17", "model reads: sum: 17", "model reads: IndexError: list index out of range", "saved: chart-0.png",
         "model reads: [a chart: bar, 'Sales': ", "model reads: The interpreter died during the execution", "model reads: 42"]


class Examples(unittest.TestCase):
    def setUp(self):
        self.assertFalse((HOME / "notes").exists())
        self.addCleanup(subprocess.run, ["rm", "-rf", HOME / "notes"], check=True)

    def run_example(self, *command):
        """Runs an example, and returns its output. It must succeed and leave no sandbox."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stderr)
        left = subprocess.run(["busctl", "call", "--system", "org.cloche1", "/org/cloche1", "org.cloche1.Manager",
                               "ListSandboxes", "a{sv}", "0"], capture_output=True, text=True, check=True)
        self.assertEqual(left.stdout, 'a(oa{sv})s 0 ""\n')
        return done.stdout.splitlines(), done.stderr.splitlines()

    def test_python(self):
        lines = list(ALL)
        lines.insert(lines.index("code: computing 42"), "keep: again")
        self.assertEqual(self.run_example("/usr/bin/python3", EXAMPLES / "python.py"), (lines, []))

    def test_javascript(self):
        self.assertEqual(self.run_example("gjs", "-m", EXAMPLES / "javascript.js"), (ALL, []))

    def check_agent(self, *command):
        with tempfile.TemporaryDirectory() as folder:
            lines, errors = self.run_example(*command, folder)
            picture = pathlib.Path(folder, "chart-0.png").read_bytes()
        self.assertEqual([line[:len(wanted)] for line, wanted in zip(lines, AGENT, strict=True)], AGENT)
        self.assertIn(9, [bar["value"] for bar in json.loads(lines[4].partition(": [a chart: bar, 'Sales': ")[2][:-1])])
        self.assertEqual((picture[:8], errors), (b"\x89PNG\r\n\x1a\n", []))

    def test_agent_python(self):
        self.check_agent("/usr/bin/python3", EXAMPLES / "agent.py")

    def test_agent_javascript(self):
        self.check_agent("gjs", "-m", EXAMPLES / "agent.js")

    def test_c(self):
        with tempfile.TemporaryDirectory() as folder:
            program = os.path.join(folder, "main")
            built = subprocess.run([EXAMPLES / "c/build.sh", os.environ["CLOCHE_XML"], program],
                                   capture_output=True, text=True, timeout=120, check=False)
            self.assertEqual((built.returncode, built.stderr), (0, ""))
            lines, errors = self.run_example(program)
        self.assertEqual(errors, [])
        event = next(line for line in lines if line.startswith("watch: "))
        self.assertEqual(json.loads(event.partition(" ")[2]), {"event": "remove", "path": "today.txt", "directory": False})
        lines[lines.index(event)] = "watch: remove today.txt"
        self.assertEqual(lines, [line for line in ALL if "ZeroDivisionError" not in line])

    def test_busctl(self):
        lines, errors = self.run_example(EXAMPLES / "busctl.sh")
        self.assertRegex(lines[0], r'^issa\{sv\} 0 "HELLO" "" .*"how" s "exited"')
        self.assertRegex(lines[1], r'^issa\{sv\} 0 "remember the milk" "" ')
        entry, (entries, after), execution = (json.loads(line)["data"] for line in lines[2:5])
        self.assertEqual(entry[0]["path"]["data"], str(HOME / "notes/today.txt"))
        self.assertEqual([(e["name"]["data"], e["size"]["data"]) for e in entries], [("today.txt", 17)])
        self.assertEqual(after, "")
        self.assertEqual(execution[0]["results"]["data"][0]["data"]["data"]["text/plain"]["data"], "42")
        self.assertEqual(lines[5:], ["busctl ends with status 1"])
        self.assertEqual(errors, [f"Call failed: {NO_FILE}"])

    def test_gdbus(self):
        lines, errors = self.run_example(EXAMPLES / "gdbus.sh")
        self.assertRegex(lines[0], r"^\(0, 'HELLO', '', \{.*'how': <'exited'>")
        self.assertEqual(lines[1], "()")
        self.assertRegex(lines[2], r"^\(0, 'remember the milk', '', ")
        self.assertIn(f"'path': <'{HOME}/notes/today.txt'>", lines[3])
        names = re.findall(r"'name': <('[^']*')>", lines[4])
        self.assertEqual([ast.literal_eval(name) for name in names], ["today.txt"])
        self.assertIn("{'text/plain': <'42'>}", lines[5])
        self.assertEqual(lines[6:], ["gdbus ends with status 1", "()"])
        self.assertEqual(errors, [f"Error: GDBus.Error:org.cloche1.Error.NoSuchFile: {NO_FILE}"])


tap.main()
