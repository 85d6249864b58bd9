# SPDX-License-Identifier: LGPL-2.1-or-later
"""commands: starts other programs for os.system(), `!` and %%bash of executed code.

An interrupt also ends the execution where Python or IPython would continue with the next line:
otherwise a loop of commands could not be interrupted.
"""

import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from os import environ  # the original, in case executed code replaces os.environ

from IPython.utils.process import system

from .interrupts import Kept

_GRACE_S = 0.25  # as subprocess.run() waits for a child that got the same signal
_STEP_S = 0.01


def _end(pid):
    """Waits after an interrupt, which the child has got, too."""
    deadline = time.monotonic() + _GRACE_S
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(_STEP_S)


def _system(command):
    """
    Replaces os.system(). libc's system() ignores SIGINT while the command runs, so the interrupt
    could not be passed on.
    """
    sys.audit("os.system", command)
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "--", command], environ)
    try:
        return os.waitpid(pid, 0)[1]
    except KeyboardInterrupt:
        _end(pid)
        raise


def install():
    os.system = functools.wraps(os.system)(_system)


class Commands:
    """Methods of the shell."""

    def system(self, cmd):
        """`!command`. It writes to descriptor 1 itself, unless the cell's output is captured."""
        command = self.var_expand(cmd, depth=1)
        with Kept(self.interrupts):
            if self.streams.are_original:
                self.streams.flush()
                status = subprocess.call(command, shell=True, executable=os.environ.get("SHELL"))
            elif command.rstrip().endswith("&"):
                raise OSError("Background processes not supported.")
            else:
                status = system(command)
        self.user_ns["_exit_code"] = 128 - status if status > 128 else status

    system_raw = system_piped = system

    def getoutput(self, cmd, split=True, depth=0):
        """`variable = !command`"""
        with Kept(self.interrupts):
            return super().getoutput(cmd, split, depth + 1)

    def run_cell_magic(self, magic_name, line, cell):
        magic = self.find_cell_magic(magic_name)
        is_script = getattr(magic, "__module__", None) == "IPython.core.magics.script"
        with Kept(self.interrupts) if is_script else contextlib.nullcontext():
            return super().run_cell_magic(magic_name, line, cell)
