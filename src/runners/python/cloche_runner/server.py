# SPDX-License-Identifier: LGPL-2.1-or-later
"""server: handles requests, one after the other, and protects this loop from the executed code."""

import os
import platform
import sys
import time
import traceback
from os import environ  # the original, in case executed code replaces os.environ

from . import completeness, hooks, site_paths
from .channel import (
    DONE,
    EXECUTE,
    READY,
    RESEED,
    SYNC,
    SYNCED,
    Channel,
    field,
    u32,
)
from .interrupts import Interrupts
from .randomness import Randomness
from .results import Results
from .shell import FAILED, Outcome, ZMQInteractiveShell
from .streams import Streams
from .warmup import forget, warm_up

_SILENT, _NO_HISTORY, _EXERCISE, _COLOURS, _DRAIN = 1, 2, 4, 8, 16


def _split(assignments):
    return dict(assignment.partition("=")[::2] for assignment in assignments)


def _set_environment(variables):
    """Sets variables, and removes those that are None. Returns the values that restore them."""
    before = {name: environ.get(name) for name in variables}
    for name, value in variables.items():
        if value is not None:
            environ[name] = value
        else:
            environ.pop(name, None)
    if "TZ" in variables:
        time.tzset()
    return before


def _refuse_dialect(dialect):
    if dialect:
        raise ValueError(f"Python has no dialect '{dialect}'")


class Server:
    def __init__(self, is_warm):
        self._channel = Channel(3)
        self._streams = Streams(self._channel)
        self._results = Results(self._channel, self._streams)
        self._interrupts = Interrupts(self._channel)
        self._shell = ZMQInteractiveShell.create(self._results, self._streams, self._interrupts)
        self._randomness = Randomness()
        hooks.install(self._shell)
        site_paths.install()
        if is_warm:
            warm_up(self._shell)
            self._randomness.freeze()

    def serve(self):
        version = platform.python_version()
        self._channel.send(READY, field(b"python") + field(version.encode()))
        while True:
            self._shell.loop.run_until_readable(self._channel)
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
        if completeness.is_check(dialect):
            self._check(completeness.checked_dialect(dialect), code)
        else:
            self._execute(flags, dialect, code, environment)

    def _check(self, dialect, code):
        outcome = Outcome()
        self._interrupts.begin()
        try:
            _refuse_dialect(dialect)
            status, indent = self._interrupts.run(self._shell.check, code)
            completeness.send(self._channel, status, indent)
        except BaseException as error:
            outcome = Outcome(error)
        self._interrupts.end()
        self._finish(outcome)

    def _execute(self, flags, dialect, code, environment):
        is_silent, has_colours = bool(flags & _SILENT), bool(flags & _COLOURS)
        self._results.begin(is_silent, has_colours)
        before = {}
        try:
            _refuse_dialect(dialect)
            before = _set_environment(environment)
            keep = not flags & (_SILENT | _NO_HISTORY | _EXERCISE)
            self._shell.colour_tracebacks(has_colours)
            self._interrupts.begin()
            outcome = self._shell.run(code, is_silent, keep, bool(flags & _DRAIN))
        except BaseException as error:
            outcome = Outcome(error)
        if self._channel.is_closed:
            self._end_child(outcome)
        self._interrupts.end()
        _set_environment(before)
        if flags & _EXERCISE:
            forget(self._shell)
        self._finish(outcome)

    def _finish(self, outcome):
        self._interrupts.restore()
        self._streams.restore()
        if outcome.error is not None:
            self._results.fail(outcome.name, outcome.value, outcome.traceback)
        count = min(max(self._shell.execution_count - 1, 0), 0xFFFFFFFF)  # anyone can set it
        self._channel.send(DONE, u32(outcome.status) + u32(count))

    def _end_child(self, outcome):
        """Ends a forked child that has reached the end of the cell: only the parent continues."""
        status = outcome.status
        if isinstance(outcome.error, SystemExit):
            code = outcome.error.code
            status = code if isinstance(code, int) else int(code is not None)
        elif status == FAILED:
            print(outcome.traceback, file=sys.stderr)
        self._streams.flush()
        os._exit(status & 0xFF)

    def _reseed(self, entropy, environment, directory):
        outcome = Outcome()
        try:
            self._randomness.reseed(entropy)
            _set_environment(environment)
            sys.path[1:1] = [path for path in environment.get("PYTHONPATH", "").split(":") if path]
            if directory:
                os.chdir(directory)
                self._shell.user_ns["_dh"][:] = [os.getcwd()]
        except Exception as error:
            outcome = Outcome(error)
        self._finish(outcome)


def main(is_warm):
    """Never returns. A normal exit would wait for remaining threads."""
    try:
        Server(is_warm).serve()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
