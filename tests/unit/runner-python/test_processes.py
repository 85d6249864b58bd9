# SPDX-License-Identifier: LGPL-2.1-or-later
"""Processes of the Python runner: children, pools and threads of the code, and ends of the runner itself.

usage: test_processes.py RUN, where RUN is the runner's entry
"""

import os
import tempfile
import unittest

from case import Case, start

from cloche_tests.runner_client import RunnerGone
from cloche_tests.tap import main


class Processes(Case):
    def test_child_falls_out(self):
        for code, status in (("pass", 0), ("1 / 0", 256), ("import sys; sys.exit(7)", 7 * 256)):
            execution = self.run_ok(
                f"import os\npid = os.fork()\nif pid == 0:\n    display('child')\n    {code}\n"
                "else:\n    status = os.waitpid(pid, 0)[1]\n"
                "if pid: display('parent')\nstatus if pid else 0"
            )
            self.assertEqual(execution.plain, str(status))
            self.assertEqual(execution.displays, [{"text/plain": b"'parent'"}])
            self.assertEqual(b"ZeroDivisionError" in execution.err, status == 256)

    def test_pools(self):
        self.run_ok("import multiprocessing, operator\nfrom concurrent import futures")
        self.run_ok("def double(n):\n    return 2 * n")
        for pool in (
            "multiprocessing.Pool(2)",
            "futures.ProcessPoolExecutor(2)",
            "futures.ThreadPoolExecutor(2)",
        ):
            code = f"with {pool} as pool: numbers = list(pool.map(double, range(3)))\nnumbers"
            self.assertEqual(self.value(code), "[0, 2, 4]")
        spawned = self.run_ok(
            "context = multiprocessing.get_context('spawn')\n"
            "with context.Pool(1) as p: r = p.map(operator.neg, [1, 2])\nr"
        )
        self.assertEqual(spawned.plain, "[-1, -2]")

    def test_thread_outlives_execution(self):
        self.run_ok("import threading\ngo = threading.Event()\n"
                    "def late():\n    go.wait(); display('late'); print('late')\n"
                    "thread = threading.Thread(target=late); thread.start()")
        execution = self.run_ok("go.set(); thread.join()")
        self.assertEqual(execution.out, b"late\n")
        self.assertEqual(execution.displays, [{"text/plain": b"'late'"}])

    def test_children_inherit_no_channel(self):
        execution = self.run_ok("import os; os.system('ls -l /proc/self/fd') and None")
        self.assertNotIn(b"socket", execution.out)
        self.assertIn(b"pipe", execution.out)


class Endings(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="cloche-runner-")
        self.addCleanup(self.folder.cleanup)

    def test_host_closes(self):
        runner = start(self.folder.name)
        runner.execute("from threading import Event, Thread\nThread(target=Event().wait).start()")
        runner.close()
        self.assertEqual(runner.process.returncode, 0)

    def test_dies(self):
        runner = start(self.folder.name)
        with self.assertRaises(RunnerGone) as caught:
            runner.execute("import os; os._exit(9)")
        self.assertEqual(caught.exception.args[0], 9)
        runner.close()

    def test_reset(self):
        runner = start(self.folder.name)
        self.addCleanup(runner.close)
        runner.execute("gone = 1")
        runner.execute("%reset -f")
        self.assertEqual(runner.execute("gone").error[0], "NameError")
        self.assertEqual(runner.execute("get_ipython().execution_count = -5").count, 0)
        self.assertEqual(runner.execute("1").plain, "1")

    def test_without_libraries(self):
        for name in ("numpy", "pandas", "matplotlib", "PIL"):
            stub = os.path.join(self.folder.name, f"{name}.py")
            with open(stub, "w") as file:
                file.write("raise ImportError('not in this image')\n")
        runner = start(self.folder.name, PYTHONPATH=self.folder.name)
        self.addCleanup(runner.close)
        self.assertEqual(runner.execute("import pandas").error[0], "ImportError")
        self.assertEqual(runner.execute("1 + 1").plain, "2")
        self.assertEqual(runner.reseed(b"e" * 32).status, 0)


if __name__ == "__main__":
    main()
