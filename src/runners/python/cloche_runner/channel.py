# SPDX-License-Identifier: LGPL-2.1-or-later
"""channel: frames of the runner protocol over descriptor 3.

The socket moves to a high descriptor that no child inherits. A forked child has the runner's memory
all the same, so there it is closed at once, and everything that would be sent is dropped.
"""

import fcntl
import os
import struct
import threading

RESEED, EXECUTE, SYNC = 1, 2, 3
READY, RESULT, ERROR, DONE, SYNCED = 16, 17, 18, 19, 20

FRAME_MAX = 32 << 20

_HEADER = struct.Struct("<IIB3x")
_U32 = struct.Struct("<I")
_HIGHEST = 1000  # out of the way of code that counts descriptors, below every usual limit


def move_high(fd):
    """Duplicates a descriptor to a high, close-on-exec one."""
    limit = os.sysconf("SC_OPEN_MAX")
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, max(3, min(_HIGHEST, limit - 16)))


def u32(number):
    return _U32.pack(number)


def field(data):
    """An `s` or `b`."""
    return _U32.pack(len(data)) + data


class Fields:
    """Reads the fields of a payload. The host is trusted: a bad one ends the runner."""

    def __init__(self, payload):
        self._payload = payload
        self._at = 0

    def number(self):
        (value,) = _U32.unpack_from(self._payload, self._at)
        self._at += 4
        return value

    def data(self):
        start = self._at + 4
        self._at = start + self.number()
        return self._payload[start : self._at]

    def text(self):
        return self.data().decode("utf-8", "surrogateescape")

    def texts(self):
        return [self.text() for _ in range(self.number())]


class Channel:
    def __init__(self, fd):
        self._fd = move_high(fd)
        os.close(fd)
        self._input = b""
        self._held = b""
        self._lock = threading.Lock()
        self._execution = 0  # outside of one, results of leftover threads go nowhere
        self.interrupted = False
        os.register_at_fork(after_in_child=self._close)

    def _close(self):
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def is_closed(self):
        return self._fd < 0

    def fileno(self):
        return self._fd

    @property
    def has_input(self):
        return bool(self._input)

    def receive(self):
        """The next request: its type and Fields. None when the agent has gone."""
        header = self._take(_HEADER.size)
        if header is None:
            return None
        length, self._execution, kind = _HEADER.unpack(header)
        payload = self._take(length)
        return None if payload is None else (kind, Fields(payload))

    def _take(self, size):
        """Exactly `size` bytes. A usual request is here after the first read, header and all."""
        chunks, have = [self._input], len(self._input)
        while have < size:
            chunk = os.read(self._fd, max(65536, min(size - have, 1 << 20)))
            if not chunk:
                return None
            chunks.append(chunk)
            have += len(chunk)
        whole = b"".join(chunks)
        self._input = whole[size:]
        return whole[:size]

    def send(self, kind, payload, hold=False):
        """
        Sends one frame for the current execution, whole: SIGINT in the middle of it waits. A frame
        that is held goes with the next one: one system call and one wake-up of the agent less.
        """
        self._send(kind, payload, hold)
        if self.interrupted:
            self.interrupted = False
            raise KeyboardInterrupt

    def _send(self, kind, payload, hold):
        if self._fd < 0:
            return
        with self._lock:
            if self._execution == 0 and kind != READY:
                return
            self._held += _HEADER.pack(len(payload), self._execution, kind) + payload
            if hold:
                return
            output, self._held = memoryview(self._held), b""
            while output:
                output = output[os.write(self._fd, output) :]
            if kind in (DONE, SYNCED):
                self._execution = 0


UNINTERRUPTIBLE = Channel._send.__code__
