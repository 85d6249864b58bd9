# SPDX-License-Identifier: LGPL-2.1-or-later
"""truth: the programs that know the right answer: ipykernel, IRkernel, node and bash of this host.

run(case) gives an observation for each cell of a case, or None where its truth is a document.
"""
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time

from case import HERE, TRUTHS, Seen

STEP_S = 60
PROMPT = "<prompt of the case>"


def environment(folder):
    """As a guest's, and without what another Python of this host brought into it."""
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": folder, "LANG": "C.UTF-8",
            "USER": "root", "LOGNAME": "root", "SHELL": "/bin/bash", "NODE_PATH": "/usr/share/nodejs"}


# --- kernels of Jupyter ---

class Kernel:
    def __init__(self, name, folder):
        from jupyter_client.manager import start_new_kernel
        self.manager, self.client = start_new_kernel(kernel_name=name, cwd=folder, env=environment(folder), startup_timeout=STEP_S)

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def run(self, step):
        seen, end = Seen(), time.monotonic() + step.get("timeout", STEP_S)
        request = self.client.execute(step["code"], allow_stdin=False)
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=max(end - time.monotonic(), 0.01))
            except Exception:  # queue.Empty: its time is over
                if seen.status == "timed-out" or "timeout" not in step:
                    raise
                self.manager.interrupt_kernel()
                seen.status, end = "timed-out", time.monotonic() + STEP_S
                continue
            if message["parent_header"].get("msg_id") == request and self._take(seen, message["msg_type"], message["content"]):
                self.client.get_shell_msg(timeout=STEP_S)
                return seen

    def _take(self, seen, kind, content):
        """True at the end."""
        if kind == "stream":
            setattr(seen, content["name"], getattr(seen, content["name"]) + content["text"])
        elif kind in ("execute_result", "display_data", "update_display_data"):
            seen.results.append((content["data"].get("text/plain", ""), set(content["data"])))
        elif kind == "error":
            seen.error, seen.value = content["ename"], content["evalue"]
            seen.status = "error" if seen.status == "ok" else seen.status
        return kind == "status" and content["execution_state"] == "idle"


def run_kernel(name, case, folder):
    kernel = Kernel(name, folder)
    try:
        return [kernel.run(step) for step in case.cells]
    finally:
        kernel.close()


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
    """As a script, which ends when node ends it."""
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
    """Types erased by TypeScript itself, then as a module, which may await."""
    (step,) = case.cells
    done = subprocess.run(["node", "-e", TRANSPILE, "--", "esnext"], input=step["code"], text=True, capture_output=True,
                          env=environment(folder), check=True, timeout=STEP_S)
    script = pathlib.Path(folder, "script.mjs")
    script.write_text(done.stdout)
    return [_of_process(_process("node", script.name, folder=folder))]


def run_node_repl(case, folder):
    """As typed into node's own console, cell by cell."""
    cells = pathlib.Path(folder, ".cells.json")
    cells.write_text(json.dumps([step["code"] for step in case.cells]))
    done = _process("node", str(HERE / "node-repl.js"), cells.name, folder=folder)
    if done.returncode:
        raise AssertionError(done.stderr)
    return [Seen(one["stdout"], one["stderr"], [(one["result"], {"text/plain"})] if one["result"] is not None else [],
                 "error" if one["error"] else "ok", one["error"], one["value"]) for one in json.loads(done.stdout)]


# --- bash ---

class Bash:
    """An interactive one on a terminal of its own, so that an interrupt is what Ctrl-C is there."""

    def __init__(self, folder):
        import pty
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
        """False when no prompt came in time."""
        import select
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
                raise AssertionError("bash does not come back")
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


PROGRAMS = {
    "ipykernel": lambda case, folder: run_kernel("python3", case, folder),
    "IRkernel": lambda case, folder: run_kernel("ir", case, folder),
    "node": run_node,
    "node-module": lambda case, folder: run_node(case, folder, ".mjs"),
    "node-repl": run_node_repl,
    "tsc": run_tsc,
    "bash": run_bash,
}


def run(case):
    if case.truth not in TRUTHS:
        return None
    with tempfile.TemporaryDirectory(prefix="cloche-truth-") as folder:
        for name, text in case.files.items():
            pathlib.Path(folder, name).write_text(text)
        return PROGRAMS[case.truth](case, folder)
