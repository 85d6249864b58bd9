# SPDX-License-Identifier: LGPL-2.1-or-later
"""pace: decides when a printed line is written.

A line is written at once, as on a terminal, so that it is visible and is not lost if the
interpreter ends. In a flood of lines, each would cost a system call and a wake-up of the agent, so
these lines are collected in their buffer. A thread writes the buffer after a moment, whatever the
code does meanwhile. Before another process can write, the buffer must be empty.
"""

import os
import select
import sys
from _thread import start_new_thread  # not in threading.enumerate()
from time import monotonic, sleep

BUFFER_SIZE = select.PIPE_BUF  # a pipe that is ready takes so many bytes at once

_WINDOW_S = 0.05
_AT_ONCE = 100  # lines in a window
_LATE_S = 0.005

_STARTS = {"os.exec", "os.posix_spawn", "os.system", "subprocess.Popen"}


class Pace:
    def __init__(self):
        self._since, self._count = 0, 0
        self._late = None  # the buffer in which lines wait
        self._has_thread = False
        self._is_child = False  # a child may end at any time
        os.register_at_fork(before=self.write_out, after_in_child=self._become_child)
        sys.addaudithook(self._on_event)

    def _become_child(self):
        self._is_child = True

    def _on_event(self, event, args):
        if self._late is not None and event in _STARTS:
            self.write_out()

    def may_wait(self, buffer):
        """Whether a line may stay in this buffer for a moment."""
        now = monotonic()
        if now - self._since > _WINDOW_S:
            self._since, self._count = now, 0
        self._count += 1
        if self._count <= _AT_ONCE or self._is_child:
            return False
        self._late = buffer
        return self._has_thread or self._start_thread()

    def _start_thread(self):
        self._has_thread = True
        try:
            start_new_thread(self._write_later, ())
        except RuntimeError:  # the limit of threads may be reached
            self._has_thread = False
        return self._has_thread

    def _write_later(self):
        """
        Runs in a thread. It must not wait in the buffer while the pipe is full, because the
        printing code uses the buffer.
        """
        sleep(_LATE_S)
        while (late := self._late) is not None and not late.is_writable():
            sleep(_LATE_S)
        self._has_thread = False  # later output starts another one
        self.write_out()

    def write_out(self):
        late, self._late = self._late, None
        if late is not None:
            try:
                late.write_out()
            except (OSError, ValueError):
                pass  # it was closed
