# SPDX-License-Identifier: LGPL-2.1-or-later
"""server: takes requests, one after the other, and has the kernel execute them."""

import os
import signal
import sys
import traceback

from cloche_runner.channel import DONE, EXECUTE, READY, RESEED, SYNC, SYNCED, Channel, field, u32
from cloche_runner.results import Results
from cloche_runner.streams import Streams

from .kernel import Kernel, KernelDied, find_spec
from .languages import LANGUAGES

_SILENT, _NO_HISTORY, _EXERCISE, _COLOURS = 1, 2, 4, 8
_OK, _FAILED, _INTERRUPTED = 0, 1, 2
_UNSUPPORTED = 64
_NO_INPUT = "input is not available: this code runs without a terminal, and was given an empty line"


class _Error(Exception):
    def __init__(self, name, value, lines=()):
        super().__init__(value)
        self.name, self.value, self.traceback = name, value, "\n".join(lines)


class Server:
    def __init__(self, name, spec):
        self._channel = Channel(3)
        self._streams = Streams(self._channel)
        self._results = Results(self._channel, self._streams)
        self._language = LANGUAGES.get(spec["language"].lower())
        self._name = name
        self._count = 0
        self._is_executing = self._is_interrupted = False
        signal.signal(signal.SIGINT, self._on_sigint)
        self._kernel = Kernel(name)
        self._version = self._kernel.version
        if self._language:
            self._run(self._language.seed(os.urandom(32)))

    def _on_sigint(self, number, frame):
        if self._is_executing:
            self._is_interrupted = True
            self._kernel.interrupt()

    def serve(self):
        words = field(self._name.encode()[:64]) + field(self._version.encode()[:64])
        self._channel.send(READY, words)
        while (request := self._channel.receive()) is not None:
            kind, fields = request
            if kind == EXECUTE:
                self._execute(fields)
            elif kind == RESEED:
                self._reseed(fields)
            elif kind == SYNC:
                self._channel.send(SYNCED, field(fields.data()))
            else:
                raise ValueError(f"unknown request {kind}")
        self._kernel.shut_down()

    # --- what is executed ---

    def _execute(self, fields):
        flags, dialect, code = fields.number(), fields.text(), fields.text()
        environment = _split(fields.texts())
        self._results.begin(bool(flags & _SILENT), bool(flags & _COLOURS))
        self._is_interrupted, error = False, None
        self._is_executing = True
        try:
            self._check(dialect, environment)
            if environment:
                self._run(self._language.set(environment))
            error = self._run(code, keep=not flags & (_SILENT | _NO_HISTORY | _EXERCISE))
        except _Error as raised:
            error = raised
        self._is_executing = False
        if environment and self._language:
            self._run(self._language.reset)
        self._finish(error)

    def _check(self, dialect, environment):
        if dialect:
            raise _Error("ValueError", f"the kernel '{self._name}' has no dialect '{dialect}'")
        if environment and not self._language:
            raise _Error("ValueError", f"the environment of one execution cannot be set in the kernel '{self._name}'")

    def _run(self, code, keep=None):
        """Its error, or None. Only what is to be kept, or not (and not None), is heard."""
        errors = []

        def heard(kind, content):
            if kind == "error":
                errors.append(_Error(content["ename"], content["evalue"], content["traceback"]))
            elif kind == "input_request":
                errors.append(_Error("StdinNotImplementedError", _NO_INPUT))
            elif keep is not None:
                self._tell(kind, content)

        reply = self._kernel.execute(code, keep=bool(keep), heard=heard)
        if keep:
            self._count = reply.get("execution_count") or self._count
        for page in reply.get("payload", ()):
            if keep is not None and page.get("source") == "page":
                self._results.show(page["data"])
        if reply["status"] == "ok" and not errors:
            return None
        if reply["status"] == "error" and not errors:
            errors.append(_Error(reply["ename"], reply["evalue"], reply["traceback"]))
        return errors[-1] if errors else _Error("KeyboardInterrupt", "")

    def _tell(self, kind, content):
        if kind == "stream":
            stream = sys.stderr if content["name"] == "stderr" else sys.stdout
            stream.write(content["text"])
            stream.flush()
        elif kind in ("display_data", "execute_result", "update_display_data"):
            identity = content.get("transient", {}).get("display_id")
            try:
                self._results.show(content["data"], is_main=kind == "execute_result", display_id=identity,
                                   is_update=kind == "update_display_data")
            except ValueError as error:
                print(error, file=sys.stderr)

    def _finish(self, error):
        self._streams.flush()
        status = _OK if error is None else _INTERRUPTED if self._is_interrupted else _FAILED
        if error is not None:
            self._results.fail(error.name, error.value, error.traceback)
        self._channel.send(DONE, u32(status) + u32(self._count))

    # --- a machine of its own ---

    def _reseed(self, fields):
        entropy, environment, directory = fields.data(), _split(fields.texts()), fields.text()
        self._is_interrupted, error = False, None
        try:
            self._check("", environment)
            if self._language:
                error = self._run(self._language.seed(entropy))
            if environment:
                error = self._run(self._language.keep(environment)) or error
            if directory and self._language:
                error = self._run(self._language.enter(directory)) or error
        except _Error as raised:
            error = raised
        self._finish(error)


def _split(assignments):
    return dict(assignment.partition("=")[::2] for assignment in assignments)


def main(words):
    """Never returns: threads of the client would keep a usual exit waiting."""
    try:
        found = find_spec(words[-1])
        if found is None:
            os._exit(_UNSUPPORTED)
        Server(*found).serve()
    except KernelDied:
        print("the kernel died", file=sys.stderr)
        os._exit(1)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
