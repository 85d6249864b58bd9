# SPDX-License-Identifier: LGPL-2.1-or-later
"""ipykernel_side: one ipykernel, and what a cell gives in it, in the words of client.Execution."""

import base64
import re
import sys

from client import TIMEOUT_S, Execution
from jupyter_client.manager import KernelManager

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def _to_bytes(mime, value):
    if mime.startswith("image/") and mime != "image/svg+xml":
        return base64.b64decode(value)
    return value.encode() if isinstance(value, str) else repr(value).encode()


class Ipykernel:
    """The kernel of the interpreter that runs this test."""

    def __init__(self, folder, environment):
        self._manager = KernelManager(transport="ipc", ip=f"{folder}/k")
        self._manager.kernel_cmd = [sys.executable, "-m", "ipykernel", "-f", "{connection_file}"]
        self._manager.start_kernel(cwd=folder, env=environment)
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=TIMEOUT_S)

    def close(self):
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def interrupt(self):
        self._manager.interrupt_kernel()

    def begin(self, code, silent=False):
        return self._client.execute(code, silent=silent, allow_stdin=False)

    def execute(self, code, on_output=None):
        """Runs a cell to its end. on_output is called with the execution after each output."""
        number = self.begin(code)
        execution = Execution()
        while True:
            message = self._client.get_iopub_msg(timeout=TIMEOUT_S)
            if message["parent_header"].get("msg_id") != number:
                continue
            kind, content = message["header"]["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            self._add(execution, kind, content)
            if on_output is not None and kind == "stream":
                on_output(execution)
        reply = self._client.get_shell_msg(timeout=TIMEOUT_S)
        while reply["parent_header"].get("msg_id") != number:
            reply = self._client.get_shell_msg(timeout=TIMEOUT_S)
        self._finish(execution, reply["content"])
        return execution

    def _add(self, execution, kind, content):
        if kind == "stream":
            data = content["text"].encode("utf-8", "backslashreplace").replace(b"\r\n", b"\n")
            name = {"stdout": "out", "stderr": "err"}[content["name"]]
            setattr(execution, name, getattr(execution, name) + data)
        elif kind in ("execute_result", "display_data", "update_display_data"):
            parts = {mime: _to_bytes(mime, value) for mime, value in content["data"].items()}
            execution.results.append((kind == "execute_result", parts))
        elif kind == "error":
            trace = _ESCAPES.sub("", "\n".join(content["traceback"]))
            execution.error = (content["ename"], content["evalue"], trace)

    def _finish(self, execution, content):
        """What a page and a next input are to a notebook, they are as displays to the runner."""
        execution.status = {"ok": 0, "error": 1}.get(content["status"], 2)
        for payload in content.get("payload", ()):
            if payload["source"] == "page":
                text = payload["data"].get("text/plain", "").encode()
                execution.results.append((False, {"text/plain": _ESCAPES.sub("", text.decode()).encode()}))
            elif payload["source"] == "set_next_input":
                execution.results.append((False, {"text/plain": payload["text"].encode()}))
