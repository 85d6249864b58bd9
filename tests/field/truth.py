# SPDX-License-Identifier: LGPL-2.1-or-later
"""truth: the programs of this host that know the right answers: ipykernel, IRkernel, node and bash.

run(case) returns an observation for each cell of a case, or None if the truth of the case is a document.
"""
import atexit
import collections
import json
import os
import pathlib
import pty
import queue
import re
import select
import signal
import subprocess
import tempfile
import time

from case import ENTER, HERE, TRUTHS, Seen
from orphans import die_with

STEP_S = 60
HEARD_S = 0.05  # time after an answer in which everything that the kernel published before has arrived
PROMPT = "<prompt of the case>"


def environment(folder):
    """Returns an environment like a guest's, without variables that another Python of this host has set."""
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": folder, "LANG": "C.UTF-8",
            "USER": "root", "LOGNAME": "root", "SHELL": "/bin/bash", "NODE_PATH": "/usr/share/nodejs", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


# --- kernels of Jupyter ---

class Kernel:
    """A kernel that starts in its own directory in the background. Call wait() before it is used."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="cloche-truth-")
        self.folder = self._folder.name

    def wait(self):
        self.client.start_channels()
        wait_for_kernel(self.client)

    def close(self):
        self.client.stop_channels()
        self.end()
        self._folder.cleanup()


class Forked(Kernel):
    """A Python kernel that kernels.py forks, so that common modules are imported only once."""
    server = None

    def __init__(self):
        from jupyter_client.blocking import BlockingKernelClient
        from jupyter_client.connect import write_connection_file
        super().__init__()
        if not Forked.server:
            Forked.server = subprocess.Popen(["/usr/bin/python3", "-B", "-Xfrozen_modules=off", HERE / "kernels.py"],
                                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(self.folder))
        connection, _ = write_connection_file(f"{self.folder}/.connection", transport="ipc", ip=f"{self.folder}/.socket")
        self.server.stdin.write(f"{connection} {self.folder}\n")
        self.server.stdin.flush()
        self.pid = int(self.server.stdout.readline())
        self.client = BlockingKernelClient(connection_file=connection)
        self.client.load_connection_file()

    def interrupt(self):
        """Interrupts the kernel. The request after the signal wakes a kernel that awaits, because its loop does not
        notice the signal before."""
        os.killpg(self.pid, signal.SIGINT)
        self.client.comm_info()

    def end(self):
        os.killpg(self.pid, signal.SIGKILL)


class Started(Kernel):
    """Any other kernel."""

    def __init__(self, name):
        from jupyter_client.manager import KernelManager
        super().__init__()
        self.manager = KernelManager(kernel_name=name, transport="ipc", ip=f"{self.folder}/.socket")
        test = os.getpid()
        self.manager.start_kernel(cwd=self.folder, env=environment(self.folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  preexec_fn=lambda: die_with(test))
        self.pid = self.manager.provisioner.pid
        self.client = self.manager.blocking_client()
        self.interrupt = self.manager.interrupt_kernel

    def end(self):
        self.manager.shutdown_kernel(now=True)


class Stock:
    """Kernels of one kind. The next kernels start while a case runs. With `shares`, one serves all cases that are not `fresh`."""

    def __init__(self, start, ahead, shares=False):
        self._start, self._ahead, self._shares = start, ahead, shares
        self.started, self.shared = collections.deque(), None
        atexit.register(self._close)

    def take(self):
        while len(self.started) <= self._ahead:
            self.started.append(self._start())
        kernel = self.started.popleft()
        kernel.wait()
        return kernel

    def _close(self):
        for kernel in (*self.started, *filter(None, [self.shared])):
            kernel.close()

    def run(self, case):
        if self._shares and not case.fresh:
            return self._run_in_shared(case)
        kernel = self.take()
        try:
            write_files(case, kernel.folder)
            return [run_cell(kernel, step) for step in case.cells]
        finally:
            kernel.close()

    def _run_in_shared(self, case):
        kernel, self.shared = self.shared or self.take(), None  # an exception leaves none
        with tempfile.TemporaryDirectory(prefix="cloche-truth-") as folder:
            write_files(case, folder)
            take_reply(kernel.client, kernel.client.execute(ENTER[case.folder].format(folder), silent=True), Seen())
            seen = [run_cell(kernel, step) for step in case.cells]
        self.shared = kernel
        return seen


def wait_for_kernel(client):
    """Waits until the kernel answers and its output arrives. wait_for_ready() would repeat its request, and a late
    answer would change to which request the kernel assigns output."""
    take_reply(client, client.kernel_info(), Seen())
    while True:
        request = client.execute("", silent=True)
        take_reply(client, request, Seen())
        try:
            while client.get_iopub_msg(timeout=HEARD_S)["parent_header"].get("msg_id") != request:
                pass
            return
        except queue.Empty:  # messages that it published before the connection are lost
            pass


def run_cell(kernel, step):
    seen, end, client = Seen(), time.monotonic() + step.get("timeout", STEP_S), kernel.client
    request = client.execute(step["code"], allow_stdin=False, stop_on_error=False)  # otherwise an error may abort the next cell
    while True:
        try:
            message = client.get_iopub_msg(timeout=max(end - time.monotonic(), 0.01))
        except queue.Empty:
            if seen.status == "timed-out" or "timeout" not in step:
                raise
            kernel.interrupt()
            seen.status, end = "timed-out", time.monotonic() + STEP_S
            continue
        if message["parent_header"].get("msg_id") == request and is_last(seen, message["msg_type"], message["content"]):
            take_reply(client, request, seen)
            return seen


def is_last(seen, kind, content):
    """Adds a message to the observation. Returns whether it is the last one."""
    if kind == "stream":  # IPython runs commands after ! on a terminal
        setattr(seen, content["name"], getattr(seen, content["name"]) + content["text"].replace("\r\n", "\n"))
    elif kind in ("execute_result", "display_data", "update_display_data"):
        seen.results.append((content["data"].get("text/plain", ""), set(content["data"])))
    return kind == "status" and content["execution_state"] == "idle"


def take_reply(client, request, seen):
    while (message := client.get_shell_msg(timeout=STEP_S))["parent_header"].get("msg_id") != request:
        pass
    content = message["content"]
    if content.get("status") == "error":
        seen.error, seen.value = content["ename"], content["evalue"]
        seen.status = "error" if seen.status == "ok" else seen.status


# --- node ---

ERROR = re.compile(r"^(?:Uncaught )?(\w*Error)(?:: (.*)|$)", re.MULTILINE)


def _of_process(done):
    seen = Seen(done.stdout, done.stderr)
    if done.returncode:
        error = ERROR.search(done.stderr)
        seen.status, seen.error = "error", error[1] if error else ""
        seen.value, seen.stderr = (error[2] or "") if error else "", ""
    return seen


def _process(*argv, folder):
    return subprocess.run(argv, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=STEP_S,
                          stdin=subprocess.DEVNULL)


def run_node(case, folder, suffix=".js"):
    """Runs the cell as a script."""
    (step,) = case.cells
    script = pathlib.Path(folder, f"script{suffix}")
    script.write_text(step["code"])
    return [_of_process(_process("node", script.name, folder=folder))]


TRANSPILE = """
const ts = require('typescript'), fs = require('fs')
const options = {target: 'es2022', module: process.argv[2]}
process.stdout.write(ts.transpileModule(fs.readFileSync(0, 'utf8'), {compilerOptions: options}).outputText)
"""


def run_tsc(case, folder):
    """Runs the cell as a module, which may await, after TypeScript has erased the types."""
    (step,) = case.cells
    done = subprocess.run(["node", "-e", TRANSPILE, "--", "esnext"], input=step["code"], text=True, capture_output=True,
                          env=environment(folder), check=True, timeout=STEP_S)
    script = pathlib.Path(folder, "script.mjs")
    script.write_text(done.stdout)
    return [_of_process(_process("node", script.name, folder=folder))]


def run_node_repl(case, folder):
    """Runs the cells in node's own console, one after the other."""
    cells = pathlib.Path(folder, ".cells.json")
    cells.write_text(json.dumps([step["code"] for step in case.cells]))
    done = _process("node", str(HERE / "node-repl.js"), cells.name, folder=folder)
    if done.returncode:
        raise AssertionError(done.stderr)
    return [Seen(one["stdout"], one["stderr"], [(one["result"], {"text/plain"})] if one["result"] is not None else [],
                 "error" if one["error"] else "ok", one["error"], one["value"]) for one in json.loads(done.stdout)]


# --- bash ---

class Bash:
    """An interactive bash on its own terminal, where an interrupt is a Ctrl-C."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execve("/bin/bash", ["bash", "--norc", "--noediting", "-i"],
                      {**environment(folder), "PS1": PROMPT, "TERM": "dumb", "HISTFILE": ""})
        self.text = ""
        self.until_prompt(STEP_S)

    def close(self):
        os.close(self.terminal)
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)

    def until_prompt(self, seconds):
        """Returns False if no prompt appears in time."""
        end = time.monotonic() + seconds
        while PROMPT not in self.text:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.terminal], [], [], left)[0]:
                return False
            self.text += os.read(self.terminal, 65536).decode(errors="replace")
        self.text = self.text.partition(PROMPT)[2]
        return True

    def type(self, line):
        os.write(self.terminal, line.encode())

    def run(self, step):
        place = self.folder / ".cell"
        place.write_text(step["code"] + "\n")
        self.type(f". {place} >{place}.out 2>{place}.err </dev/null\n")
        seen, in_time = Seen(), self.until_prompt(step.get("timeout", STEP_S))
        if not in_time:
            self.type("\x03")
            seen.status = "timed-out"
            if not self.until_prompt(STEP_S):
                raise AssertionError("bash shows no prompt after the interrupt")
        self.type(f"echo $? >{place}.status\n")
        self.until_prompt(STEP_S)
        if in_time and pathlib.Path(f"{place}.status").read_text() != "0\n":
            seen.status = "error"
        seen.stdout, seen.stderr = (pathlib.Path(f"{place}.{name}").read_text(errors="replace") for name in ("out", "err"))
        return seen


def run_bash(case, folder):
    bash = Bash(folder)
    try:
        return [bash.run(step) for step in case.cells]
    finally:
        bash.close()


KERNELS = {
    "ipykernel": Stock(Forked, ahead=2),
    "IRkernel": Stock(lambda: Started("ir"), ahead=1, shares=True),
}
PROGRAMS = {
    "node": run_node,
    "node-module": lambda case, folder: run_node(case, folder, ".mjs"),
    "node-repl": run_node_repl,
    "tsc": run_tsc,
    "bash": run_bash,
}


def write_files(case, folder):
    for name, text in case.files.items():
        pathlib.Path(folder, name).write_text(text)


def run(case):
    if case.truth in KERNELS:
        return KERNELS[case.truth].run(case)
    if case.truth not in TRUTHS:
        return None
    with tempfile.TemporaryDirectory(prefix="cloche-truth-") as folder:
        write_files(case, folder)
        return PROGRAMS[case.truth](case, folder)
