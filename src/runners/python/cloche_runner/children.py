# SPDX-License-Identifier: LGPL-2.1-or-later
"""children: determines which processes get SIGINT together with an execution.

As on a terminal, these are the processes of the runner's process group. Processes in another
session or group continue, and so do processes that ignore SIGINT: those of nohup, and those that a
non-interactive shell has started with `&`. Unlike on a terminal, children of earlier executions
continue, too, unless this execution waits for them.

A signal can be lost: a shell that is about to start a command ignores it, and so does a new process
until it is the command (dash discards signals in a child of vfork()). So when the execution ends,
finish() watches the interrupted processes until each has ended or sleeps as the program that got
the signal. It counts their CPU time, because a busy machine may not let them run for a while.
"""

import os
import signal
import threading
import time

from IPython import get_ipython

_PATIENCE_S = 3  # the host kills the interpreter 5 s after an interrupt, or later
_TRY_S = 0.01
_TICKS = 10  # CPU time in which a process surely ends or starts the next program

# Fields of /proc/PID/stat, after the name
_STATE, _GROUP, _SESSION, _TERMINAL, _FLAGS, _USER, _SYSTEM, _STARTED = 0, 2, 3, 4, 6, 11, 12, 19
_IGNORED = 30
_FORK_NO_EXEC = 0x40  # flag: the process still executes the program of its parent
_SIGINT = 1 << (signal.SIGINT - 1)

_SETTLED, _MOVING, _MISSED = range(3)  # what has become of an interrupted process


def _stat(pid):
    """Returns the fields after the name; None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            return file.read(4096).rpartition(b")")[2].split()
    except OSError:
        return None


def _children(pid):
    """Returns the children of all its threads."""
    found = []
    for task in _threads(pid):
        try:
            with open(f"/proc/{pid}/task/{task}/children", "rb", buffering=0) as file:
                found += map(int, file.read(1 << 20).split())
        except OSError:
            pass  # the thread has just ended
    return found


def _threads(pid):
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []  # it has just ended


def _program(pid, stat):
    """Returns a value that changes with execve(), too; None if the process is ending."""
    try:
        return os.readlink(f"/proc/{pid}/exe"), int(stat[_FLAGS]) & _FORK_NO_EXEC
    except OSError:
        return None


def _is_in(stat, groups):
    return stat is not None and int(stat[_GROUP]) in groups


def _ticks(stat):
    return int(stat[_USER]) + int(stat[_SYSTEM])


def _is_for_terminal(pid):
    """Whether the process has a terminal of its own, or may be about to get one."""
    stat = _stat(pid)
    if stat is None:
        return False
    leads = int(stat[_SESSION]) == pid and stat[_TERMINAL] != b"0"
    return leads or bool(int(stat[_FLAGS]) & _FORK_NO_EXEC)


def _send_sigint(pid):
    try:
        os.kill(pid, signal.SIGINT)
    except OSError:
        pass  # it has ended, or belongs to another user


def _waiting(frame):
    """Returns the objects on the stack whose methods wait for processes, and their packages."""
    while frame is not None:
        module = frame.f_globals.get("__name__")
        package = module.partition(".")[0] if isinstance(module, str) else None
        if module == "IPython.utils._process_posix":
            package = "pexpect"  # which it uses in functions without such an object
        if package in _WAITING:
            yield package, frame.f_locals.get("self")
        frame = frame.f_back


_ON_TERMINALS = {"pexpect", "ptyprocess", "pty"}
_WAITING = _ON_TERMINALS | {"subprocess", "multiprocessing"}


def _waited_for(frame, group, own):
    """
    Returns the processes that the interrupted code waits for, also those of earlier executions:
    {PID: process groups}. A program on a separate terminal gets SIGINT as from that terminal, also
    before the code has stored its PID anywhere.
    """
    found, uses_terminal, has_terminal = {}, False, False
    for package, waiter in _waiting(frame):
        uses_terminal = uses_terminal or package in _ON_TERMINALS
        pool = getattr(waiter, "_pool", None)  # of a result, or the workers of the pool itself
        for process in (waiter, *(getattr(pool, "_pool", pool) or ())):
            pid = getattr(process, "pid", None)
            if isinstance(pid, int):
                has_terminal = has_terminal or package in _ON_TERMINALS
                found[pid] = (pid,) if package in _ON_TERMINALS else (group,)
    if uses_terminal and not has_terminal:
        found |= {pid: (group, pid) for pid in own if _is_for_terminal(pid)}
    for thread in threading.enumerate():  # of a ProcessPoolExecutor, or of joblib's
        if getattr(thread, "pending_work_items", None):
            found |= dict.fromkeys(list(getattr(thread, "processes", None) or ()), (group,))
    return found


def _background_scripts():
    """Returns the processes that %%bash --bg has started. IPython's magics keep a list of them."""
    scripts = get_ipython().magics_manager.registry.get("ScriptMagics")
    return {process.pid for process in getattr(scripts, "bg_processes", ())}


class Children:
    def __init__(self):
        self._pid = os.getpid()
        self._earlier = {}  # PID: start time, because PIDs are reused
        self._roots = {}  # interrupted processes: PID: process groups
        self._signalled = {}  # with descendants: PID: program, CPU time, process groups

    def begin(self):
        pids = _children(self._pid)
        self._earlier = {pid: stat[_STARTED] for pid in pids if (stat := _stat(pid))}
        self._roots = {}
        self._signalled = {}

    def interrupt(self, frame):
        """Sends SIGINT to the children of the execution whose stack this is."""
        if os.getpid() != self._pid:
            return  # a forked child has the handler, too
        group, own = os.getpgrp(), self._own()
        found = dict.fromkeys(own, (group,)) | _waited_for(frame, group, own)
        self._roots = self._roots | found  # another signal may interrupt the loop below
        for root, groups in self._roots.items():
            self._interrupt_family(root, groups)

    def finish(self):
        """
        Called when an interrupted execution ends. Sends the signal again to those that missed it.
        """
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            if not any([self._follow(pid) for pid in list(self._signalled)]):
                break
            time.sleep(_TRY_S)
        self._roots, self._signalled = {}, {}  # an execution that cannot begin calls this, too

    def _follow(self, pid):
        """Parents come first, and each process has its turn: its parent may have ended."""
        groups = self._signalled[pid][-1]
        state = self._state(pid, groups)
        if state == _MISSED:
            self._interrupt_family(pid, groups)
        return state

    def _state(self, pid, groups):
        """
        Whether the process or a descendant is new or has become another program since the signal
        (_MISSED), or may be about to (_MOVING). Descendants first: the end of one wakes its parent.
        """
        if not _is_in(_stat(pid), groups):
            return _SETTLED
        state = max((self._state(child, groups) for child in _children(pid)), default=_SETTLED)
        stat = _stat(pid)
        if stat is None or int(stat[_IGNORED]) & _SIGINT:
            return state
        program = _program(pid, stat)
        signalled, ticks, _ = self._signalled.get(pid, (None, 0, groups))
        if program is not None and signalled != program:
            return _MISSED
        is_moving = stat[_STATE] in (b"R", b"D") and _ticks(stat) - ticks < _TICKS
        return max(state, _MOVING if is_moving else _SETTLED)

    def _interrupt_family(self, pid, groups):
        """
        Signals a process and its descendants that are in these process groups, parents first: a
        shell that notices the end of its command before the signal continues.
        """
        stat = _stat(pid)
        if not _is_in(stat, groups):
            return
        children = _children(pid)
        self._signalled[pid] = _program(pid, stat), _ticks(stat), groups
        _send_sigint(pid)
        for child in dict.fromkeys(children + _children(pid)):
            self._interrupt_family(child, groups)

    def _own(self):
        own = set(_children(self._pid)) - _background_scripts()
        return {pid for pid in own if not self._is_earlier(pid)}

    def _is_earlier(self, pid):
        stat = _stat(pid)
        return stat is not None and self._earlier.get(pid) == stat[_STARTED]
