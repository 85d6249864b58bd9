# SPDX-License-Identifier: LGPL-2.1-or-later
"""kernel: one kernel of Jupyter's, found by its name or its language, and what it says.

A kernel may tell that it is idle before its reply or behind it, and some before their last output:
an execution is over when both have come.
"""

import os
import queue
import sys

os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # ipykernel's debugger would warn of itself

try:
    import zmq
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import KernelManager
except ImportError as error:
    print(f"Jupyter is not installed in this guest: {error}", file=sys.stderr)
    os._exit(64)

READY_S = 110
_POLL_MS = 500  # between looks whether it lives


class KernelDied(Exception):
    pass


def find_spec(name):
    """The name and the specification of a kernel; None: there is none."""
    specs = {key: value["spec"] for key, value in KernelSpecManager().get_all_specs().items()}
    if name in specs:
        return name, specs[name]
    for key, spec in sorted(specs.items()):
        if spec["language"].lower() == name.lower():
            return key, spec
    known = ", ".join(sorted(specs)) or "none"
    print(f"no kernel in this guest has this name or language; there are: {known}", file=sys.stderr)
    return None


class Kernel:
    def __init__(self, name):
        self._manager = KernelManager(kernel_name=name)
        self._manager.start_kernel()
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=READY_S)
        info = self._client.kernel_info(reply=True, timeout=READY_S)["content"]
        self.version = info["language_info"].get("version", "")
        self._poller = zmq.Poller()
        for channel in (self._client.iopub_channel, self._client.shell_channel, self._client.stdin_channel):
            self._poller.register(channel.socket, zmq.POLLIN)

    def interrupt(self):
        self._manager.interrupt_kernel()

    def shut_down(self):
        self._manager.shutdown_kernel(now=True)

    def execute(self, code, keep, heard):
        """Calls heard(type, content) for all that it publishes; returns the content of its reply."""
        request = self._client.execute(code, silent=False, store_history=keep, allow_stdin=False)
        reply, is_idle = None, False
        while reply is None or not is_idle:
            for message in self._messages():
                if message["parent_header"].get("msg_id") != request:
                    continue
                kind, content = message["msg_type"], message["content"]
                if kind == "input_request":  # some ask although they were told that nobody answers
                    self._client.input("")
                    heard(kind, content)
                elif kind == "execute_reply":
                    reply = content
                elif kind == "status":
                    is_idle = is_idle or content["execution_state"] == "idle"
                else:
                    heard(kind, content)
        return reply

    def _messages(self):
        """What has come, that which was published before the reply; waits until something has."""
        while not self._poller.poll(_POLL_MS):
            if not self._manager.is_alive():
                raise KernelDied
        for receive in (self._client.get_iopub_msg, self._client.get_stdin_msg, self._client.get_shell_msg):
            try:
                while True:
                    yield receive(timeout=0)
            except queue.Empty:
                pass
