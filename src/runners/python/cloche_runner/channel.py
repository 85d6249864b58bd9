# SPDX-License-Identifier: LGPL-2.1-or-later
"""channel: frames of the runner protocol over descriptor 3.

The socket moves to a high descriptor that no child inherits. A forked child has a copy of the
runner's memory, so the socket is closed there at once, and everything that would be sent is
dropped.
"""

import fcntl
import os
import select
import struct
import termios
import threading
import time

RESEED, EXECUTE, SYNC = 1, 2, 3
READY, RESULT, ERROR, DONE, SYNCED, CLEAR, COMPLETENESS = 16, 17, 18, 19, 20, 21, 22

# Precedes a sync. No frame contains it, because no UTF-8 text, length or number has these bytes.
SYNC_MARK = b"\xff" + 15 * b"\xfe"

_HEADER = struct.Struct("<IIB3x")
_U32 = struct.Struct("<I")
_TURNS = 50  # the agent is usually faster than a sleep
_PAUSE_S, _PAUSE_MAX_S = 0.0001, 0.02  # doubled each time: the agent may be idle for hours
_HIGHEST = 1000  # out of the way of code that counts descriptors, below every usual limit


def move_high(fd):
    """Duplicates a descriptor to a high, close-on-exec one."""
    limit = os.sysconf("SC_OPEN_MAX")
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, max(3, min(_HIGHEST, limit - 16)))


def _has_reader(fd):
    poll = select.poll()
    poll.register(fd, 0)
    return not poll.poll(0)


def wait_until_taken(fd, request=termios.FIONREAD):
    """
    Waits until the agent has read all bytes in this pipe (with TIOCOUTQ: this socket), or has
    closed its end, so that the rest will not be read.
    """
    turns, pause = 0, _PAUSE_S
    while _U32.unpack(fcntl.ioctl(fd, request, bytes(_U32.size)))[0] > 0:
        turns += 1
        if turns < _TURNS:
            os.sched_yield()
            continue
        if not _has_reader(fd):
            return
        time.sleep(pause)
        pause = min(2 * pause, _PAUSE_MAX_S)


def u32(number):
    return _U32.pack(number)


def field(data):
    """An `s` or `b`."""
    return _U32.pack(len(data)) + data


class Fields:
    """Reads the fields of a payload. The host is trusted: an invalid payload ends the runner."""

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


class _Cut(Exception):
    """A restarted host has begun to send; the input from the previous host ends here."""


class Channel:
    def __init__(self, fd):
        self._fd = move_high(fd)
        os.close(fd)
        self._input = b""
        self._tail = b""  # the last bytes that were read, in which a mark may have begun
        self._held = b""
        self._lock = threading.Lock()
        self._execution = 0  # 0 between executions: results of remaining threads are dropped
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
        """
        Returns the type and Fields of the next request; None if the agent has closed the socket.
        """
        while True:
            try:
                return self._receive()
            except _Cut:
                pass

    def _receive(self):
        header = self._take(_HEADER.size)
        if header is None:
            return None
        length, execution, kind = _HEADER.unpack(header)
        payload = self._take(length)
        while payload is not None and kind != SYNC and self._is_in_mark():
            chunk = self._read(65536)  # only an incomplete frame ends like this
            payload = payload if chunk else None
            self._input += chunk
        if payload is None:
            return None
        self._execution = execution
        return kind, Fields(payload)

    def _is_in_mark(self):
        """
        Whether the input ends with the beginning of a mark that starts in the frame just taken.
        """
        before = self._tail.rstrip(SYNC_MARK[1:])
        begun = len(self._tail) - len(before) + 1
        return before.endswith(SYNC_MARK[:1]) and begun > len(self._input)

    def _take(self, size):
        """Returns exactly `size` bytes. One read is usually enough for a request and its header."""
        chunks, have = [self._input], len(self._input)
        while have < size:
            chunk = self._read(max(65536, min(size - have, 1 << 20)))
            if not chunk:
                return None
            chunks.append(chunk)
            have += len(chunk)
        whole = b"".join(chunks)
        self._input = whole[size:]
        return whole[:size]

    def _read(self, size):
        """
        Returns some bytes. Raises _Cut if a mark is among them; the input then continues after it.
        """
        chunk = os.read(self._fd, size)
        seen = self._tail + chunk
        mark = seen.rfind(SYNC_MARK)
        self._tail = seen[-len(SYNC_MARK) + 1 :]
        if mark < 0:
            return chunk
        self._input = seen[mark + len(SYNC_MARK) :]
        raise _Cut

    def send(self, kind, payload, hold=False):
        """
        Sends one frame for the current execution; SIGINT waits until it is complete. A frame that
        is held is sent with the next one, which saves a system call and a wake-up of the agent.
        None sends only held frames.
        """
        self._send(kind, payload, hold)
        if self.interrupted:
            self.interrupted = False
            raise KeyboardInterrupt

    def settle(self):
        """
        Waits until the agent has read all frames, so that later output elsewhere follows them.
        """
        if self._held:
            self.send(None, b"")
        if self._fd >= 0:
            wait_until_taken(self._fd, termios.TIOCOUTQ)

    def _send(self, kind, payload, hold):
        if self._fd < 0:
            return
        with self._lock:
            if self._execution == 0 and kind != READY:
                return
            if kind is not None:
                self._held += _HEADER.pack(len(payload), self._execution, kind) + payload
            if hold:
                return
            output, self._held = memoryview(self._held), b""
            while output:
                output = output[os.write(self._fd, output) :]
            if kind in (DONE, SYNCED):
                self._execution = 0


UNINTERRUPTIBLE = Channel._send.__code__
