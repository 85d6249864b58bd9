# SPDX-License-Identifier: LGPL-2.1-or-later
"""streams: sys.stdin, sys.stdout and sys.stderr of the executed code, and their descriptors.

Executed code may close, redirect and wrap these. Copies of descriptors 1 and 2 are kept at high
numbers, and everything is restored after each execution.
"""

import io
import os
import select
import sys

from .channel import move_high, wait_until_taken
from .pace import BUFFER_SIZE, Pace


class _Order:
    """
    The agent reads two pipes and a socket, which have no order relative to each other. So a writer
    waits until the agent has read what was written to another of them before.
    """

    def __init__(self, channel):
        self.pace = Pace()
        self._channel = channel
        self._last = None  # the buffer that was written to last
        self._is_shown = False  # a result was sent after that

    def come_behind_results(self):
        self._is_shown = True

    def enter(self, buffer):
        before, self._last = self._last, buffer
        if self._is_shown:
            self._is_shown = False
            self._channel.settle()
        elif before is not buffer and before is not None:
            self.pace.write_out()
            before.wait_until_taken()


class _Buffer(io.BufferedWriter):
    """
    Keeps the order. This is not done in the raw stream below, because the buffer would repeat a
    write if an interrupt arrives after it. close() only writes the buffer:
    otherwise a TextIOWrapper around it would close it when it is collected.
    """

    def __init__(self, raw, kept, order):
        super().__init__(raw, BUFFER_SIZE)
        self._kept, self._order = kept, order

    def write(self, data):
        self._order.enter(self)
        return super().write(data)

    def flush(self):
        """Also called for each line."""
        if not self._order.pace.may_wait(self):
            super().flush()

    def write_out(self):
        super().flush()

    def is_writable(self):
        return bool(select.select([], [self._kept], [], 0)[1])

    def wait_until_taken(self):
        try:
            wait_until_taken(self._kept)
        except OSError:
            pass  # it is not a pipe

    def close(self):
        self.write_out()


class _Text(io.TextIOWrapper):
    """Never fails on a character: characters that cannot be encoded are written as escapes."""

    _settings = {"encoding": "utf-8", "errors": "backslashreplace", "line_buffering": True}

    def __init__(self, buffer):
        super().__init__(buffer, **self._settings)

    def restore(self):
        """Reverts changes that executed code has made with reconfigure()."""
        self.reconfigure(**self._settings, newline=None, write_through=False)

    def flush(self):
        super().flush()
        self.buffer.write_out()


def _open(fd, kept, order):
    raw = io.FileIO(fd, "w", closefd=False)
    raw.name = {1: "<stdout>", 2: "<stderr>"}[fd]
    return _Text(_Buffer(raw, kept, order))


class _Stream:
    """
    One of the two output streams: its name in sys, its descriptor, the copy of it, the text stream.
    """

    def __init__(self, name, fd, order):
        self.name = name
        self.fd = fd
        self._order = order
        self._kept = move_high(fd)
        self.text = _open(fd, self._kept, order)
        self._identity = self._identify(self._kept)
        setattr(sys, name, self.text)
        setattr(sys, f"__{name}__", self.text)

    @staticmethod
    def _identify(fd):
        try:
            status = os.fstat(fd)
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def flush(self):
        try:
            self.text.flush()
        except (OSError, ValueError):
            pass  # detached, or its descriptor is closed; restore() repairs it

    def restore(self):
        current = getattr(sys, self.name, None)
        if current is not self.text:
            try:
                current.flush()
            except Exception:
                pass  # an object of the user, or None
            setattr(sys, self.name, self.text)
        if self._identify(self.fd) != self._identity:
            self.flush()
            os.dup2(self._kept, self.fd)
        try:
            self.text.flush()
            self.text.restore()
        except (OSError, ValueError):
            self.text = _open(self.fd, self._kept, self._order)
            setattr(sys, self.name, self.text)
            setattr(sys, f"__{self.name}__", self.text)


class Streams:
    def __init__(self, channel):
        null = os.open(os.devnull, os.O_RDONLY)
        if null != 0:
            os.dup2(null, 0)
            os.close(null)
        sys.stdin = sys.__stdin__ = open(0, closefd=False)
        self._order = _Order(channel)
        self._streams = [_Stream("stdout", 1, self._order), _Stream("stderr", 2, self._order)]

    @property
    def are_original(self):
        """Whether output to sys.stdout goes to descriptor 1."""
        return sys.stdout is self._streams[0].text

    def come_behind(self):
        """Called after a result was sent: later output must follow it."""
        self._order.come_behind_results()

    def flush(self):
        for stream in self._streams:
            stream.flush()

    def restore(self):
        for stream in self._streams:
            stream.restore()
