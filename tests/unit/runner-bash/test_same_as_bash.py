# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Bash runner executes the same cells as an interactive bash on a terminal with the same output, also when they are interrupted.

usage: test_same_as_bash.py RUN, where RUN is the runner's entry
"""

import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import termios
import threading
import unittest

from cloche_tests.runner_client import Execution, Runner
from cloche_tests.tap import main

RUN = os.path.abspath(sys.argv[1])
TIMEOUT_S = 100
TRIES = 20
SYNTAX_ERROR = 2  # bash's exit status for a syntax error
HERE = pathlib.Path(__file__).parent
END = "__s=$?; printf 'END %s\\n' $__s; printf 'END\\n' >&2; (exit $__s)\n"


class Stuck(Exception):
    """A ^C at a certain moment makes bash 5.2 send itself signals without end."""


class Terminal:
    """An interactive bash with job control. Its output goes to pipes, because the terminal shows the echo of the input."""

    def __init__(self, folder, environment):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            ["/bin/bash", "--noprofile", "--norc", "--noediting", "+o", "history", "+H", "-i"],
            bufsize=0, stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder, env=environment, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        threading.Thread(target=self._drain, daemon=True).start()
        self.number = 0
        self.execute("PS1= PS2=")

    def _drain(self):
        try:
            while os.read(self.master, 4096):
                pass
        except OSError:
            pass

    def type(self, text):
        os.write(self.master, text.encode())

    def _read(self, number):
        """Returns output, error output and status of the commands before END."""
        out, err = "", ""
        signal.alarm(TIMEOUT_S)  # ends the test
        while not (end := re.search(rf"^(.*?)END{number} (\d+)\n\Z", out, re.S)):
            out += self.process.stdout.readline().decode()
        while not err.endswith(f"END{number}\n"):
            err += self.process.stderr.readline().decode()
        signal.alarm(0)
        return end[1], err.rpartition(f"END{number}\n")[0], int(end[2])

    def _type_end(self):
        self.number += 1
        self.type(END.replace("END", f"END{self.number}"))
        return self.number

    def execute(self, cell):
        self.type(cell + "\n")
        return self._read(self._type_end())

    def interrupt(self, cell):
        """Returns the output. Repeats ^C, because bash misses one that arrives between two commands, and the end, because
        bash discards what was typed before it handles a ^C."""
        self.type(cell + "\n")
        out = ""
        while not out.endswith("now\n"):
            out += self.process.stdout.readline().decode()
        has_ended = False
        for _ in range(TRIES):
            if not has_ended:
                self.type("\x03")
            end = f"END{self._type_end()} "
            while end not in out and select.select([self.process.stdout], [], [], 1)[0]:
                out += self.process.stdout.readline().decode()
                has_ended = True
            if end in out:
                return re.sub(r"END\d+ \d+\n", "", out)
        raise Stuck

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()
        os.close(self.master)


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="cloche-runner-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        environment = {"HOME": cls.folder, "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        cls.runner = Runner(RUN, cls.folder, environment)
        cls.addClassCleanup(cls.runner.close)
        cls.environment = environment
        cls.terminal = Terminal(cls.folder, environment)
        cls.addClassCleanup(lambda: cls.terminal.close())

    def ours(self, cell):
        execution = self.runner.execute(cell)
        name, value, _ = execution.error or ("", "exit status 0", "")
        status = SYNTAX_ERROR if name == "SyntaxError" else int(value.removeprefix("exit status "))
        return execution.out.decode(), execution.err.decode(), status

    def assert_same(self, cell, ours, theirs):
        self.assertEqual(ours, theirs, cell)



def cells(name):
    """Returns the cells of a file."""
    return [cell.rstrip("\n") for cell in (HERE / name).read_text().split("---\n")[1:]]


class Cells(Case):
    """Both streams and the status of a cell are equal. The next cell sees the status."""

    def test_cells(self):
        for cell in cells("cells.txt"):
            with self.subTest(cell):
                self.assert_same(cell, self.ours(cell), self.terminal.execute(cell))

    def test_windows_line_ends(self):
        """Code with line ends of Windows works like other code, including here-documents."""
        for cell in cells("cells.txt"):
            if "\n" in cell:
                with self.subTest(cell):
                    self.assert_same(cell, self.ours(cell.replace("\n", "\r\n") + "\r\n"), self.terminal.execute(cell))
        self.assertEqual(self.ours("if true; then\r\n  echo a\r\nfi")[0], "a\n")
        self.assertEqual(self.ours("x=1\r")[2], 0)
        self.assertEqual(self.ours('echo "[$x]"')[0], "[1]\n")

    def test_carriage_returns_that_are_meant(self):
        """Carriage returns are kept in code whose first line ends without one."""
        for cell in ("x='a\rb'; echo ${#x}", "echo one\nprintf %s 'a\r\nb' | od -An -c", "printf 'a\\r\\n' | od -An -c"):
            with self.subTest(cell):
                done = subprocess.run(["bash", "-c", cell], capture_output=True, text=True, check=True)
                self.assertEqual(self.ours(cell)[0], done.stdout)


class Interrupts(Case):
    """Output before the interrupt, and variables and jobs after it, are equal."""

    STATE = 'echo "[${v-none}] $(jobs -r | grep -c .)"; set -- $(jobs -p); [ $# = 0 ] || { kill $@; wait $@; } 2>/dev/null; unset v; set --'

    def setUp(self):
        folder = pathlib.Path(self.folder)
        (folder / "script.sh").write_text("v=script\necho now\nsleep 60\nv=no\necho never\n")
        (folder / "Makefile").write_text("all:\n\techo now\n\tsleep 60\n\techo never\n")

    def ours_interrupted(self, cell):
        execution = Execution()
        self.runner.begin(cell)
        self.runner.wait_for_output(execution, b"now\n")
        return self.runner.stop(execution).out.decode()

    def test_interrupts(self):
        for cell in cells("interrupted.txt"):
            state = "kill -0 $v && v=alive; " + self.STATE if "v=$!" in cell else self.STATE
            with self.subTest(cell):
                ours = self.ours_interrupted(cell), self.ours(state)[0]
                self.assert_same(cell, ours, self.theirs_interrupted(cell, state))

    def theirs_interrupted(self, cell, state):
        """After a pipeline, bash misses some ^C and continues with the list; the runner must not. Where ^C is shown,
        bash begins a new line."""
        try:
            shown = self.terminal.interrupt(cell)
        except Stuck:
            self.terminal.close()
            type(self).terminal = Terminal(self.folder, self.environment)
            shown = self.terminal.interrupt(cell)
        return shown.replace("never\n", "").replace("\n\n", "\n"), self.terminal.execute(state)[0]

    def test_left_session(self):
        """The command that bash waits for ends although it is in another session, because without a terminal nothing
        else can end it."""
        self.assertEqual(self.ours_interrupted("v=1; echo now; setsid -w sleep 60; echo never"), "now\n")
        self.assertEqual(self.ours("echo $v; unset v")[0], "1\n")

    def test_background(self):
        """A background process continues, whatever its action for SIGINT. It writes "up" when it has set it."""
        up = "perl -e '$SIG{INT} = \"DEFAULT\"; $| = 1; print \"up\\n\"; sleep 60' >fifo"
        for start in (f"{up} &", f"nohup {up} 2>/dev/null &", f"{up} & disown;", f"setsid {up} &", f"({up}) &"):
            with self.subTest(start):
                start = start.replace(" &", " & pid=$!;", 1).replace(";;", ";")
                cell = f"rm -f fifo; mkfifo fifo; {start.rstrip(';')}; read line <fifo; echo now; sleep 60; echo never"
                self.assertEqual(self.ours_interrupted(cell), "now\n")
                self.assertEqual(self.ours("kill -0 $pid && echo $line alive; kill $pid")[0], "up alive\n")


if __name__ == "__main__":
    main()
