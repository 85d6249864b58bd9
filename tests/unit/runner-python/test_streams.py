# SPDX-License-Identifier: LGPL-2.1-or-later
"""Output of the Python runner is complete and in its order, and memory does not grow with the number of cells.

usage: test_streams.py RUN, where RUN is the runner's entry
"""

import re

from case import Case

from cloche_tests.runner_client import Execution
from cloche_tests.tap import main


class Counting(Execution):
    """Counts the output instead of keeping it."""

    size = 0

    @property
    def out(self):
        return b""

    @out.setter
    def out(self, data):
        self.size += len(data)


class Streams(Case):
    def test_order(self):
        execution = self.run_ok(
            "import os, subprocess\nprint('1', end='')\nos.system('printf 2')\n"
            "subprocess.run(['printf', '3'])\nprint('4', end='')\n!printf 5"
        )
        # Python keeps an incomplete line in its buffer, unless IPython starts the command.
        self.assertEqual(sorted(execution.out.decode()), list("12345"))
        self.assertLess(execution.out.index(b"4"), execution.out.index(b"5"))

    def test_flood(self):
        """Many lines are written together, but before any output that follows them."""
        flood = "for i in range(20_000): print(i)\n"
        printed = "".join(f"{i}\n" for i in range(20_000)).encode()
        for code, after in (
            ("", b""),
            ("import subprocess; subprocess.run(['printf', 'x']);", b"x"),
            ("import os; os.system('printf x');", b"x"),
            ("if os.fork() == 0:\n    print('x'); os._exit(0)\nos.wait();", b"x\n"),
            ("sys.stdout.flush(); os.write(1, b'x');", b"x"),
            ("print('x', end='', flush=True); os.write(1, b'y');", b"xy"),
            ("1 / 0", b""),
        ):
            with self.subTest(code):
                execution = self.runner.execute("import os, sys\n" + flood + code)
                self.assertEqual(execution.out, printed + after)

    def test_end_of_a_flood(self):
        """The last lines are written while the code is busy, without a thread that the code can see."""
        execution = Execution()
        self.runner.begin("import threading, time\nfor i in range(20_000): print(i)\n"
                          "count = threading.active_count()\ntime.sleep(100)")
        self.runner.wait_for_output(execution, b"\n19999\n")
        self.assertEqual(self.runner.stop(execution).status, 2)
        self.assertEqual(self.value("count"), "1")

    def test_bytes(self):
        code = "import sys; print('ä\\udcff'); sys.stdout.buffer.write(b'\\xff\\n');"
        execution = self.run_ok(code)
        self.assertEqual(execution.out, "ä\\udcff\n".encode() + b"\xff\n")

    def test_broken(self):
        for code in (
            "import sys; sys.stdout.close(); sys.stderr.close()",
            "import sys; sys.stdout.detach()",
            "import os; os.close(1); os.close(2)",
            "import os; os.closerange(0, 64)",
            "import io, sys; sys.stdout = sys.stderr = io.StringIO()",
            "import sys; sys.stdout = None",
            "import sys; del sys.stdout",
            "import os; n = os.open('/dev/null', 1); os.dup2(n, 1); os.dup2(n, 2); os.close(n)",
            "import io, sys; sys.stdout = io.TextIOWrapper(sys.stdout.buffer); print('ok')",
            "import contextlib, io; c = contextlib.redirect_stdout(io.StringIO()); c.__enter__()",
        ):
            with self.subTest(code):
                self.runner.execute(code)
                self.tearDown()

    def test_redirected_file(self):
        self.run_ok("import os\nf = open('kept', 'w')\nos.dup2(f.fileno(), 1)\nprint('into it')")
        self.assertEqual(self.value("open('kept').read()"), "'into it\\n'")

    def test_environment(self):
        own = ["CLOCHE_A=1=2", "PATH=/nowhere", "TZ=UTC-5"]
        inside = self.run_ok(
            "import os, time\nos.environ['CLOCHE_A'] += '!'\nos.environ['CLOCHE_B'] = 'stays'\n"
            "os.environ['CLOCHE_A'], os.environ['PATH'], time.timezone",
            environment=own,
        )
        self.assertEqual(inside.plain, "('1=2!', '/nowhere', -18000)")
        after = self.value("[*map(os.environ.get, ('CLOCHE_A', 'CLOCHE_B', 'TZ'))], time.timezone")
        self.assertEqual(after, "([None, 'stays', None], 0)")
        self.assertNotEqual(self.value("os.environ['PATH']"), "'/nowhere'")
        self.run_failing("os.environ['CLOCHE_C']", "KeyError")

    def test_hundred_megabytes(self):
        """The runner does not keep large output in memory. The test's client only counts it."""
        for code in ("for _ in range(1000): print('x' * 99_999)", "print('x' * 99_999_999)"):
            before = self.peak_kib()
            self.runner.begin(code)
            execution = self.runner.finish(Counting())
            self.assertEqual((execution.status, execution.size), (0, 100_000_000))
        self.assertLess(before, 200_000)

    def peak_kib(self):
        with open(f"/proc/{self.runner.process.pid}/status") as file:
            return int(re.search(r"VmHWM:\s+(\d+)", file.read())[1])

    def test_byte_order_mark(self):
        self.assertEqual(self.value("\ufeff6 * 7\r\n"), "42")

    def test_large(self):
        code = "x = 1\n" * 20_000 + "len(In[-1])"
        self.assertEqual(self.value(code), str(len(code)))
        self.assertEqual(len(self.run_ok("print('x' * 5_000_000)").out), 5_000_001)


class Growth(Case):
    """Short cells use no more memory than IPython needs for their text and value."""

    def cells(self, count, code):
        for i in range(count):
            self.runner.execute(code.format(i))
        objects = self.value("import gc; gc.collect(); len(gc.get_objects())")
        with open(f"/proc/{self.runner.process.pid}/status") as file:
            resident_kib = int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])
        return int(objects), resident_kib

    def check(self, code, count, objects_max, kib_max):
        objects, resident = self.cells(100, code)
        more_objects, more_resident = self.cells(count, code)
        self.assertLess((more_objects - objects) / count, objects_max)
        self.assertLess((more_resident - resident) / count, kib_max)

    def test_cells(self):
        self.check("x = {} + 1000; print(x); x", count=900, objects_max=3, kib_max=3)
        self.check("x = '{}'; x", count=900, objects_max=3, kib_max=3)

    def test_displays(self):
        self.check("display({}); h = display(1, display_id=True); h.update(2)", 300, 4, 8)

    def test_errors(self):
        for code in ("x = {} / 0", "def f(): return {} / 0\nf()", "no_such_{}", "x = = {}"):
            self.check(code, count=300, objects_max=3, kib_max=3)


if __name__ == "__main__":
    main()
