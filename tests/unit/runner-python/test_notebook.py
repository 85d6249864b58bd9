# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Python runner has what users of notebooks rely on: one event loop, complete streams, %matplotlib, pip.

usage: test_notebook.py RUN, where RUN is the runner's entry
"""

import os
import sys
import tempfile
import unittest

from case import Case, start

from cloche_tests.runner_client import Execution
from cloche_tests.tap import main


class Loop(Case):
    def setUp(self):
        self.run_ok("import asyncio\nasync def f(n=1):\n    await asyncio.sleep(0); return n")

    def test_one_loop(self):
        self.run_ok("loop = asyncio.get_event_loop()")
        for code in ("asyncio.run(f())", "await f()", "asyncio.new_event_loop().close()",
                     "asyncio.set_event_loop(None)", "asyncio.set_event_loop_policy(None)"):
            self.run_ok(code)
            self.assertEqual(self.value("asyncio.get_event_loop() is loop"), "True", code)
            self.assertEqual(self.value("await f(); asyncio.get_running_loop() is loop"), "True")

    def test_tasks_of_earlier_cells(self):
        for make in ("asyncio.get_event_loop().create_task(f(3))", "asyncio.ensure_future(f(3))",
                     "asyncio.create_task(f(3), name='n')", "asyncio.tasks.create_task(f(3))"):
            self.run_ok(f"t = {make}; assert not t.done()")
            self.assertEqual(self.value("await t"), "3", make)
        self.assertEqual(self.value("asyncio.run(f(4))"), "4")
        self.run_failing("asyncio.create_task(5)", "TypeError")

    def test_create_task_elsewhere(self):
        self.run_ok("import threading\nerrors = []\ndef g():\n"
                    "    c = f()\n    try: asyncio.create_task(c)\n"
                    "    except RuntimeError as error: errors.append(str(error)); c.close()\n"
                    "t = threading.Thread(target=g); t.start(); t.join()")
        self.assertEqual(self.value("errors"), "['no running event loop']")

    def test_closed_loop(self):
        self.run_ok("asyncio.get_event_loop().close()")
        self.assertEqual(self.value("await f()"), "1")

    def test_what_goes_on_between_executions(self):
        """Timers and servers continue between executions, although the loop has no task for them."""
        self.run_ok("import os, socket\nr, w = os.pipe()\n"
                    "asyncio.get_event_loop().call_later(0.01, os.write, w, b'x')")
        after = Execution()
        while not after.main or after.plain == "False":
            after = self.run_ok("import select; bool(select.select([r], [], [], 0)[0])")
        self.run_ok("async def serve(reader, writer):\n    writer.write(b'hello'); writer.close()\n"
                    "server = await asyncio.start_unix_server(serve, 'socket')\n"
                    "client = socket.socket(socket.AF_UNIX); client.connect('socket')\n"
                    "client.setblocking(False)")
        while after.plain != "b'hello'":
            after = self.run_ok("try: got = client.recv(9)\nexcept BlockingIOError: got = None\n"
                                "got or 0")
        self.run_ok("server.close(); client.close()")


class WarmLoop(Loop):
    arguments = ["--warm"]


class Streams(Case):
    def test_reconfigured(self):
        for stream in ("sys.stdout", "sys.stderr"):
            for setting in ("encoding='latin-1'", "encoding='ascii', errors='strict'",
                            "line_buffering=False", "newline='\\r\\n'", "write_through=True"):
                self.run_ok(f"import sys; {stream}.reconfigure({setting})")
                execution = self.run_ok(f"print('ä', file={stream})")
                self.assertEqual(execution.out + execution.err, "ä\n".encode(), setting)
        self.assertEqual(self.run_ok("sys.stdout.reconfigure(encoding='latin-1'); print('ä')").out,
                         b"\xe4\n")
        self.assertEqual(self.value("sys.stdout.line_buffering, sys.stdout.write_through"),
                         "(True, False)")


class Matplotlib(Case):
    def setUp(self):
        for name, lines in (("says", "print('hello')"), ("plots", "import matplotlib.pyplot as p\n"
                            "p.plot([1])"), ("shows", "import matplotlib.pyplot as p\n"
                            "p.plot([1]); p.show()")):
            self.run_ok(f"%%writefile {name}.py\n{lines}")

    def check_scripts(self):
        for name, count in (("says", 0), ("plots", 1), ("says", 0), ("shows", 1), ("says", 0)):
            self.assertEqual(len(self.run_ok(f"%run {name}.py").results), count, name)

    def test_run(self):
        self.check_scripts()
        self.run_ok("%matplotlib inline")
        self.check_scripts()

    def test_windows(self):
        for name in ("notebook", "widget", "qt", "tk", ""):
            said = self.run_ok(f"%matplotlib {name}").err
            self.assertIn(b"there are no windows and no notebook here", said)
            self.assertEqual(len(self.run_ok("import matplotlib.pyplot as p; p.plot([1]);").results), 1)
        self.assertEqual(self.run_ok("%matplotlib inline").err, b"")

    def test_formats(self):
        for name, mime in (("svg", "image/svg+xml"), ("retina", "image/png"), ("png", "image/png")):
            self.run_ok(f"%config InlineBackend.figure_format = '{name}'")
            (shown,) = self.run_ok("import matplotlib.pyplot as p; p.plot([1]);").displays
            self.assertIn(mime, shown)


class Installing(unittest.TestCase):
    """Packages can be installed, although pip's directories do not exist before the first one."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="cloche-runner-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.place = os.path.join(folder.name, "home/.local/lib",
                                  "python{}.{}".format(*sys.version_info), "site-packages")

    def run_cells(self, *cells, **environment):
        runner = start(self.folder, **environment)
        self.addCleanup(runner.close)
        for cell in cells[:-1]:
            execution = runner.execute(cell)
            self.assertIsNone(execution.error, execution.error)
        return runner.execute(cells[-1])

    def make(self):
        return (f"import os, sys; os.makedirs({self.place!r})\n"
                f"open({self.place!r} + '/own_package.py', 'w').write('x = 5')\n"
                f"open({self.place!r} + '/more.pth', 'w').write('{self.folder}')\n")

    def test_in_the_same_cell(self):
        self.assertEqual(self.run_cells(self.make() + "import own_package; own_package.x").plain, "5")

    def test_in_the_next_cell(self):
        last = ("import own_package; places = [p for p in sys.path if p.endswith('-packages')]\n"
                f"places[0] == {self.place!r}, {self.folder!r} in sys.path")
        self.assertEqual(self.run_cells("import sys", self.make(), last).plain, "(True, True)")

    def test_not_there(self):
        error = self.run_cells("import own_package").error
        self.assertEqual(error[:2], ("ModuleNotFoundError", "No module named 'own_package'"))
        self.assertNotIn("cloche_runner", error[2])

    def test_without_user_site(self):
        error = self.run_cells(self.make() + "import own_package", PYTHONNOUSERSITE="1").error
        self.assertEqual(error[0], "ModuleNotFoundError")


class Shell(Case):
    def test_next_input(self):
        self.run_ok("%%writefile hello.py\nprint('hello')")
        (shown,) = self.run_ok("%load hello.py").displays
        self.assertEqual(shown["text/plain"], b"# %load hello.py\nprint('hello')\n")

    def test_not_available(self):
        for name in ("edit x.py", "ed x.py", "connect_info", "qtconsole", "autosave 5"):
            value = self.run_failing(f"%{name}", "UsageError").error[1]
            self.assertIn("is not available", value)

    def test_kernel_is_for_pandas_only(self):
        """Other libraries that find a kernel would send messages to a front end."""
        self.assertEqual(self.value("import pandas; hasattr(get_ipython(), 'kernel')"), "False")

    def test_warnings(self):
        for name in ("pip", "cd", "conda"):
            self.assertNotIn(b"Warning", self.run_ok(f"!{name} --help > /dev/null 2>&1").err)


if __name__ == "__main__":
    main()
