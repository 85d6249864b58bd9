# SPDX-License-Identifier: LGPL-2.1-or-later
"""kernel: one kernel, over Unix sockets, and its messages about one execution.

Some kernels report that they are idle before they have sent all messages, so an execution ends only
when the kernel has also sent its reply. SIGINT interrupts the kernel; between executions it is
ignored.
"""

import os
import shutil
import signal
import tempfile
import time

import zmq
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

START_S = 290  # slightly less than the host waits
CHECK_S = 2  # some kernels never reply to is_complete_request
ASK_AGAIN_MS = 500


os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # avoids warnings of ipykernel's debugger


class KernelDied(Exception):
    pass


class NoSuchKernel(Exception):
    pass


def find_kernel(name):
    """Returns the kernelspec with this name or, ignoring case, with this language."""
    specs = KernelSpecManager().get_all_specs()
    if name in specs:
        return name
    for found in sorted(specs):
        if specs[found]["spec"].get("language", "").lower() == name.lower():
            return found
    known = ", ".join(sorted(specs)) or "none"
    raise NoSuchKernel(f"no kernel in this guest has this name or language; there are: {known}")


def _request(code, keep):
    return {
        "code": code,
        "silent": False,  # a silent execution sends no messages at all
        "store_history": keep,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": False,
    }


class Kernel:
    def __init__(self, name):
        self._directory = tempfile.mkdtemp(prefix="cloche-kernel-")
        stem = os.path.join(self._directory, "kernel")
        self.interrupt_note = os.path.join(self._directory, "interrupted")
        self._manager = KernelManager(
            kernel_name=name, transport="ipc", ip=stem, connection_file=stem + ".json"
        )
        self._wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGINT, lambda number, frame: None)
        signal.set_wakeup_fd(self._wakeup[1], warn_on_full_buffer=False)
        self._manager.start_kernel()
        self._death = os.pidfd_open(self._manager.provisioner.pid)
        identity = self._manager.session.bsession  # by which the kernel addresses the client
        self._shell = self._manager.connect_shell(identity)
        self._stdin = self._manager.connect_stdin(identity)
        self._iopub = self._manager.connect_iopub()
        self._poller = zmq.Poller()
        for source in (self._shell, self._iopub, self._stdin, self._wakeup[0], self._death):
            self._poller.register(source, zmq.POLLIN)
        self.language, self.version = self._ask_language()

    def _ask_language(self):
        """Waits until messages arrive on both sockets: messages published earlier are lost."""
        info, is_heard, end = None, False, time.monotonic() + START_S
        while not is_heard:
            request, info = self._send("kernel_info_request", {}), None
            while info is None or not is_heard:
                if time.monotonic() > end:
                    raise TimeoutError(f"it did not answer within {START_S} seconds")
                if not self._wait(ASK_AGAIN_MS) and info is not None:
                    break
                for kind, content in self._messages(self._shell, request):
                    info = content["language_info"]
                for _ in self._messages(self._iopub, request):
                    is_heard = True
        return info["name"].lower(), str(info.get("version", ""))

    def _send(self, kind, content):
        message = self._manager.session.msg(kind, content)
        self._manager.session.send(self._shell, message)
        return message["header"]["msg_id"]

    def close(self):
        """Ends the kernel without waiting for further messages."""
        self._manager.shutdown_kernel(now=True)
        shutil.rmtree(self._directory, ignore_errors=True)

    def execute(self, code, keep, on_message):
        """
        Calls on_message(type, content) for all messages of this execution. Returns the content of
        the reply, and whether the execution was interrupted. Raises KernelDied if the kernel has
        ended.
        """
        self._take_interrupts()
        request = self._send("execute_request", _request(code, keep))
        reply, is_idle, was_interrupted = None, False, False
        while reply is None or not is_idle:
            self._wait()
            if self._take_interrupts():
                was_interrupted = True
                self._interrupt()
            self._refuse_input(request, on_message)
            for kind, content in self._messages(self._iopub, request):
                if kind != "status":
                    on_message(kind, content)
                elif content["execution_state"] == "idle":
                    is_idle = True
            for kind, content in self._messages(self._shell, request):
                reply = content if kind == "execute_reply" else reply
        return reply, was_interrupted

    def check(self, code):
        """
        Returns the content of the kernel's reply to is_complete_request (None if it did not arrive
        in time), and whether the check was interrupted. The kernel is not interrupted, because it
        executes nothing.
        """
        self._take_interrupts()
        request = self._send("is_complete_request", {"code": code})
        end = time.monotonic() + CHECK_S
        while (left := end - time.monotonic()) > 0:
            self._wait(int(left * 1000) + 1)
            if self._take_interrupts():
                return None, True
            for _ in self._messages(self._iopub, request):
                pass  # the kernel publishes that it is busy and idle
            for kind, content in self._messages(self._shell, request):
                if kind == "is_complete_reply":
                    return content, False
        return None, False

    def _interrupt(self):
        """Also leaves a note for code that ignores the signal while it waits for a command."""
        open(self.interrupt_note, "w").close()
        self._manager.interrupt_kernel()

    def _refuse_input(self, request, on_message):
        """Some kernels request input although allow_stdin is false: they get an empty line."""
        for kind, content in self._messages(self._stdin, request):
            self._manager.session.send(self._stdin, "input_reply", {"value": ""})
            on_message(kind, content)

    def _wait(self, timeout_ms=None):
        """
        Waits for a message and returns whether there is one. Raises KernelDied if no more messages
        can arrive.
        """
        ready = {source for source, _ in self._poller.poll(timeout_ms)}
        if self._death in ready and not ready & {self._iopub, self._shell}:
            raise KernelDied(self._how_it_died())
        return bool(ready)

    def _take_interrupts(self):
        try:
            return bool(os.read(self._wakeup[0], 4096))
        except BlockingIOError:
            return False

    def _how_it_died(self):
        status = self._manager.provisioner.process.wait()
        return f"was killed by signal {-status}" if status < 0 else f"ended with exit status {status}"

    def _messages(self, socket, request):
        """Returns the messages that have arrived for the request."""
        while True:
            _, message = self._manager.session.recv(socket, zmq.NOBLOCK)
            if message is None:
                return
            if message["parent_header"].get("msg_id") == request:
                yield message["msg_type"], message["content"]
