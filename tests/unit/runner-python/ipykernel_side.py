# SPDX-License-Identifier: LGPL-2.1-or-later
"""ipykernel_side: runs cells in ipykernel, and returns what they send as a runner_client.Execution."""

import base64
import re
import sys

from jupyter_client.manager import KernelManager

from cloche_tests.runner_client import TIMEOUT_S, Execution

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def _to_bytes(mime, value):
    if mime.startswith("image/") and mime != "image/svg+xml":
        return base64.b64decode(value)
    return value.encode() if isinstance(value, str) else repr(value).encode()


class Ipykernel:
    """An ipykernel of the interpreter that runs this test."""

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

    def execute(self, code):
        """Runs a cell to its end."""
        number = self._client.execute(code, allow_stdin=False, stop_on_error=False)
        execution = Execution()
        while True:
            message = self._client.get_iopub_msg(timeout=TIMEOUT_S)
            kind, content = message["header"]["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") != number:
                continue
            if kind == "status" and content["execution_state"] == "idle":
                break
            self._add(execution, kind, content)
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
        """The runner sends as displays what ipykernel sends as payloads: pages and next inputs."""
        if content["status"] == "ok" and execution.error:  # the error was only shown, and the cell continued
            execution.err += execution.error[2].encode() + b"\n"
            execution.error = None
        for payload in content.get("payload", ()):
            text = {
                "page": lambda: payload["data"].get("text/plain", ""),
                "set_next_input": lambda: payload["text"],
            }.get(payload["source"], str)()
            if text:
                execution.results.append((False, {"text/plain": text.encode()}))
