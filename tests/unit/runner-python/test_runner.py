# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Python runner follows the runner protocol: results, errors and interrupts of executions.

usage: test_runner.py RUN, where RUN is the runner's entry
"""

import re
import sys

from case import MIB, Case

from cloche_tests.runner_client import COLOURS, EXERCISE, NO_HISTORY, SILENT, Execution
from cloche_tests.tap import main


class Shown(Case):
    """Results are shown as in a notebook."""

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
        # This code has no top-level await, so the task can only have run between executions.
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
        """Images are shown by show() and, as in E2B, when code saves them, but not when a library saves them."""
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
        """Tracebacks have IPython's colours. Of control sequences in the exception's text, only colours are kept."""
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
        """Colours that a magic chooses are in the output of code, but not in tracebacks."""
        self.run_ok("%colors Linux")
        self.assertNotIn("\x1b", self.run_failing("1 / 0", "ZeroDivisionError").error[2])
        self.run_ok("%colors NoColor")

    def test_syntax(self):
        execution = self.run_failing("1 +", "SyntaxError")
        self.assertIn("1 +", execution.error[2])
        self.run_failing("if 1:\nx", "IndentationError")
        self.run_failing("return 1", "SyntaxError")

    def test_half_characters(self):
        """Python 3.13 accepts lone surrogates in a string but not in a docstring; this is an error of the cell."""
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
        """Code has raised the recursion limit; the error may also be the context of another error."""
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
        # IPython itself fails with this exception
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
        """A debugger cannot ask for input, because there is no terminal."""
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
        """Interrupts arrive while frames are sent. Each frame must be complete, which the client's parser checks."""
        for _ in range(30):
            execution = Execution()
            self.runner.begin("print('now')\nwhile True: display('x' * 300_000)")
            self.runner.wait_for_output(execution, b"now\n")
            self.runner.interrupt()
            self.assertEqual(self.runner.finish(execution).status, 2)


class Checking(Case):
    """A check reports whether a prompt should execute code. It executes nothing and leaves no trace."""

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


if __name__ == "__main__":
    main()
