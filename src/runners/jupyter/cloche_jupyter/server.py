# SPDX-License-Identifier: LGPL-2.1-or-later
"""server: handles requests, one after the other, and passes them to the kernel."""

import os
import sys

from cloche_runner import completeness
from cloche_runner.channel import (
    DONE,
    EXECUTE,
    READY,
    RESEED,
    SYNC,
    SYNCED,
    Channel,
    field,
    u32,
    wait_until_taken,
)
from cloche_runner.results import Results

from . import languages

_SILENT, _NO_HISTORY, _EXERCISE, _COLOURS = 1, 2, 4, 8
_OK, _FAILED, _INTERRUPTED = 0, 1, 2
_NOT_IN_GUEST = 64
_NO_INPUT = "input is not available: this code runs without a terminal, and was given an empty line"


class _Output:
    """Streams arrive as messages, in order with results, and are sent on in this order."""

    def __init__(self, channel):
        self._channel = channel
        self._is_behind_result = False
        self._last = None

    def write(self, fd, text):
        if self._is_behind_result:
            self._is_behind_result = False
            self._channel.settle()
        elif self._last not in (None, fd):
            try:
                wait_until_taken(self._last)
            except OSError:
                pass  # it is not a pipe
        self._last = fd
        data = memoryview(text.encode("utf-8", "backslashreplace"))
        while data:
            data = data[os.write(fd, data) :]

    def flush(self):
        pass

    def come_behind(self):
        self._is_behind_result = True


class _Answer:
    """The messages of a kernel about an execution."""

    def __init__(self, results, output):
        self._results, self._output = results, output
        self.error = None  # name, value, traceback

    def take(self, kind, content):
        if kind == "stream":
            self._output.write(2 if content["name"] == "stderr" else 1, content["text"])
        elif kind in ("display_data", "update_display_data", "execute_result"):
            self._show(kind, content)
        elif kind == "clear_output":
            self._results.clear(content.get("wait"))
        elif kind == "error":
            self._fail(content)
        elif kind == "input_request":
            self.error = ("StdinNotImplementedError", _NO_INPUT, "")

    def show_pages(self, reply):
        """Shows what a notebook opens in a pager, mostly help."""
        for page in reply.get("payload") or ():
            if page.get("source") == "page":
                self._results.show(page["data"])

    def _show(self, kind, content):
        identity = content.get("transient", {}).get("display_id")
        try:
            self._results.show(
                content["data"],
                is_main=kind == "execute_result",
                display_id=identity,
                is_update=kind == "update_display_data",
            )
        except ValueError as error:  # of the display id
            self._output.write(2, f"[{error}]\n")

    def _fail(self, content):
        traceback = "\n".join(content.get("traceback") or [])
        self.error = (content.get("ename", ""), content.get("evalue", ""), traceback)

    def conclude(self, reply, was_interrupted):
        """
        Returns the status. IRkernel reports some errors only in its reply, and interrupts not at
        all.
        """
        if reply["status"] == "ok" and self.error is None:
            return _OK
        if self.error is None:
            self._fail(reply)
        if was_interrupted:
            if not self.error[0] or reply["status"] != "error":
                self.error = ("KeyboardInterrupt", "the code was interrupted", self.error[2])
            return _INTERRUPTED
        if not self.error[0]:
            self.error = ("ExecutionAborted", "the kernel did not execute the code", "")
        return _FAILED


def _with_own_line_ends(code):
    """If the first line ends in CR LF, converts all line ends, because R does not accept CR."""
    return code.replace("\r\n", "\n") if code.partition("\n")[0].endswith("\r") else code


def _split(assignments):
    return dict(assignment.partition("=")[::2] for assignment in assignments)


class Server:
    def __init__(self, channel, kernel):
        self._channel, self._kernel = channel, kernel
        self._output = _Output(channel)
        self._results = Results(channel, self._output)
        self._language = languages.find(kernel.language)
        self._count = 0
        if self._language:
            for code in (self._language.heed_interrupts(kernel.interrupt_note), self._language.seed(os.urandom(32))):
                if code:
                    self._do(code)

    def serve(self):
        language, version = (
            text.encode()[:64] for text in (self._kernel.language, self._kernel.version)
        )
        self._channel.send(READY, field(language) + field(version))
        while True:
            request = self._channel.receive()
            if request is None:
                return
            kind, fields = request
            if kind == EXECUTE:
                self._take(fields.number(), fields.text(), fields.text(), _split(fields.texts()))
            elif kind == RESEED:
                self._reseed(fields.data(), _split(fields.texts()), fields.text())
            elif kind == SYNC:
                self._channel.send(SYNCED, field(fields.data()))
            else:
                raise ValueError(f"unknown request {kind}")

    def _take(self, flags, dialect, code, environment):
        code = _with_own_line_ends(code)
        if completeness.is_check(dialect):
            self._check(completeness.checked_dialect(dialect), code)
        else:
            self._execute(flags, dialect, code, environment)

    def _check(self, dialect, code):
        if dialect:
            return self._finish(_FAILED, self._refuse_dialect(dialect))
        reply, was_interrupted = self._kernel.check(code)
        if was_interrupted:
            return self._finish(_INTERRUPTED, ("KeyboardInterrupt", "the check was interrupted", ""))
        reply = reply or {}
        completeness.send(self._channel, reply.get("status"), reply.get("indent") or "")
        self._finish(_OK)

    def _refuse_dialect(self, dialect):
        return ("ValueError", f"{self._kernel.language} has no dialect '{dialect}'", "")

    def _execute(self, flags, dialect, code, environment):
        keep = not flags & (_SILENT | _NO_HISTORY | _EXERCISE)
        self._results.begin(bool(flags & _SILENT), bool(flags & _COLOURS))
        self._count += keep
        problem = self._lend_environment(dialect, environment)
        if problem:
            return self._finish(_FAILED, problem)
        answer = _Answer(self._results, self._output)
        reply, was_interrupted = self._kernel.execute(code, keep, answer.take)
        answer.show_pages(reply)
        status = answer.conclude(reply, was_interrupted)
        if environment:
            self._do(self._language.set_back_environment())
        self._finish(status, answer.error)

    def _lend_environment(self, dialect, environment):
        """Returns an error, or None."""
        if dialect:
            return self._refuse_dialect(dialect)
        if not environment:
            return None
        if not self._language:
            return ("ValueError", self._no_way("the environment of an execution"), "")
        return self._do(self._language.lend_environment(environment))

    def _no_way(self, what):
        return f"cloche cannot set {what} in the kernel's language {self._kernel.language}"

    def _do(self, code):
        """Executes the runner's own code. Returns its error, or None."""
        answer = _Answer(self._results, self._output)
        status = answer.conclude(*self._kernel.execute(code, False, self._only_errors(answer)))
        return answer.error if status != _OK else None

    @staticmethod
    def _only_errors(answer):
        return lambda kind, content: answer.take(kind, content) if kind == "error" else None

    def _reseed(self, entropy, environment, directory):
        error = None
        if self._language:
            codes = [self._language.seed(entropy)]
            codes += [self._language.set_environment(environment)] if environment else []
            codes += [self._language.enter(directory)] if directory else []
            for code in codes:
                error = self._do(code) or error
        elif environment or directory:
            error = ("ValueError", self._no_way("the environment and directory"), "")
        self._finish(_FAILED if error else _OK, error)

    def _finish(self, status, error=None):
        if error:
            self._results.fail(*error)
        self._channel.send(DONE, u32(status) + u32(self._count))


def _give_up(message, status):
    print(message, file=sys.stderr, flush=True)
    os._exit(status)


def main(words):
    """Never returns. The kernel ends with its runner."""
    if len(words) != 1:
        _give_up("usage: run [--warm] NAME", 1)
    try:
        from . import kernel as kernels
    except ImportError as error:
        _give_up(f"Jupyter is not installed in this guest: {error}", _NOT_IN_GUEST)
    try:
        name = kernels.find_kernel(words[0])
    except kernels.NoSuchKernel as error:
        _give_up(error, _NOT_IN_GUEST)
    channel = Channel(3)
    try:
        kernel = kernels.Kernel(name)
    except Exception as error:
        _give_up(f"the Jupyter kernel '{name}' does not start: {error}", 1)
    try:
        Server(channel, kernel).serve()
    except kernels.KernelDied as error:
        kernel.close()
        _give_up(f"[the Jupyter kernel '{name}' {error}]", 1)
    kernel.close()
    os._exit(0)
