# SPDX-License-Identifier: LGPL-2.1-or-later
"""console: runs the command line in terminals and pipes. Its path is the first argument of the test."""
import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
import unittest

CLOCHE = os.path.abspath(sys.argv[1])
WAIT_S = 60


class CliTest(unittest.TestCase):
    """Each test has its own sandbox."""
    template = "minimal"

    def setUp(self):
        self.box = self.out("create", "--template", self.template).strip()
        self.addCleanup(subprocess.run, [CLOCHE, "kill", "--all"], capture_output=True, check=True)

    def cloche(self, *arguments, status=0, **options):
        done = subprocess.run([CLOCHE, *arguments], capture_output=True, timeout=WAIT_S,
                              **({"stdin": subprocess.DEVNULL} | options))
        self.assertEqual(done.returncode, status, (arguments, done.stdout[-1000:], done.stderr))
        return done

    def out(self, *arguments, **options):
        return self.cloche(*arguments, **options).stdout.decode()

    def err(self, *arguments, **options):
        return self.cloche(*arguments, **options).stderr.decode()

    def popen(self, *arguments, **options):
        process = subprocess.Popen([CLOCHE, *arguments], **options)
        self.addCleanup(self.reap, process)
        return process

    def reap(self, process):
        process.kill()
        process.wait()
        for file in process.stdin, process.stdout, process.stderr:
            if file:
                file.close()

    def wait_until(self, condition):
        end = time.monotonic() + WAIT_S
        while not condition():
            self.assertLess(time.monotonic(), end, "timed out while waiting for a condition")


class Terminal(CliTest):
    """Runs commands on a terminal, and checks its attributes from the other end."""

    def setUp(self):
        super().setUp()
        self.ours, self.theirs = os.openpty()
        self.addCleanup(os.close, self.ours)
        self.addCleanup(os.close, self.theirs)
        self.before = termios.tcgetattr(self.theirs)
        self.text = ""
        self.resize(100, 30)

    def resize(self, columns, rows):
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def start(self, *arguments, **variables):
        environment = {**os.environ, "TERM": "vt220", **variables}
        self.running = self.popen(*arguments, stdin=self.theirs, stdout=self.theirs, stderr=self.theirs,
                                  env=environment, start_new_session=True,
                                  preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def read(self):
        self.assertTrue(select.select([self.ours], [], [], WAIT_S)[0], f"there is no output after {self.text!r}")
        self.text += os.read(self.ours, 65536).decode(errors="replace")

    def until(self, pattern):
        while not (found := re.search(pattern, self.text)):
            self.read()
        self.text = self.text[found.end():]
        return found

    def type(self, keys):
        os.write(self.ours, keys.encode())

    def end(self, status):
        self.assertEqual(self.running.wait(WAIT_S), status)
        self.assertEqual(termios.tcgetattr(self.theirs), self.before)
