# SPDX-License-Identifier: LGPL-2.1-or-later
"""In the Python runner, SIGINT interrupts the code and its children at any point, and executions can drain.

usage: test_interrupts.py RUN, where RUN is the runner's entry
"""

import os
import signal

from case import Case

from cloche_tests.runner_client import DRAIN, Execution
from cloche_tests.tap import main


def processes(argument):
    """Returns the pids of processes whose command line has this argument."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if argument.encode() in file.read():
                    found.append(int(pid))
        except OSError:
            pass
    return found


class Children(Case):
    """Each command writes "now" itself, so the interrupt arrives while it runs."""

    def setUp(self):
        self.mark = f"mark-{os.getpid()}-{self.id()}"
        self.run_ok("import os, subprocess, sys, time, signal, multiprocessing; kept = 5")

    def tearDown(self):
        self.assertEqual(self.value("kept"), "5")
        super().tearDown()

    def shell(self, then="touch after"):
        """A shell command that writes "now" and waits."""
        said = f"echo now > /proc/{self.runner.process.pid}/fd/1"  # works even if output is captured
        return f": {self.mark}; {said}; sleep 65; {then}"

    def interrupt(self, code):
        execution = Execution()
        self.runner.begin(code)
        self.runner.wait_for_output(execution, b"now\n")
        return self.runner.stop(execution)

    def check(self, code):
        execution = self.interrupt(code)
        self.assertEqual((execution.error[0], execution.status), ("KeyboardInterrupt", 2))
        self.assertNotIn("cloche_runner", execution.error[2])
        self.assertNotIn(b"went on", execution.out)
        self.assertEqual(processes(self.mark), [])
        self.assertEqual(self.value("os.path.exists('after')"), "False")

    def test_commands(self):
        command = self.shell()
        on_terminal = f"stty -opost; : {self.mark}; echo now; sleep 65; touch after"
        for code in (
            f"os.system({command!r})",
            f"subprocess.run({command!r}, shell=True)",
            f"subprocess.call({command!r}, shell=True)",
            f"subprocess.run(['bash', '-c', {command!r}])",
            f"p = subprocess.Popen({command!r}, shell=True); p.wait()",
            f"p = subprocess.Popen({command!r}, shell=True); p.communicate()",
            f"p = subprocess.Popen({command!r}, shell=True)\nwhile p.poll() is None: pass",
            f"!{command}",
            f"%system {command}",
            f"x = !{command}",
            f"from IPython.utils import io\nwith io.capture_output():\n    !{command}",
            f"%%bash\n{command}",
            f"%%sh\n{command}",
            f"%%script bash\n{command}",
            f"get_ipython().system({command!r})",
            # pexpect writes "now" from within expect(): between two calls, the code would not wait for the child
            f"import pexpect; c = pexpect.spawn('sh', ['-c', {on_terminal!r}], encoding='utf-8')\n"
            "c.logfile_read = sys.stdout; c.expect('never', timeout=None)",
            f"import asyncio\np = await asyncio.create_subprocess_shell({command!r})\nawait p.wait()",
        ):
            with self.subTest(code):
                self.check(code + "\nprint('went on')" if "%%" not in code else code)

    def test_loops_of_commands(self):
        """Without the runner, Python and IPython would continue with the next command."""
        command = self.shell()
        for line in (f"os.system({command!r})", f"!{command}"):
            self.check(f"for i in range(100):\n    {line}\n    print('went on')")

    def test_new_programs(self):
        """A process that catches the signal just before it starts a program gets it again."""
        starting = ("import os, time\ntry: print('ready', flush=True); time.sleep(65)\n"
                    "except KeyboardInterrupt: end = time.process_time() + 0.03\n"
                    "while time.process_time() < end: pass\n"
                    "os.execvp('sleep', ['sleep', '20'])")
        self.run_ok("from cloche_runner.children import Children\nchildren = Children(); children.begin()\n"
                    f"p = subprocess.Popen([sys.executable, '-c', {starting!r}], stdout=-1); p.stdout.readline()\n"
                    "children.interrupt(sys._getframe()); children.finish()")
        self.assertEqual(self.value("p.stdout.close(); p.wait()"), "-2")

    def test_before_the_pid_is_stored(self):
        """A program on a separate terminal, when neither pexpect nor IPython knows its PID yet."""
        command = f": {self.mark}; sleep 65; touch after"
        self.run_ok("import pexpect\nfrom IPython.utils import io, process\n"
                    "real, children = pexpect.spawn, []\n"
                    "def spawn(*args, **options):\n"
                    "    children.append(real(*args, **options))\n"
                    f"    os.write(os.open('/proc/{self.runner.process.pid}/fd/1', os.O_WRONLY), b'now\\n')\n"
                    "    while True: pass\n"
                    "pexpect.spawn = spawn")
        for code in (f"with io.capture_output():\n    !{command}",
                     f"with io.capture_output():\n    try: get_ipython().system({command!r})\n"
                     "    except Exception: print('went on')",
                     f"process.system({command!r})"):
            with self.subTest(code):
                self.check(code + "\nprint('went on')")
        self.assertEqual(self.value("[child.wait() for child in children]; [c.signalstatus for c in children]"),
                         "[2, 2, 2]")
        self.run_ok("pexpect.spawn = real")

    def test_errors_of_cleanup(self):
        """An error that the cleanup of the executed code itself raises after an interrupt is its error."""
        execution = self.run_interrupted("try:\n    print('now')\n    while True: pass\nfinally: int('x')")
        self.assertEqual((execution.error[0], execution.status), ("ValueError", 1))

    def test_what_ignores_it(self):
        """A child that ignores SIGINT is killed or abandoned, and the interpreter keeps its state."""
        ignoring = f": {self.mark}; trap '' INT; echo now; while :; do sleep 0.1; done"
        for code in (f"os.system({ignoring!r})", f"subprocess.run({ignoring!r}, shell=True)",
                     f"!{ignoring}", f"%%bash -s {self.mark}\n{ignoring}"):
            with self.subTest(code):
                self.assertEqual(self.interrupt(code).status, 2)
                left = processes(self.mark)
                self.assertGreaterEqual(len(left), "%%bash" in code)
                for pid in left:
                    os.kill(pid, signal.SIGKILL)

    def test_exit_statuses(self):
        self.assertEqual(self.value("os.system('exit 3'), os.system('kill -9 $$')"), "(768, 9)")
        self.assertEqual(self.value("!exit 4\n_exit_code"), "4")
        self.assertEqual(self.value("!kill -9 $$\n_exit_code"), "-9")
        self.assertEqual(self.value("os.system('test \"$HOME\" = ' + os.environ['HOME'])"), "0")
        self.run_failing("os.system('a\\0')", "ValueError")
        self.run_failing("os.system(3)", "TypeError")

    def test_background(self):
        """Background processes continue."""
        sleep = f"exec -a {self.mark} sleep 600"
        for code in (
            f"subprocess.Popen(['bash', '-c', {sleep!r}], start_new_session=True)",
            f"subprocess.Popen(['bash', '-c', {sleep!r}], preexec_fn=os.setpgrp)",
            f"subprocess.Popen(['nohup', 'bash', '-c', \"trap '' INT; {sleep}\"], stdout=-3)",
            f"os.system(\"(bash -c '{sleep}') > /dev/null 2>&1 &\")",
            f"get_ipython().run_cell_magic('bash', '--bg', '{sleep}')",
        ):
            with self.subTest(code):
                execution = self.run_interrupted(
                    f"{code}\nwhile subprocess.call(['pgrep', '-f', '^{self.mark}'], stdout=-3): pass\n"
                    "print('now')\nwhile True: pass")
                self.assertEqual(execution.status, 2)
                (pid,) = processes(self.mark)
                os.kill(pid, signal.SIGKILL)
                self.run_ok("while True:\n    try: os.waitpid(-1, os.WNOHANG)[0] or None\n"
                            "    except ChildProcessError: break\n"
                            f"    if subprocess.call(['pgrep', '-f', '^{self.mark}'], stdout=-3): break")

    def test_earlier(self):
        """A child of an earlier execution continues, unless this execution waits for it."""
        command = f"read x; {self.shell()}"
        self.run_ok(f"server = subprocess.Popen(['bash', '-c', {command!r}], stdin=-1)")
        self.run_interrupted("print('now')\nwhile True: pass")
        self.assertEqual(self.value("server.poll() is None"), "True")
        self.check("server.communicate(b'go\\n')")
        self.assertEqual(self.value("server.wait()"), "-2")

    def test_pools(self):
        self.run_ok("from concurrent import futures\n"
                    "def work(n):\n    print('now', flush=True); time.sleep(65)")
        self.check("with multiprocessing.Pool(1) as pool: pool.map(work, [1])")
        self.check("with futures.ProcessPoolExecutor(1) as pool: list(pool.map(work, [1]))")
        self.run_ok("pool = multiprocessing.Pool(1); first = pool._pool[0]")
        self.check("pool.map(work, [1])")
        self.assertEqual(self.value("first.join(); pool.terminate(); first.is_alive()"), "False")

    def test_forked_child_interrupts_itself_only(self):
        execution = self.run_ok(
            "sleeper = subprocess.Popen(['sleep', '600'])\n"
            "pid = os.fork()\nif pid == 0:\n"
            "    try: signal.raise_signal(signal.SIGINT)\n"
            "    except KeyboardInterrupt: os._exit(3)\n"
            "status = os.waitpid(pid, 0)[1]; alive = sleeper.poll() is None; sleeper.kill(); sleeper.wait()\n"
            "status, alive")
        self.assertEqual(execution.plain, "(768, True)")


class Afterwards(Case):
    """The runner's work after the cell's code can be interrupted."""

    def setUp(self):
        self.run_ok("kept = 5; import time")

    def tearDown(self):
        self.assertEqual(self.value("kept"), "5")
        super().tearDown()

    def test_figures(self):
        self.run_ok("import matplotlib.pyplot as plt, matplotlib.artist\n"
                    "class Slow(matplotlib.artist.Artist):\n"
                    "    def draw(self, renderer):\n        print('now')\n        while True: pass")
        slow = "fig = plt.figure(); fig.add_subplot().add_artist(Slow())"
        for code in (slow + ";", slow + "; fig", slow + "; plt.show()"):
            execution = Execution()
            self.runner.begin(code)
            self.runner.wait_for_output(execution, b"now\n")
            self.runner.stop(execution)
            self.assertEqual((execution.error[0], execution.status), ("KeyboardInterrupt", 2))
            self.assertEqual((execution.results, execution.err), ([], b""))
        self.assertEqual(self.value("plt.get_fignums()"), "[]")

    def test_figures_of_an_interrupted_cell(self):
        execution = self.run_interrupted("import matplotlib.pyplot as plt; plt.plot([1])\n"
                                         "print('now')\nwhile True: pass")
        self.assertEqual((len(execution.displays), execution.status), (1, 2))

    def test_traceback(self):
        """The formatting of a traceback is interrupted: Python's own traceback is shown, and the error is kept."""
        self.run_ok("import stack_data\nreal = stack_data.FrameInfo.stack_data\n"
                    "def slow(*args, **kwargs):\n    stack_data.FrameInfo.stack_data = real\n"
                    "    print('now')\n    while True: pass\n")
        execution = self.run_interrupted("stack_data.FrameInfo.stack_data = slow\nint('slow')")
        self.assertEqual(execution.error[0], "ValueError")
        self.assertIn("Traceback (most recent call last):", execution.error[2])
        self.assertNotIn("cloche_runner", execution.error[2])
        self.assertEqual(execution.err, b"")


    def test_before_the_code(self):
        """IPython itself does not catch an interrupt while it prepares the cell."""
        self.run_ok("def slow(lines):\n    transformers.remove(slow)\n    print('now')\n    while True: pass\n"
                    "transformers = get_ipython().input_transformers_cleanup\ntransformers.append(slow)")
        execution = self.run_interrupted("1")
        self.assertEqual((execution.error[0], execution.status), ("KeyboardInterrupt", 2))
        self.assertIn("in slow", execution.error[2])
        self.assertNotIn("cloche_runner", execution.error[2])


class Draining(Case):
    def drain(self, code):
        execution = self.runner.execute(code, DRAIN)
        self.assertIsNone(execution.error, execution.error and execution.error[2])
        return execution.out.decode().split()

    def test_what_is_waited_for(self):
        self.run_ok("import asyncio, threading, multiprocessing, time\nfrom concurrent import futures\n"
                    "def late(word='late'):\n    time.sleep(0.1); print(word, flush=True)\n"
                    "async def alate():\n    await asyncio.sleep(0.1); print('late')\n")
        for code in (
            "threading.Thread(target=late).start()",
            "threading.Timer(0.1, print, ['late']).start()",
            "t = asyncio.create_task(alate())",
            "await asyncio.sleep(0); t = asyncio.create_task(alate())",
            "t = asyncio.get_event_loop().run_in_executor(None, late)",
            "futures.ThreadPoolExecutor().submit(late);",
            "pool = futures.ThreadPoolExecutor(2); pool.submit(late);",
            "pool = futures.ThreadPoolExecutor(1)\n"
            "pool.submit(lambda: (time.sleep(0.1), pool.submit(late)));",
            "workers = futures.ProcessPoolExecutor(1); workers.submit(late);",
            "multiprocessing.Process(target=late).start()",
            "def chain(): threading.Thread(target=late).start()\n"
            "threading.Thread(target=chain).start()",
        ):
            with self.subTest(code):
                self.assertEqual(self.drain(code), ["late"])
        self.assertEqual(self.value("pool.submit(int, 3).result()"), "3")
        self.run_ok("workers.shutdown(); pool.shutdown()")

    def test_what_is_not(self):
        self.run_ok("import asyncio, threading\ngo = threading.Event()\n"
                    "threading.Thread(target=go.wait).start()\n"
                    "earlier = asyncio.create_task(asyncio.sleep(600))")
        self.drain("threading.Thread(target=go.wait, daemon=True).start()")
        self.drain("1")
        self.run_ok("go.set(); earlier.cancel()")
        self.run_ok("t = threading.Thread(target=threading.Event().wait, args=(0.01,)); t.start()")

    def test_figures(self):
        self.run_ok("import matplotlib.pyplot as plt, asyncio")
        execution = self.runner.execute(
            "async def draw():\n    await asyncio.sleep(0.01); plt.plot([1])\n"
            "t = asyncio.create_task(draw())", DRAIN)
        self.assertEqual(len(execution.displays), 1)

    def test_interrupted(self):
        self.run_ok("import threading, asyncio\ngo = threading.Event()")
        for code in ("threading.Thread(target=lambda: (print('now'), go.wait())).start()",
                     "async def f():\n    print('now'); await asyncio.sleep(600)\n"
                     "t = asyncio.create_task(f())"):
            execution = Execution()
            self.runner.begin(code, DRAIN)
            self.runner.wait_for_output(execution, b"now\n")
            execution = self.runner.stop(execution)
            self.assertEqual((execution.error[0], execution.status), ("KeyboardInterrupt", 2))
        self.assertEqual(self.value("go.set(); t.done()"), "True")


if __name__ == "__main__":
    main()
