# SPDX-License-Identifier: LGPL-2.1-or-later
"""commands: how executed code starts other programs by os.system(), `!` and %%bash.

An interrupt ends the execution here, also where Python or IPython would go on with the next line:
a loop of commands could never be interrupted otherwise.
"""

import functools
import os
import signal
import subprocess
import sys
import time
from os import environ  # whatever the executed code makes of os.environ

from IPython.utils.process import system

_GRACE_S = 0.25  # as subprocess.run() gives a child that got the same signal
_STEP_S = 0.01


def _end(pid):
    """After an interrupt, which the child got, too."""
    deadline = time.monotonic() + _GRACE_S
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(_STEP_S)


def _system(command):
    """
    os.system(). libc's ignores SIGINT while the command runs: nobody would hear of the interrupt,
    and could pass it on.
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
    """A part of the shell."""

    def system(self, cmd):
        """`!command`. It writes to descriptor 1 itself, unless the cell's output is captured."""
        command = self.var_expand(cmd, depth=1)
        count = self.interrupts.count
        if self.streams.are_original:
            self.streams.flush()
            status = subprocess.call(command, shell=True, executable=os.environ.get("SHELL"))
        elif command.rstrip().endswith("&"):
            raise OSError("Background processes not supported.")
        else:
            status = system(command)
        self.interrupts.raise_since(count)
        self.user_ns["_exit_code"] = 128 - status if status > 128 else status

    system_raw = system_piped = system

    def getoutput(self, cmd, split=True, depth=0):
        """`variable = !command`"""
        count = self.interrupts.count
        output = super().getoutput(cmd, split, depth + 1)
        self.interrupts.raise_since(count)
        return output

    def run_cell_magic(self, magic_name, line, cell):
        count = self.interrupts.count
        result = super().run_cell_magic(magic_name, line, cell)
        magic = self.find_cell_magic(magic_name)
        if magic.__module__ == "IPython.core.magics.script":
            self.interrupts.raise_since(count)
        return result
