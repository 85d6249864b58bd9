# SPDX-License-Identifier: LGPL-2.1-or-later
"""children: determines which processes get SIGINT together with an execution.

As on a terminal, these are the processes of the runner's process group. Processes in another
session or group continue, and so do processes that ignore SIGINT: those of nohup, and those that a
non-interactive shell has started with `&`. Unlike on a terminal, children of earlier executions
continue, too, unless this execution waits for them.
"""

import os
import signal
import threading
import time

from IPython import get_ipython

_TRIES, _TRY_S = 20, 0.01

_GROUP, _STARTED = 2, 19  # in /proc/PID/stat, after the name


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
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", "rb", buffering=0) as file:
                found += map(int, file.read(1 << 20).split())
    except OSError:
        pass  # it has just ended
    return found


def _program(pid):
    """Returns None if the process has ended."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return None


def _is_in_group(pid, group):
    stat = _stat(pid)
    return stat is not None and int(stat[_GROUP]) == group


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
        if package in ("subprocess", "multiprocessing", "pexpect"):
            yield package, frame.f_locals.get("self")
        frame = frame.f_back


def _waited_for(frame, group):
    """
    Returns the processes that the interrupted code waits for, also those of earlier executions:
    {PID: process group}. A program on a separate terminal gets SIGINT as from that terminal.
    """
    found = {}
    for package, waiter in _waiting(frame):
        pool = getattr(waiter, "_pool", None)  # of a result, or the workers of the pool itself
        for process in (waiter, *(getattr(pool, "_pool", pool) or ())):
            pid = getattr(process, "pid", None)
            if isinstance(pid, int):
                found[pid] = pid if package == "pexpect" else group
    for thread in threading.enumerate():  # of a ProcessPoolExecutor, or of joblib's
        if getattr(thread, "pending_work_items", None):
            found |= dict.fromkeys(list(getattr(thread, "processes", None) or ()), group)
    return found


def _background_scripts():
    """Returns the processes that %%bash --bg has started. IPython's magics keep a list of them."""
    scripts = get_ipython().magics_manager.registry.get("ScriptMagics")
    return {process.pid for process in getattr(scripts, "bg_processes", ())}


class Children:
    def __init__(self):
        self._pid = os.getpid()
        self._earlier = {}  # PID: start time, because PIDs are reused
        self._roots = {}  # interrupted processes: PID: process group
        self._signalled = {}  # those and their descendants: PID: program

    def begin(self):
        pids = _children(self._pid)
        self._earlier = {pid: stat[_STARTED] for pid in pids if (stat := _stat(pid))}
        self._roots = {}
        self._signalled = {}

    def interrupt(self, frame):
        """Sends SIGINT to the children of the execution whose stack this is."""
        if os.getpid() != self._pid:
            return  # a forked child has the handler, too
        group = os.getpgrp()
        self._roots |= dict.fromkeys(self._own(), group) | _waited_for(frame, group)
        for root, its_group in self._roots.items():
            self._interrupt_family(root, its_group)

    def finish(self):
        """
        Called when an interrupted execution ends. A shell that is about to start a command ignores
        the signal, and a new process loses it until it is the command. These get the signal again.
        """
        for _ in range(_TRIES):
            missed = [one for one in self._roots.items() if self._has_missed(*one)]
            if not missed:
                return
            for root, group in missed:
                self._interrupt_family(root, group)
            time.sleep(_TRY_S)

    def _has_missed(self, pid, group):
        """
        Whether the process or a descendant is new, or has become another program since the signal.
        """
        if not _is_in_group(pid, group):
            return False
        program = _program(pid)
        if program is not None and self._signalled.get(pid) != program:
            return True
        return any(self._has_missed(child, group) for child in _children(pid))

    def _interrupt_family(self, pid, group):
        """
        Signals a process and its descendants that are in this process group, parents first: a shell
        that notices the end of its command before the signal continues.
        """
        if not _is_in_group(pid, group):
            return
        children, self._signalled[pid] = _children(pid), _program(pid)
        _send_sigint(pid)
        for child in dict.fromkeys(children + _children(pid)):
            self._interrupt_family(child, group)

    def _own(self):
        own = set(_children(self._pid)) - _background_scripts()
        return {pid for pid in own if not self._is_earlier(pid)}

    def _is_earlier(self, pid):
        stat = _stat(pid)
        return stat is not None and self._earlier.get(pid) == stat[_STARTED]
