# SPDX-License-Identifier: LGPL-2.1-or-later
"""children: which processes get SIGINT together with an execution.

As from a terminal: the runner's process group. What is in a session or a group of its own goes on,
and so does what ignores SIGINT: nohup, and what a shell that is no terminal's has started with `&`.

Unlike a terminal: children of earlier executions go on, too, unless this one waits for them.
"""

import os
import signal
import threading

from IPython import get_ipython

_GROUP, _STARTED = 2, 19  # in /proc/PID/stat, after the name


def _stat(pid):
    """The fields behind the name. None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            return file.read(4096).rpartition(b")")[2].split()
    except OSError:
        return None


def _children(pid):
    """Of all its threads."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", "rb", buffering=0) as file:
                found += map(int, file.read(1 << 20).split())
    except OSError:
        pass  # it has just ended
    return found


def _family(pid, group):
    """A process and its descendants, as far as they are in this process group."""
    stat = _stat(pid)
    if stat is None or int(stat[_GROUP]) != group:
        return []
    return [pid] + [one for child in _children(pid) for one in _family(child, group)]


def _waiting(frame):
    """The objects whose methods the stack is in, and their packages, if they wait for processes."""
    while frame is not None:
        module = frame.f_globals.get("__name__")
        package = module.partition(".")[0] if isinstance(module, str) else None
        if package in ("subprocess", "multiprocessing", "pexpect"):
            yield package, frame.f_locals.get("self")
        frame = frame.f_back


def _waited_for(frame, group):
    """
    The processes that the interrupted code waits for, whoever started them: {PID: process group}.
    A program in a terminal of its own gets what that terminal would give it.
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
    """What %%bash --bg has started. IPython's magics keep a list of it."""
    scripts = get_ipython().magics_manager.registry.get("ScriptMagics")
    return {process.pid for process in getattr(scripts, "bg_processes", ())}


class Children:
    def __init__(self):
        self._pid = os.getpid()
        self._earlier = {}  # PID: when it was started, as PIDs are used again

    def begin(self):
        pids = _children(self._pid)
        self._earlier = {pid: stat[_STARTED] for pid in pids if (stat := _stat(pid))}

    def interrupt(self, frame):
        """Sends SIGINT to the children of the execution whose stack this is."""
        if os.getpid() != self._pid:
            return  # a forked child has the handler, too
        group = os.getpgrp()
        children = dict.fromkeys(self._own(), group) | _waited_for(frame, group)
        for child, its_group in children.items():
            for pid in reversed(_family(child, its_group)):
                try:
                    os.kill(pid, signal.SIGINT)
                except OSError:
                    pass  # it has ended, or is another user's

    def _own(self):
        own = set(_children(self._pid)) - _background_scripts()
        return {pid for pid in own if not self._is_earlier(pid)}

    def _is_earlier(self, pid):
        stat = _stat(pid)
        return stat is not None and self._earlier.get(pid) == stat[_STARTED]
