# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-unusual-code: code may print, display, raise or end in unusual ways.

In an environment whose system bus has the service (with-service).
"""
import json

from cloche_tests import tap
from cloche_tests.box import Box, connect, t
from cloche_tests.cells import CodeTest, Running

DATA, CHART = "application/vnd.cloche.data+json", "application/vnd.cloche.chart+json"
MIB = 1 << 20
LIBRARIES = "import datetime, numpy as np, pandas as pd, matplotlib.pyplot as plt\n"
SANDBOXES, ROUNDS = 8, 10


class Texts(CodeTest):
    def test_no_utf8(self):
        code = "import sys; sys.stdout.buffer.write(b'\\xff ok \\xc3\\n'); sys.stderr.buffer.write(b'\\x80');"
        execution = self.run_code(code)
        self.assertEqual((execution["stdout"], execution["stderr"]), ("\ufffd ok \ufffd\n", "\ufffd"))
        self.assertTrue(execution["stdout-invalid"] and execution["stderr-invalid"])
        events = self.events(code)[:-1]
        self.assertEqual({(event["type"], event["text"], event["invalid"]) for event in events},
                         {("stdout", "\ufffd ok \ufffd\n", True), ("stderr", "\ufffd", True)})

    def test_unicode(self):
        """Names, files, output, errors and keys of results may contain any characters."""
        name = f"{self.dir}/🎉 ä\u200f.txt"
        code = (f"ñandú_变量 = 'é𝄞'\nwith open({name!r}, 'w') as file: print(file.write(ñandú_变量), '日本')\n"
                "class Ошибка(Exception): pass\nraise Ошибка('🤷 ' + ñandú_变量)")
        execution = self.run_code(code)
        self.assertEqual(execution["stdout"], "2 日本\n")
        self.assertEqual((execution["error"]["name"], execution["error"]["value"]), ("Ошибка", "🤷 é𝄞"))
        self.assertIn("'🤷 ' + ñandú_变量", execution["error"]["traceback"])
        self.assertEqual(self.box.read(name).decode(), "é𝄞")

    def test_half_characters(self):
        """Lone surrogates are not valid in D-Bus strings, so they are escaped."""
        self.assertEqual(self.value("'\\ud83d'"), "'\\ud83d'")
        self.assertEqual(self.run_code("print('\\ud83d\\udc00')")["stdout"], "\\ud83d\\udc00\n")
        error = self.run_code("raise ValueError('\\udcff \\0')")["error"]
        self.assertEqual(error["value"], "\\udcff \\x00")
        result, _ = self.events("display({'application/json': {'k': '\\ud83d'}, 'text/html': '<b>\\udc00'}, raw=True)")
        self.assertEqual(json.loads(result["data"]["application/json"]), {"k": "\ud83d"})
        self.assertEqual(result["data"]["text/html"], "<b>\\udc00")

    def test_control_characters(self):
        self.assertEqual(self.run_code("print('a\\rb\\x1b[31mc\\x07')")["stdout"], "a\rb\x1b[31mc\x07\n")
        self.assertEqual(self.run_code("print('\\0')")["stdout"], "\ufffd\n")


class Floods(CodeTest):
    def test_hundred_megabytes(self):
        for code in (f"for _ in range(100): print('x' * {MIB - 1})", f"print('x' * {100 * MIB - 1})"):
            execution = self.run_code(code)
            self.assertEqual((execution["status"], execution["stdout-size"]), ("ok", 100 * MIB))
            self.assertTrue(execution["stdout-truncated"])
            self.assertEqual(set(execution["stdout"]) - {"\n"}, {"x"})

    def test_lines(self):
        """Many lines are all reported, once and in order."""
        count = 200_000
        with self.stream(f"for i in range({count}): print(i)\ndisplay('shown')\nprint('after')") as lines:
            *printed, shown, after, end = [json.loads(line) for line in lines]
        self.assertEqual("".join(event["text"] for event in printed), "".join(f"{i}\n" for i in range(count)))
        self.assertEqual((shown["type"], after["text"], end["status"]), ("result", "after\n", "ok"))

    def test_both_streams(self):
        expected = [(kind, f"{i}\n") for i in range(5000) for kind in ("stdout", "stderr")]
        self.assertEqual(self.brief("import sys\nfor i in range(5000): print(i); print(i, file=sys.stderr)"),
                         expected + [("end", "ok")])

    def test_end_is_told_while_code_goes_on(self):
        lines = self.stream("import time\nfor i in range(20_000): print(i)\ntime.sleep(1000)")
        text = ""
        while not text.endswith("\n19999\n"):
            text += json.loads(lines.readline())["text"]
        lines.close()
        self.assertEqual(self.value("i"), "19999")

    def test_slow_reader_and_timeout(self):
        """The code times out while it waits for its slow reader, and its end is still reported."""
        with self.stream("i = 0\nwhile True: i += 1; print(i)", timeout=t(1)) as lines:
            self.assertEqual(self.run_code("sleep 1000", language="bash", timeout=t(2))["status"], "timed-out")
            *printed, error, end = [json.loads(line) for line in lines]
        numbers = "".join(event["text"] for event in printed).split()
        self.assertEqual(numbers, [str(i + 1) for i in range(len(numbers))])
        self.assertEqual((error["name"], end["status"]), ("KeyboardInterrupt", "timed-out"))

    def test_many_results(self):
        execution = self.run_code("for i in range(1500): display(i)\n'last'")
        values = [result["data"]["text/plain"] for result in execution["results"]]
        self.assertEqual(values, [*map(str, range(999)), "'last'"])
        self.assertIn("more than 1000 results", execution["stderr"])


class Ends(CodeTest):
    def assert_error(self, code, name, value):
        execution = self.run_code(code)
        self.assertEqual((execution["status"], execution["error"]["name"]), ("error", name), execution)
        self.assertEqual(execution["error"]["value"], value)
        self.assertNotIn("cloche_runner", execution["error"]["traceback"])

    def test_errors(self):
        self.run_code("x = 1")
        for code, name, value in (
            ("raise SystemExit(3)", "SystemExit", "3"),
            ("import sys; sys.exit('bye')", "SystemExit", "bye"),
            ("exit()", "SystemExit", "None"),
            ("raise BaseException('base')", "BaseException", "base"),
            ("raise KeyboardInterrupt()", "KeyboardInterrupt", ""),
            ("[0] * (1 << 60)", "MemoryError", ""),
            ("def f(): f()\nf()", "RecursionError", "maximum recursion depth exceeded"),
            ("raise ExceptionGroup('both', [ValueError(1), KeyError(2)])", "ExceptionGroup", "both (2 sub-exceptions)"),
            ("x = = 1", "SyntaxError", None),
            ("if True:\nx", "IndentationError", None),
            ("input('name? ')", "StdinNotImplementedError", "input() is not available: this code runs without a terminal"),
        ):
            with self.subTest(code):
                if value is None:
                    self.assertEqual(self.run_code(code)["error"]["name"], name)
                elif name == "KeyboardInterrupt":
                    self.assertEqual(self.run_code(code)["status"], "interrupted")
                else:
                    self.assert_error(code, name, value)
        self.assertEqual(self.value("x"), "1")

    def test_causes(self):
        error = self.run_code("def f():\n    try: 1 / 0\n    except Exception as e: raise KeyError('k') from e\nf()")["error"]
        self.assertEqual((error["name"], error["value"]), ("KeyError", "'k'"))
        self.assertIn("direct cause of the following exception", error["traceback"])

    def test_death_and_after(self):
        self.run_code("x = 1")
        events = self.brief("print('here'); import os; os._exit(7)")
        self.assertEqual(events, [("stdout", "here\n"), ("end", "runner-lost")])
        self.assert_fails("RunnerLost", "(killed by SIGSEGV)", self.run_code, "import os; os.kill(os.getpid(), 11)")
        self.assertEqual(self.run_code("x")["error"]["name"], "NameError")

    def test_await(self):
        self.assertEqual(self.value("import asyncio\nasync def f(n):\n    await asyncio.sleep(.01); return n\n"
                                    "await asyncio.gather(*map(f, range(3)))"), "[0, 1, 2]")
        self.assertEqual(self.value("asyncio.run(f(5))"), "5")
        self.assertEqual(self.value("async def g():\n    for i in range(3): yield i\n[i async for i in g()]"), "[0, 1, 2]")
        self.assert_error("async with asyncio.timeout(.01): await asyncio.sleep(1000)", "TimeoutError", "")

    def test_thread_that_prints_later(self):
        """A thread's output belongs to the execution during which it is written."""
        self.run_code("import threading\ngo = threading.Event()\n"
                      "def late():\n    go.wait(); print('late'); display('shown')\n"
                      "thread = threading.Thread(target=late); thread.start()")
        self.assertEqual(self.brief("go.set(); thread.join(); print('joined')"),
                         [("stdout", "late\n"), ("result", {"text/plain": "'shown'"}), ("stdout", "joined\n"), ("end", "ok")])


class Shown(CodeTest):
    def test_updates(self):
        events = self.events("h = display('a', display_id='one')\nh.update('b')\nfrom IPython.display import update_display\n"
                             "update_display('c', display_id='one')")
        self.assertEqual([(event["data"]["text/plain"], event["display-id"], event["update"]) for event in events[:-1]],
                         [("'a'", "one", False), ("'b'", "one", True), ("'c'", "one", True)])
        result, = self.run_code("h.update('later')")["results"]
        self.assertEqual((result["display-id"], result["update"]), ("one", True))

    def test_figures(self):
        results = self.run_code(LIBRARIES + "f = plt.figure(); plt.plot([1])\ng = plt.figure(); plt.bar(['ü'], [2])\n"
                                "plt.title('😀')\n'value'")["results"]
        charts = [json.loads(result["data"][CHART]) for result in results if CHART in result["data"]]
        self.assertEqual([(chart["type"], chart["title"]) for chart in charts], [("line", None), ("bar", "😀")])
        self.assertEqual(charts[1]["elements"][0]["label"], "ü")
        self.assertEqual([result["data"]["text/plain"] for result in results if result["is-main-result"]], ["'value'"])

    def table(self, code):
        execution = self.run_code(LIBRARIES + f"pd.DataFrame({code})")
        self.assertEqual((execution["status"], execution["stderr"]), ("ok", ""), execution)
        return json.loads(execution["results"][0]["data"][DATA])

    def test_tables(self):
        for code, data in (
            ("[[1, 2], [3, 4]], columns=['a', 'a']", {"a": [1, 3], "a.1": [2, 4]}),
            ("{'a': [1.0, np.nan, np.inf], 'b': [None, 'x', 3]}", {"a": [1.0, None, None], "b": [None, "x", 3]}),
            ("{'t': pd.to_datetime(['2020-01-02', None]).tz_localize('Europe/Berlin')}",
             {"t": ["2020-01-02T00:00:00+01:00", None]}),
            ("[[1, 2]], columns=pd.MultiIndex.from_tuples([('a', 'x'), ('a', 'y')])", {"('a', 'x')": [1], "('a', 'y')": [2]}),
            ("{'v': [1, 2]}, index=pd.MultiIndex.from_tuples([(1, 'a'), (2, 'b')])", {"v": [1, 2]}),
            ("{'s': pd.arrays.SparseArray([1, 0]), 'u': np.array([2**64 - 1, 0], 'u8')}", {"s": [1, 0], "u": [2**64 - 1, 0]}),
            ("{'😀': ['\\ud800', b'\\xff']}", {"😀": ["\ud800", "b'\\xff'"]}),
            ("{None: [1], datetime.date(2020, 1, 1): [2]}", {"None": [1], "2020-01-01": [2]}),
        ):
            with self.subTest(code):
                self.assertEqual(self.table(code), data)

    def test_hostile_objects(self):
        execution = self.run_code("class Bad:\n    def __repr__(self): raise ValueError('no repr')\nBad()")
        self.assertEqual((execution["status"], execution["results"]), ("ok", []))
        self.assertIn("ValueError: no repr", execution["stderr"])
        error = self.run_code("class Worse(Exception):\n    def __str__(self): raise ValueError\nraise Worse")["error"]
        self.assertEqual((error["name"], error["value"]), ("Worse", "<Worse whose text cannot be had>"))


class Many(CodeTest):
    def test_sandboxes(self):
        """Each sandbox has its own state."""
        boxes = [Box(connect(), self.template) for _ in range(SANDBOXES)]  # a bus limits the pending calls of a connection
        self.addCleanup(lambda: [box.kill() or box.bus.close_sync() for box in boxes])
        code = "x = globals().get('x', {0}) + 1; print('box', {0}); x"
        running = [[Running(box, code.format(number * 1000)) for _ in range(ROUNDS)] for number, box in enumerate(boxes)]
        for number, executions in enumerate(running):
            for i, execution in enumerate(executions):
                answer = execution.result()
                self.assertEqual(answer["stdout"], f"box {number * 1000}\n")
                self.assertEqual(answer["results"][0]["data"]["text/plain"], str(number * 1000 + i + 1))


tap.main()
