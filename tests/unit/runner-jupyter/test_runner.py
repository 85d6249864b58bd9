# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Jupyter runner follows the runner protocol with the kernels of Python and R.

Usage: test_runner.py RUN
"""
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

from cloche_tests import tap
from cloche_tests.runner_client import (
    COLOURS,
    EXECUTE,
    NO_HISTORY,
    SILENT,
    Execution,
    Runner,
    RunnerGone,
    text,
    texts,
)

RUN = str(pathlib.Path(sys.argv[1]).resolve())
OK, FAILED, INTERRUPTED = range(3)
PNG = b"\x89PNG\r\n\x1a\n"


def environment():
    """An environment without variables that another Python of this machine has set."""
    return {"PATH": "/usr/bin:/bin", "HOME": Case.home.name, "LANG": "C.UTF-8"}


class Case(unittest.TestCase):
    kernel = None

    @classmethod
    def setUpClass(cls):
        Case.home = tempfile.TemporaryDirectory(prefix="cloche-runner-")
        cls.runner = Runner(RUN, cls.home.name, environment(), [cls.kernel])

    @classmethod
    def tearDownClass(cls):
        cls.runner.close()
        cls.home.cleanup()

    def run_code(self, code, *arguments, **options):
        return self.runner.execute(code, *arguments, **options)

    def interrupted(self, code):
        """Runs code that prints "begun" and then does not end, and interrupts it."""
        execution = Execution()
        self.runner.begin(code)
        self.runner.wait_for_output(execution, b"begun")
        self.runner.interrupt()
        return self.runner.finish(execution)

    def plain(self, code, **options):
        execution = self.run_code(code, **options)
        self.assertEqual((execution.status, execution.error), (OK, None))
        return execution.results[-1][1]["text/plain"].decode()


class Python(Case):
    kernel = "python3"

    def test_ready(self):
        self.assertEqual(self.runner.ready[0], "python")
        self.assertRegex(self.runner.ready[1], r"^3\.")

    def test_state(self):
        self.run_code("x = 6")
        self.assertEqual(self.plain("x * 7"), "42")

    def test_checks(self):
        count = self.run_code("x = 'kept'").count
        self.runner.assert_checks("complete", ("1", "def f():\r\n    return 1\r\n"))
        self.runner.assert_checks("invalid", ("1 +", ")"))
        self.assertEqual(self.runner.check("if x:\n  while y:").completeness, ("incomplete", " " * 6))
        self.assertEqual(self.runner.check("x = 2").count, count)
        self.assertEqual(self.plain("x"), "'kept'")
        refused = self.runner.check("1", "old")
        self.assertEqual((refused.completeness, refused.error[0], refused.status), (None, "ValueError", FAILED))

    def test_check_without_reply(self):
        """A stopped kernel does not reply."""
        pid = int(self.plain("import os, signal, threading\n"
                             "threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGSTOP)).start()\nos.getpid()"))
        while pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.01)
        self.assertEqual(self.runner.check("1").completeness, ("unknown", ""))
        self.runner.begin_check("1")
        stopped = self.runner.stop(Execution())
        self.assertEqual((stopped.completeness, stopped.status), (None, INTERRUPTED))
        os.kill(pid, signal.SIGCONT)
        self.assertEqual(self.plain("6 * 7"), "42")

    def test_order(self):
        execution = self.run_code("import sys; print('out'); print('err', file=sys.stderr); display('shown'); 'value'")
        self.assertEqual((execution.out, execution.err), (b"out\n", b"err\n"))
        self.assertEqual([(main, parts["text/plain"]) for main, parts in execution.results],
                         [(False, b"'shown'"), (True, b"'value'")])

    def test_pictures_are_bytes(self):
        execution = self.run_code("import base64; display({'image/png': base64.b64encode(b'\\x89PNG').decode()}, raw=True)")
        self.assertEqual(execution.displays, [{"image/png": b"\x89PNG"}])

    def test_updates(self):
        execution = self.run_code("h = display(1, display_id='d'); h.update(2)")
        self.assertEqual([(flags, identity) for flags, identity, _ in execution.details], [(0, "d"), (2, "d")])

    def test_clear(self):
        execution = self.run_code("from IPython.display import clear_output\nprint(1); clear_output(wait=True); display(2); clear_output()")
        self.assertEqual(execution.clears, [(1, 0, b"1\n"), (0, 1, b"1\n")])

    def test_errors(self):
        execution = self.run_code("def f(): 1 / 0\nf()")
        name, value, traceback = execution.error
        self.assertEqual((execution.status, name, value), (FAILED, "ZeroDivisionError", "division by zero"))
        self.assertIn("in f()", traceback)
        self.assertNotIn("\x1b", traceback)
        self.assertIn("\x1b[", self.run_code("1 / 0", COLOURS).error[2])
        self.assertEqual(self.run_code("1 +").error[0], "SyntaxError")

    def test_input(self):
        execution = self.run_code("input('?')")
        self.assertEqual((execution.status, execution.error[0]), (FAILED, "StdinNotImplementedError"))

    def test_flags(self):
        count = self.run_code("1").count
        self.assertEqual(self.run_code("2", NO_HISTORY).count, count)
        silent = self.run_code("print('out'); 3", SILENT)
        self.assertEqual((silent.out, silent.results, silent.count), (b"out\n", [], count))
        self.assertEqual(self.run_code("4").count, count + 1)

    def test_environment(self):
        ask = "import os; os.environ.get('A'), os.environ.get('PATH')"
        self.assertEqual(self.plain(ask, environment=["A=a 'b' \"c\"\n", "PATH=/x"]), repr(("a 'b' \"c\"\n", "/x")))
        self.assertEqual(self.plain(ask), repr((None, "/usr/bin:/bin")))

    def test_interrupt(self):
        self.run_code("x = 1")
        execution = self.interrupted("print('begun', flush=True)\nimport time; time.sleep(1000)")
        self.assertEqual((execution.status, execution.error[0]), (INTERRUPTED, "KeyboardInterrupt"))
        self.assertEqual(self.plain("x"), "1")

    def test_dialect(self):
        payload = struct.pack("<I", 0) + text("two") + text("1") + texts([])
        self.runner.socket.sendall(self.runner.frame(EXECUTE, payload))
        self.assertEqual(self.runner.finish().error[1], "python has no dialect 'two'")

    def test_sync(self):
        nonce = bytes(range(16))
        request = self.runner.execute_frame("open('executed', 'w')")
        for size in (1, 20, len(request)):
            self.runner.socket.sendall(request[:size] + self.runner.sync_bytes(nonce))
            self.assertEqual(self.runner.finish_sync(nonce)[0], b"")
        self.assertFalse(os.path.exists(os.path.join(self.home.name, "executed")))

    def test_large_output(self):
        self.assertEqual(len(self.run_code("print('x' * 3_000_000)").out), 3_000_001)


class R(Case):
    kernel = "r"

    def test_checks(self):
        self.runner.assert_checks("complete", ("1 + 1", "x <- c(1, 2)", "'a\nb'", "x %in% y"))
        self.runner.assert_checks("incomplete", ("c(1,", "x <-", "a |>", "'a\n", "function(x) {"))
        self.runner.assert_checks("invalid", (")", "a b"))

    def test_ready(self):
        self.assertEqual(self.runner.ready[0], "r")

    def test_state(self):
        self.run_code("x <- 6")
        self.assertEqual(self.plain("x * 7"), "[1] 42")

    def test_output(self):
        execution = self.run_code("cat('é\\n'); message('err')")
        self.assertEqual((execution.out.decode(), execution.err.strip()), ("é\n", b"err"))

    def test_plot(self):
        self.assertEqual(self.run_code("plot(1:3)").results[0][1]["image/png"][:8], PNG)

    def test_errors(self):
        execution = self.run_code("stop('boom')")
        self.assertEqual(execution.status, FAILED)
        self.assertIn("boom", execution.error[1])
        self.assertIn("unexpected end of input", self.run_code("1 +").error[1])
        self.assertIn("not available", self.run_code("readline('?')").error[1])

    def test_environment(self):
        value = "a \"b\" 'c' \\ é"
        self.assertEqual(self.run_code("cat(Sys.getenv('A'))", environment=["A=" + value]).out.decode(), value)
        self.assertEqual(self.run_code("cat(Sys.getenv('A', unset = 'none'))").out, b"none")

    def test_interrupt(self):
        self.run_code("x <- 1")
        execution = self.interrupted("cat('begun\\n'); flush.console(); while (TRUE) {}")
        self.assertEqual(execution.status, INTERRUPTED)
        self.assertEqual(self.plain("x"), "[1] 1")

    def test_no_ports(self):
        """The kernel listens on no TCP port, so other users of the guest cannot reach it."""
        shown = self.run_code("cat(system('ls -l /proc/$PPID/fd', intern = TRUE))").out.decode()
        sockets = set(re.findall(r"socket:\[(\d+)\]", shown))
        ports = {line.split()[9] for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]}
        self.assertNotEqual(sockets, set())
        self.assertEqual(sockets & ports, set())

    def test_environment_after_an_error(self):
        self.run_code("Sys.setenv(B = '1')")
        self.assertEqual(self.run_code("stop()", environment=["B=2"]).status, FAILED)
        self.assertEqual(self.plain("Sys.getenv('B')"), "[1] \"1\"")

    def test_reseed(self):
        execution = self.runner.reseed(b"r" * 32, ["C=it's"], "/usr")
        self.assertEqual((execution.status, execution.error), (OK, None))
        self.assertEqual(self.run_code("cat(getwd(), Sys.getenv('C'))").out, b"/usr it's")
        self.assertEqual(self.runner.reseed(b"r" * 32, [], "/nowhere").status, FAILED)

    def test_seeds(self):
        """Two kernels that were started and one that was reseeded have different random numbers."""
        values = {self.plain("runif(1)")}
        self.runner.reseed(bytes(32))
        values.add(self.plain("runif(1)"))
        other = Runner(RUN, self.home.name, environment(), [self.kernel])
        values.add(other.execute("runif(1)").results[-1][1]["text/plain"].decode())
        other.close()
        self.assertEqual(len(values), 3)
        self.runner.reseed(bytes(32))
        self.assertIn(self.plain("runif(1)"), values)


class Others(unittest.TestCase):
    def test_no_such_kernel(self):
        with tempfile.TemporaryDirectory(prefix="cloche-runner-") as home:
            with self.assertRaises(RunnerGone) as caught:
                Runner(RUN, home, {"PATH": "/usr/bin:/bin", "HOME": home}, ["cobol"])
        status, said = caught.exception.args
        self.assertEqual(status, 64)
        self.assertRegex(said.decode(), r"^no kernel in this guest has this name or language; there are: .*python3")

    def test_no_jupyter(self):
        """-S excludes the directories of Debian's packages."""
        done = subprocess.run(["/usr/bin/python3", "-S", RUN, "python3"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 64)
        self.assertRegex(done.stderr, "^Jupyter is not installed in this guest")

    def test_kernel_that_dies(self):
        with tempfile.TemporaryDirectory(prefix="cloche-runner-") as home:
            runner = Runner(RUN, home, {"PATH": "/usr/bin:/bin", "HOME": home}, ["python3"])
            with self.assertRaises(RunnerGone) as caught:
                runner.execute("import os; os._exit(5)")
            self.assertEqual(caught.exception.args[0], 1)
            self.assertIn(b"the Jupyter kernel 'python3' ended with exit status 5", caught.exception.args[1])

    def test_end_of_the_socket(self):
        with tempfile.TemporaryDirectory(prefix="cloche-runner-") as home:
            variables = {"PATH": "/usr/bin:/bin", "HOME": home, "TMPDIR": home}
            runner = Runner(RUN, home, variables, ["python3"])
            runner.close()
            self.assertEqual(runner.process.returncode, 0)
            self.assertEqual([name for name in os.listdir(home) if name.startswith("cloche-")], [])


tap.main()
