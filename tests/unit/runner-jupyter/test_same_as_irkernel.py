# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Jupyter runner sends what IRkernel sends to a notebook's client for the same cells.

Usage: test_same_as_irkernel.py RUN
"""
import base64
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
from jupyter_client.manager import KernelManager  # noqa: E402

from cloche_tests import tap
from cloche_tests.runner_client import Execution, Runner

RUN = str(pathlib.Path(sys.argv[1]).resolve())
CELLS = [cell.rstrip("\n") for cell in (HERE / "cells.R").read_text().split("#---\n")[1:]]
TIMEOUT_S = 60
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


class Notebook:
    """Collects everything that the kernel sends for a cell, as a notebook's client does."""

    def __init__(self, folder, environment):
        self.manager = KernelManager(kernel_name="ir")
        self.manager.start_kernel(cwd=folder, env=environment)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(TIMEOUT_S)

    def execute(self, cell):
        """Returns output, error output, results and error."""
        request = self.client.execute(cell, allow_stdin=False, stop_on_error=False)
        streams, results, error, is_idle = {"stdout": "", "stderr": ""}, [], None, False
        while not is_idle:
            message = self.client.get_iopub_msg(timeout=TIMEOUT_S)
            kind, content = message["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") != request:
                continue
            if kind == "stream":
                streams[content["name"]] += content["text"]
            elif kind in ("display_data", "execute_result"):
                results.append(content["data"])
            elif kind == "error":
                error = self.error(content)
            is_idle = kind == "status" and content["execution_state"] == "idle"
        reply = None
        while reply is None or reply["parent_header"].get("msg_id") != request:
            reply = self.client.get_shell_msg(timeout=TIMEOUT_S)
        reply = reply["content"]
        if error is None and reply["status"] == "error":
            error = self.error(reply)
        return streams["stdout"], streams["stderr"], results, error

    @staticmethod
    def error(content):
        return content["ename"], content["evalue"], _ESCAPE.sub("", "\n".join(content["traceback"]))

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def to_bytes(mime, value):
    return base64.b64decode(value) if mime == "image/png" else value.encode()


def without_ids(parts):
    """Each process numbers the parts of cairo's pictures differently."""
    return {mime: re.sub(rb"(glyph|surface|clip)[-\d]+", rb"\1", data) if mime == "image/svg+xml" else data
            for mime, data in parts.items()}


class R(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folders = [tempfile.TemporaryDirectory(prefix="cloche-runner-") for _ in range(2)]
        for folder in folders:
            cls.addClassCleanup(folder.cleanup)
        environment = {"PATH": "/usr/bin:/bin", "HOME": folders[0].name, "LANG": "C.UTF-8"}
        cls.folder = folders[0].name
        cls.runner = Runner(RUN, cls.folder, environment, ["r"])
        cls.addClassCleanup(cls.runner.close)
        cls.notebook = Notebook(folders[1].name, environment)
        cls.addClassCleanup(cls.notebook.close)

    def test_cells(self):
        for cell in CELLS:
            with self.subTest(cell):
                out, err, results, error = self.notebook.execute(cell)
                ours = self.runner.execute(cell)
                self.assertEqual((ours.out.decode(), ours.err.decode()), (out, err))
                results = [{mime: to_bytes(mime, value) for mime, value in data.items()} for data in results]
                self.assertEqual([without_ids(parts) for _, parts in ours.results], [without_ids(parts) for parts in results])
                self.assertEqual(ours.error, error)

    def test_windows_line_ends(self):
        cell = "if (TRUE) {\r\n  cat('a\\n')\r\n}\r\n'b'\r\n"
        ours = self.runner.execute(cell)
        self.assertEqual((ours.error, ours.out, ours.results[0][1]["text/plain"]), (None, b"a\n", b'[1] "b"'))
        self.assertEqual(self.runner.execute("cat('1\n')\ncat(nchar('a\r\nb'))").out, b"1\n4")

    def test_print(self):
        """The output equals that of Rscript."""
        for cell in ("print(1:50)", "print(mtcars)", "print(list(a=1, b=list('x')))", "str(mtcars)", "print(summary(lm(mpg ~ wt, mtcars)))",
                     "cat(format(pi, digits = 10), '\\n')", "print(c(a=1.5, b=NA))", "print('ü')", "system('echo hi')", "print(letters)"):
            done = subprocess.run(["Rscript", "-e", cell], capture_output=True, text=True, check=True,
                                  env={"PATH": "/usr/bin:/bin", "HOME": self.folder, "LANG": "C.UTF-8"})
            self.assertEqual(self.runner.execute(cell).out.decode(), done.stdout)


class Interrupts(R):
    test_cells = test_windows_line_ends = test_print = None

    def interrupted(self, code):
        """Runs code that prints "now" and then does not end, and interrupts it. The state must be kept."""
        self.runner.execute("kept <- 5")
        execution = Execution()
        self.runner.begin(code)
        self.runner.wait_for_output(execution, b"now\n")
        self.runner.stop(execution)
        self.assertEqual(self.runner.execute("kept").results[-1][1]["text/plain"], b"[1] 5")
        return execution

    def test_code(self):
        for code in ('cat("now\n"); Sys.sleep(60); cat("never\n")', 'cat("now\n"); while (TRUE) {}',
                     'cat("now\n"); m <- matrix(runif(1e6), 1000); repeat m %*% m',
                     'cat("now\n"); x <- system("sleep 60; echo no", intern = TRUE); cat("never\n")',
                     'cat("now\n"); readLines(pipe("sleep 60")); cat("never\n")',
                     'system("echo now; sleep 60; echo no")', 'system2("sh", c("-c", shQuote("echo now; sleep 60; echo no")))'):
            with self.subTest(code):
                execution = self.interrupted(code)
                self.assertEqual(execution.out, b"now\n")

    def test_error(self):
        execution = self.interrupted('cat("now\n"); Sys.sleep(60)')
        self.assertEqual((execution.status, execution.error[0]), (2, "KeyboardInterrupt"))

    def test_handlers(self):
        execution = self.interrupted('''tryCatch({ cat("now\n"); flush.console(); Sys.sleep(60) },
            interrupt = function(i) cat("caught\n"), finally = cat("fin\n"))''')
        self.assertEqual((execution.out, execution.status), (b"now\ncaught\nfin\n", 0))

    def test_background(self):
        """A program that system() does not wait for continues."""
        program = f"sh -c 'echo $$ > {self.folder}/pid; exec sleep 60'"
        code = f'system("{program}", wait = FALSE); cat("now\n"); Sys.sleep(60)'
        self.runner.execute(f'system("mkfifo {self.folder}/pid")')
        execution = Execution()
        self.runner.begin(code)
        pid = int((pathlib.Path(self.folder) / "pid").read_text())
        self.runner.wait_for_output(execution, b"now\n")
        self.assertEqual(self.runner.stop(execution).status, 2)
        os.kill(pid, 9)  # the process exists


tap.main()
