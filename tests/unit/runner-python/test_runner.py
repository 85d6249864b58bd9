# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests of the Python runner as the agent meets it: a process, three descriptors, one protocol.

usage: test_runner.py RUN, where RUN is the runner's entry
"""

import os
import re
import sys
import tempfile
import unittest

from client import COLOURS, EXERCISE, NO_HISTORY, SILENT, Execution, Runner, RunnerGone
from tap import main

RUN = os.path.abspath(sys.argv[1])
MIB = 1 << 20


def start(folder, *arguments, **environment):
    home = os.path.join(folder, "home")
    os.makedirs(home, exist_ok=True)
    environment = {
        "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8", "TMPDIR": folder, **environment
    }  # fmt: skip
    environment = {"HOME": home, "PATH": os.environ["PATH"], **environment}
    return Runner(RUN, home, environment, arguments)


class Case(unittest.TestCase):
    """One runner for all tests of a class: they must leave it usable, which is half of the test."""

    environment = {}
    arguments = []

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="cloche-runner-")
        cls.runner = start(cls.folder.name, *cls.arguments, **cls.environment)

    @classmethod
    def tearDownClass(cls):
        cls.runner.close()
        cls.folder.cleanup()

    def tearDown(self):
        after = self.run_ok("print('out'); import sys; print('err', file=sys.stderr); 6 * 7")
        self.assertEqual((after.out, after.err, after.plain), (b"out\n", b"err\n", "42"))

    def run_ok(self, code, flags=0, environment=()):
        execution = self.runner.execute(code, flags, environment)
        self.assertIsNone(execution.error, execution.error and execution.error[2])
        self.assertEqual(execution.status, 0)
        return execution

    def run_failing(self, code, name, status=1):
        execution = self.runner.execute(code)
        self.assertIsNotNone(execution.error, execution.out)
        self.assertEqual((execution.error[0], execution.status), (name, status))
        return execution

    def value(self, code):
        return self.run_ok(code).plain

    def run_interrupted(self, code):
        """Runs code that prints "now", interrupts it then, and returns the execution."""
        execution = Execution()
        self.runner.begin(code)
        self.runner.wait_for_output(execution, b"now\n")
        self.runner.interrupt()
        return self.runner.finish(execution)


class Shown(Case):
    """What a notebook shows."""

    def test_ready(self):
        version = ".".join(map(str, sys.version_info[:3]))
        self.assertEqual(self.runner.ready, ("python", version))

    def test_value(self):
        execution = self.run_ok("x = 20\nx + 1")
        self.assertEqual(execution.results, [(True, {"text/plain": b"21"})])
        self.assertEqual(self.run_ok("x + 2;").results, [])
        self.assertEqual(self.run_ok("x + 2  # no; semicolon").main, [{"text/plain": b"22"}])
        self.assertEqual(self.run_ok("x = 3").results, [])
        self.assertEqual(self.run_ok("None").results, [])
        self.assertEqual(self.run_ok("").results, [])

    def test_history(self):
        first = self.run_ok("'a' * 2")
        second = self.run_ok("_ + 'b'")
        self.assertEqual(second.plain, "'aab'")
        self.assertEqual(second.count, first.count + 1)
        self.assertEqual(self.value(f"_{first.count}, Out[{second.count}]"), "('aa', 'aab')")
        self.assertEqual(self.value(f"In[{first.count}]"), "\"'a' * 2\"")

    def test_exercise(self):
        before = self.run_ok("41 + 1")
        exercise = self.run_ok("print('heard'); 7", EXERCISE)
        self.assertEqual((exercise.out, exercise.plain), (b"heard\n", "7"))
        self.assertEqual(exercise.count, before.count)
        after = self.run_ok("_, __, ___, Out")
        self.assertEqual((after.plain, after.count), ("('', '', '', {})", before.count + 1))

    def test_silent(self):
        before = self.run_ok("'kept'")
        silent = self.run_ok("print('heard'); display(1); s = 5; s", SILENT)
        self.assertEqual((silent.results, silent.out), ([], b"heard\n"))
        self.assertEqual(silent.count, before.count)
        unkept = self.run_ok("s + 1", NO_HISTORY)
        self.assertEqual((unkept.plain, unkept.count), ("6", before.count))
        self.assertEqual(self.value("len(In)"), str(before.count + 2))

    def test_rich(self):
        execution = self.run_ok(
            "class Rich:\n"
            "    def _repr_html_(self): return '<b>ä</b>'\n"
            "    def _repr_png_(self): return b'\\x89PNG\\0'\n"
            "    def __repr__(self): return 'rich'\n"
            "display(Rich(), 'text')\n"
            "class Bundle:\n"
            "    def _repr_mimebundle_(self, **kwargs):\n"
            "        return {'a/x+json': {'a': [1]}, 'image/jpeg': 'AAEC', 'bad': 'x'}\n"
            "Bundle()"
        )
        self.assertEqual(
            execution.displays,
            [
                {
                    "text/plain": b"rich",
                    "text/html": "<b>ä</b>".encode(),
                    "image/png": b"\x89PNG\0",
                },
                {"text/plain": b"'text'"},
            ],
        )
        (main,) = execution.main
        self.assertRegex(main.pop("text/plain").decode(), "Bundle at 0x")
        self.assertEqual(main, {"a/x+json": b'{"a": [1]}', "image/jpeg": b"\0\1\2"})

    def test_plain_types_can_be_registered(self):
        self.run_ok("html = get_ipython().display_formatter.formatters['text/html']")
        self.run_ok("html.for_type(int, lambda n: f'<i>{n}</i>')")
        self.assertEqual(self.run_ok("7").main, [{"text/plain": b"7", "text/html": b"<i>7</i>"}])
        self.run_ok("html.pop(int);")
        self.assertEqual(self.run_ok("7").main, [{"text/plain": b"7"}])

    def test_magics(self):
        self.assertEqual(self.run_ok("!echo $((1 + 1)); echo e >&2").out, b"2\n")
        self.assertEqual(self.value("files = !printf 'a\\nb\\n'\nlist(files)"), "['a', 'b']")
        self.assertEqual(self.run_ok("%%bash\necho $((2 + 2))").out, b"4\n")
        self.assertRegex(self.run_ok("%time 5").out, b"Wall time")
        self.run_ok("%%capture caught\nprint('a')\n!echo b")
        self.assertEqual(self.value("caught.stdout.split()"), "['a', 'b']")
        self.assertEqual(self.run_ok("%pip --version").out[:4], b"pip ")
        self.run_failing("%nosuchmagic", "UsageError")

    def test_run_and_modules(self):
        self.run_ok("%%writefile channel.py\nname = __name__\nprint('loaded')")
        self.assertEqual(self.run_ok("import channel").out, b"loaded\n")
        self.assertEqual(self.run_ok("%run channel.py\nname").plain, "'__main__'")
        self.assertEqual(self.value("import sys; sys.path[0], sys.argv"), "('', [''])")

    def test_main_module(self):
        self.run_ok("import inspect, pickle\nclass C: pass\ndef f():\n    return 1  # here")
        self.assertEqual(self.value("type(pickle.loads(pickle.dumps(C()))) is C, __name__"),
                         "(True, '__main__')")
        self.assertIn("# here", self.value("inspect.getsource(f)"))

    def test_await(self):
        self.run_ok("import asyncio")
        self.assertEqual(self.value("await asyncio.sleep(0.001, 'slept')"), "'slept'")
        self.assertEqual(self.value("asyncio.run(asyncio.sleep(0, 'ran'))"), "'ran'")
        self.assertEqual(self.value("await asyncio.sleep(0, 'again')"), "'again'")

    def test_task_goes_on_between_executions(self):
        self.run_ok("import asyncio, os\nr, w = os.pipe()")
        self.run_ok("async def later():\n    await asyncio.sleep(0.01)\n    os.write(w, b'x')\n"
                    "task = asyncio.create_task(later()); await asyncio.sleep(0)")
        # no top-level await, so only the time between executions can have run the task
        after = Execution()
        while not after.main or after.plain == "False":
            after = self.run_ok("task.done()")
        self.assertEqual(self.value("os.read(r, 1)"), "b'x'")

    def test_figures(self):
        self.run_ok("import matplotlib.pyplot as plt")
        flushed = self.run_ok("plt.plot([1, 2]);")
        kinds = ["application/vnd.cloche.chart+json", "image/png", "text/plain"]
        self.assertEqual([sorted(p) for p in flushed.displays], [kinds])
        self.assertEqual(flushed.displays[0]["image/png"][:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual(self.value("len(plt.get_fignums())"), "0")
        shown = self.run_ok("plt.plot([1]); plt.show(); print('after')")
        self.assertEqual(len(shown.results), 1)
        value = self.run_ok("fig, ax = plt.subplots(); ax.plot([1]); fig")
        self.assertEqual([main for main, _ in value.results], [True])
        self.assertIn("image/png", value.main[0])
        failed = self.run_failing("plt.plot([1]); 1 / 0", "ZeroDivisionError")
        self.assertEqual(len(failed.displays), 1)
        self.assertEqual(self.run_ok("plt.plot([1])", SILENT).results, [])
        self.assertEqual(self.run_ok("1").displays, [])

    def test_libraries(self):
        table = self.run_ok("import pandas as pd; pd.DataFrame({'a': [1]})")
        self.assertRegex(table.main[0]["text/html"], b"<table")
        image = self.run_ok("from PIL import Image; Image.new('RGB', (2, 2))")
        self.assertEqual(image.main[0]["image/png"][:4], b"\x89PNG")

    def test_images(self):
        """Shown by show() and, as E2B does, by saving them; what a library saves is its affair."""
        code = "import io, PIL.Image, pathlib\nimage = PIL.Image.new('RGB', (2, 2))\n"
        for show in ("show()", "save('a.png')", "save(pathlib.Path('b.jpg'))"):
            ((main, parts),) = self.run_ok(code + f"image.{show}").results
            self.assertEqual((main, parts["image/png"][:4]), (False, b"\x89PNG"))
        self.assertEqual(self.run_ok(code + "image.save(io.BytesIO(), 'png')").results, [])
        self.assertEqual(self.value("PIL.Image.open('b.jpg').size"), "(2, 2)")
        self.run_ok("%%writefile saver.py\ndef save(image):\n    image.save('c.png')")
        self.assertEqual(self.run_ok("import saver; saver.save(image)").results, [])
        failed = self.run_failing("image.save('a.nonsense')", "ValueError")
        self.assertEqual(failed.results, [])
        self.assertNotIn("cloche_runner", failed.error[2])

    def test_figures_of_one_cell(self):
        self.run_ok("import matplotlib.pyplot as plt")
        for code, count in (
            ("plt.plot([1]); plt.show(); plt.plot([2]); plt.show();", 2),
            ("plt.plot([1]); plt.figure(); plt.plot([2]);", 2),
            ("plt.plot([1]); plt.savefig('f.png');", 1),
            ("plt.plot([1]); plt.savefig('f.png'); plt.close()", 0),
            ("fig, ax = plt.subplots(); ax.plot([1]); plt.close(fig); fig", 1),
            ("fig = plt.figure(); plt.close('all')", 0),
        ):
            self.assertEqual(len(self.run_ok(code).results), count, code)

    def test_formula(self):
        formula = self.run_ok("import sympy; sympy.sqrt(sympy.Symbol('x'))").main[0]
        self.assertEqual(formula["text/latex"], b"$\\displaystyle \\sqrt{x}$")

    def test_help_is_shown(self):
        self.assertIn(b"Return the number of items", self.run_ok("len?").displays[0]["text/plain"])


class Errors(Case):
    def test_traceback(self):
        execution = self.run_failing("def f():\n    raise ValueError('no')\nf()", "ValueError")
        _, value, traceback = execution.error
        self.assertEqual(value, "no")
        self.assertIn("----> 3 f()", traceback)
        self.assertNotIn("\x1b", traceback)
        self.assertNotIn("cloche_runner", traceback)
        self.assertNotIn("interactiveshell", traceback)
        self.assertEqual((execution.out, execution.err), (b"", b""))

    def test_colours(self):
        """Those that IPython has, and of the exception's own text colours and nothing else."""
        bad = "raise ValueError('\x1b[32mgreen\x1b[0m \x1b[2J \x1b]0;title\x07')"
        for code in (bad, "1 +", "import asyncio\nawait asyncio.sleep('x')"):
            colour = self.runner.execute(code, COLOURS).error[2]
            plain = self.runner.execute(code).error[2]
            self.assertNotIn("\x1b", plain)
            self.assertRegex(colour, r"\x1b\[[0-9;]*31m")
            self.assertNotRegex(colour, r"\x1b(?!\[[0-9;]*m)")
            numbers_and_colours = r"\[\d+\]|\x1b\[[0-9;]*m"
            self.assertEqual(*[re.sub(numbers_and_colours, "", text) for text in (colour, plain)])
        self.assertEqual(self.runner.execute(bad, COLOURS).error[1],
                         "\x1b[32mgreen\x1b[0m \x1b[2J \x1b]0;title\x07")
        self.assertIn("\x1b[32mgreen", self.runner.execute(bad, COLOURS).error[2])

    def test_own_colours(self):
        """Chosen by a magic, they are in what code prints and still in no traceback."""
        self.run_ok("%colors Linux")
        self.assertNotIn("\x1b", self.run_failing("1 / 0", "ZeroDivisionError").error[2])
        self.run_ok("%colors NoColor")

    def test_syntax(self):
        execution = self.run_failing("1 +", "SyntaxError")
        self.assertIn("1 +", execution.error[2])
        self.run_failing("if 1:\nx", "IndentationError")
        self.run_failing("return 1", "SyntaxError")

    def test_half_characters(self):
        """Python 3.13 takes them in a string and not in a docstring: the error is the cell's own."""
        self.assertEqual(self.value("'\\ud83d'"), "'\\ud83d'")
        error = self.runner.execute("def f():\n    '\\ud83d'").error
        if sys.version_info >= (3, 13):
            self.assertEqual(error[0], "UnicodeEncodeError")
            self.assertNotIn("cloche_runner", error[2])
        else:
            self.assertIsNone(error)

    def test_exit(self):
        for code, value in (("import sys; sys.exit(3)", "3"), ("exit(4)", "4"), ("quit", "None")):
            execution = self.run_failing(code, "SystemExit")
            self.assertEqual(execution.error[1], value)
            self.assertEqual(execution.err, b"")

    def test_deep_recursion(self):
        """With a limit that somebody has raised; also as what another error was raised in."""
        self.run_ok("import sys; limit = sys.getrecursionlimit(); sys.setrecursionlimit(300_000)\n"
                    "def f(n): return f(n + 1)")
        error = self.run_failing("f(0)", "RecursionError").error
        self.assertIn("skipping similar frames", error[2])
        self.assertIn("----> 1 f(0)", error[2])
        self.run_ok("%%writefile deep.py\ndef g(n): return g(n + 1)")
        chained = "import deep\ntry: deep.g(0)\nexcept Exception: raise KeyError"
        error = self.run_failing(chained, "KeyError").error
        self.assertIn("During handling of the above exception", error[2])
        self.run_ok("sys.setrecursionlimit(limit)")

    def test_hostile_objects(self):
        self.run_failing("class E(Exception):\n    def __str__(self): 1 / 0\nraise E", "E")
        self.run_failing("class F(Exception):\n    def __bool__(self): 1 / 0\nraise F", "F")
        self.run_failing("class S(str):\n    def encode(self, *a): 1 / 0\n"
                         "class G(Exception):\n    def __str__(self): return S('s')\nraise G", "G")
        # IPython itself stumbles over this one
        self.run_failing("class M(type):\n    @property\n    def __name__(self): 1 / 0\n"
                         "class H(Exception, metaclass=M):\n    @property\n"
                         "    def __class__(self): 1 / 0\nraise H", "ZeroDivisionError")
        shown = self.run_ok("class R:\n    def __repr__(self): raise KeyError('no repr')\nR()")
        self.assertIn(b"no repr", shown.err)
        self.run_failing("class X:\n    def __repr__(self): raise SystemExit(1)\nX()", "SystemExit")
        self.run_failing("def f(): f()\nf()", "RecursionError")
        self.run_failing("raise BaseException('base')", "BaseException")

    def test_inner_run(self):
        inner = self.run_ok("get_ipython().run_cell('1 / 0'); 5")
        self.assertEqual(inner.plain, "5")
        self.assertIn(b"ZeroDivisionError", inner.err)

    def test_input(self):
        execution = self.run_failing("input('name?')", "StdinNotImplementedError")
        self.assertIn("input() is not available", execution.error[1])
        self.assertNotIn("cloche_runner", execution.error[2])
        self.run_failing("import getpass; getpass.getpass()", "StdinNotImplementedError")
        self.run_ok("import sys")
        self.assertEqual(self.value("sys.stdin.read(), sys.stdin.readline()"), "('', '')")
        self.assertEqual(self.run_ok("!cat; read x; echo $?").out, b"1\n")

    def test_debugger(self):
        """It wants to ask, and there is nobody."""
        for code in (
            "breakpoint()",
            "import pdb; pdb.set_trace()",
            "pdb.run('1')",
            "from IPython.core.debugger import set_trace; set_trace()",
            "pdb.post_mortem(ValueError().__traceback__ or e.__traceback__)",
        ):
            with self.subTest(code):
                self.run_ok("try: 1 / 0\nexcept Exception as error: e = error")
                execution = self.run_failing(code + "\nx = 1", "StdinNotImplementedError")
                self.assertIn("is not available", execution.error[1])
                self.assertEqual(self.value("import sys; sys.gettrace() is None"), "True")
        self.run_failing("1 / 0", "ZeroDivisionError")
        self.run_failing("%debug", "StdinNotImplementedError")

    def test_memory(self):
        self.run_failing("bytearray(1 << 60)", "MemoryError")
        limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, ({}, -1))"
        self.run_ok(limit.format(2 << 30))
        self.run_failing("x = [bytes(1 << 20) for _ in range(1 << 20)]", "MemoryError")
        self.run_ok(limit.format(-1))

    def test_texts(self):
        execution = self.run_failing("raise ValueError('a\\0\\ud800ä')", "ValueError")
        self.assertEqual(execution.error[1], "a\\x00\\ud800ä")
        long = self.run_failing("raise ValueError('ä' * 3_000_000)", "ValueError")
        self.assertLess(len(long.error[1].encode()), MIB + 1)
        self.assertRegex(long.error[1], r"ä\n\[\.\.\. \d+ bytes \.\.\.\]\nä")
        self.assertLess(len(long.error[2].encode()), MIB + 1)


class Counting(Execution):
    """Does not keep what is printed."""

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
        # what is not a line yet waits in Python, unless IPython starts the command
        self.assertEqual(sorted(execution.out.decode()), list("12345"))
        self.assertLess(execution.out.index(b"4"), execution.out.index(b"5"))

    def test_flood(self):
        """Its lines are written together, and all the same before what comes behind them."""
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
        """It is written although the code is busy, and by no thread that the code would see."""
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
        """Neither kept nor slow: not by the runner, and the client here only counts them."""
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


class Interrupts(Case):
    def test_python_and_c(self):
        self.run_ok("import time")
        for code in ("print('now'); time.sleep(100)", "print('now')\nwhile True: pass"):
            execution = self.run_interrupted(code)
            self.assertEqual((execution.error[0], execution.status), ("KeyboardInterrupt", 2))
            self.assertNotIn("cloche_runner", execution.error[2])

    def test_await(self):
        execution = self.run_interrupted(
            "import asyncio\nseen = []\ntry:\n    print('now')\n    await asyncio.sleep(100)\n"
            "finally:\n    seen.append(1)\nseen.append(2)"
        )
        self.assertEqual((execution.error[0], execution.status), ("KeyboardInterrupt", 2))
        self.assertEqual(self.value("await asyncio.sleep(0.01)\nseen"), "[1]")

    def test_between(self):
        for _ in range(20):
            self.runner.interrupt()
        self.assertEqual(self.value("1"), "1")

    def test_own_handler(self):
        own = self.run_ok("import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); 1")
        self.assertEqual(own.plain, "1")
        self.test_between()

    def test_caught(self):
        execution = self.run_interrupted(
            "import time\ntry:\n    print('now')\n    time.sleep(100)\n"
            "except KeyboardInterrupt:\n    caught = 3\ncaught"
        )
        self.assertEqual((execution.status, execution.plain), (0, "3"))

    def test_while_sending(self):
        """Interrupts that hit frames: each must arrive whole, which the client's parser checks."""
        for _ in range(30):
            execution = Execution()
            self.runner.begin("print('now')\nwhile True: display('x' * 300_000)")
            self.runner.wait_for_output(execution, b"now\n")
            self.runner.interrupt()
            self.assertEqual(self.runner.finish(execution).status, 2)


class Growth(Case):
    """Short cells leave no more than what IPython keeps of each: its text and its value."""

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


class Checking(Case):
    """Whether a prompt should execute code: a check executes nothing and leaves no trace."""

    def test_statuses(self):
        self.runner.assert_checks("complete", (
            "1", "", "f(1,\n  2)", "# (", "if x: y()", "x = \\\n  1", "await f()", "!echo (", "%timeit f(", "f?",
            "def f():\n    return 1\n", "for i in x:\r\n    f(i)\r\n", "%%bash\necho\n\n", "\ufeffx = 1"))
        self.runner.assert_checks("incomplete", (
            "f(", "'''", "x = \\", "(\n)(", "def f():", "def f():\n    return 1", "@wraps",
            "if x:\n    y()\nelse:", "%%bash\necho", "if x:\n    '''a\n\n"))
        self.runner.assert_checks("invalid", ("1 +", ")", "'open", "a b"))

    def test_indent(self):
        self.assertEqual(self.runner.check("if x:\n  while y:").completeness, ("incomplete", "      "))
        self.assertEqual(self.runner.check("f(").completeness, ("incomplete", ""))
        self.assertEqual(self.runner.check("1").completeness, ("complete", ""))

    def test_no_trace(self):
        self.run_failing("1/0", "ZeroDivisionError")
        before = self.run_ok("'kept'")
        for code in ("y = 5; print(y)", "1 +", "def f():", "%precision 3"):
            self.assertEqual(self.runner.check(code).count, before.count)
        after = self.run_ok("import sys; _, 'y' in globals(), sys.last_type, len(In)")
        self.assertEqual(after.plain, f"('kept', False, ZeroDivisionError, {after.count + 1})")

    def test_dialect(self):
        answer = self.runner.check("1", "old")
        self.assertEqual((answer.completeness, answer.error[0], answer.status), (None, "ValueError", 1))

    def test_interrupt(self):
        self.runner.begin_check("if x:\n    f((1, 2))\n" * 100000)
        answer = self.runner.stop(Execution())
        self.assertEqual((answer.completeness, answer.error[0], answer.status), (None, "KeyboardInterrupt", 2))


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


class Reseeding(Case):
    """Clones that are in the same state draw other numbers when they got other entropy."""

    draws = {
        "random": "random.getrandbits(64), random.gauss(0, 1)",
        "own Random": "own.getrandbits(64)",
        "numpy global": "np.random.randint(1 << 60), np.random.standard_normal()",
        "numpy Generator": "generator.integers(1 << 60)",
        "numpy spawned": "sequence.spawn(1)[0].generate_state(1)",
        "numpy RandomState": "legacy.standard_normal()",
        "numpy RandomState of PCG64": "modern.standard_normal()",
        "in a module": "keeper.generator.random()",
        "in a closure": "draw_hidden()",
        "in a class": "Holder.generator.random()",
        "MT19937": "others[0].random()",
        "Philox": "others[1].random()",
        "SFC64": "others[2].random()",
        "PCG64DXSM": "others[3].random()",
        "uuid1 node": "uuid.uuid1().node",
        "authkey": "bytes(multiprocessing.current_process().authkey)",
    }

    generators = """
import gc, multiprocessing, os, random, ssl, tempfile, types, uuid
import numpy as np
random.seed(1); np.random.seed(1)
own = random.Random(1); generator = np.random.default_rng(1)
sequence = np.random.SeedSequence(1); legacy = np.random.RandomState(1)
modern = np.random.RandomState(np.random.PCG64(1))
keeper = types.ModuleType('keeper'); keeper.generator = np.random.default_rng(1)
class Holder: generator = np.random.default_rng(1)
def hide():
    generator = random.Random(1)
    return generator.random
draw_hidden = hide()
others = [np.random.Generator(getattr(np.random, kind)(1))
          for kind in ('MT19937', 'Philox', 'SFC64', 'PCG64DXSM')]
uuid._node = 1; uuid._generate_time_safe = None
multiprocessing.current_process().authkey = b'1'
for one in (legacy, modern, np.random): one.standard_normal()  # half of a pair, the other is kept
random.gauss(0, 1);
"""

    def setUp(self):
        self.run_ok(self.generators)

    def draw(self, entropy):
        """What a clone draws: whatever entropy it gets, all were in the same state before."""
        self.run_ok(self.generators)
        if entropy:
            self.assertEqual(self.runner.reseed(entropy).status, 0)
        return {name: self.value(code) for name, code in self.draws.items()}

    def test_generators(self):
        self.assertEqual(self.draw(None), self.draw(None))
        clones = [self.draw(entropy * 32) for entropy in (b"a", b"b")]
        for name in self.draws:
            with self.subTest(name):
                self.assertEqual(len({draws[name] for draws in [self.draw(None), *clones]}), 3)
        for draws in clones:
            numbers = re.findall(r"\d{6,}", " ".join(draws.values()))
            self.assertEqual(len(numbers), len(set(numbers)))

    def test_openssl_and_names(self):
        self.run_ok("added = []; add = ssl.RAND_add; ssl.RAND_add = lambda *a: added.append(a)")
        self.run_ok("tempfile.mktemp(); names = tempfile._name_sequence")
        self.runner.reseed(b"c" * 256)
        self.run_ok("ssl.RAND_add = add")
        self.assertEqual(self.value("[(len(a), b) for a, b in added]"), "[(32, 32.0)]")
        self.assertEqual(self.value("tempfile._name_sequence is names"), "False")

    def test_torch(self):
        """Only if it is loaded, and by its own way."""
        self.run_ok("import sys; torch = sys.modules['torch'] = types.ModuleType('torch')\n"
                    "seeds = []; torch.manual_seed = seeds.append")
        self.runner.reseed(b"c" * 32)
        self.assertRegex(self.value("seeds"), r"^\[[0-9]{15,}\]$")
        self.run_ok("del sys.modules['torch']")

    def test_kernels_own(self):
        """What comes from the kernel is left alone, and works."""
        code = "import secrets; uuid.uuid4(), secrets.token_hex(), random.SystemRandom().random()"
        self.runner.reseed(b"c" * 32)
        first = self.value(code)
        self.runner.reseed(b"c" * 32)
        self.assertNotEqual(self.value(code), first)

    def test_environment_and_directory(self):
        place = os.path.join(self.folder.name, "place")
        os.mkdir(place)
        with open(os.path.join(place, "only_here.py"), "w") as file:
            file.write("value = 5\n")
        before = self.run_ok("1").count
        done = self.runner.reseed(b"d" * 32, ["CLOCHE_R=ä=1", f"PYTHONPATH={place}/lib:"], place)
        self.assertEqual((done.status, done.error, done.count), (0, None, before))
        self.assertEqual(self.value("os.getcwd(), os.environ['CLOCHE_R']"), f"('{place}', 'ä=1')")
        self.assertEqual(self.value("import only_here; only_here.value"), "5")
        self.assertEqual(self.value("import sys; sys.path[:2]"), f"['', '{place}/lib']")

    def test_no_directory(self):
        done = self.runner.reseed(b"d" * 32, ["CLOCHE_N=1"], "/nowhere")
        self.assertEqual((done.status, done.error[0]), (1, "FileNotFoundError"))
        self.assertEqual(self.value("os.environ['CLOCHE_N']"), "'1'")


if __name__ == "__main__":
    main()
