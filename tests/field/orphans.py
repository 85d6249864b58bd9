# SPDX-License-Identifier: LGPL-2.1-or-later
"""orphans: a process that ends together with the one that has started it, however that ends."""
import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def die_with(parent):
    """Called in the child; parent is the PID that it has to have. The setting stays when a program is executed."""
    if LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL):
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:  # it ended before the prctl
        os.kill(os.getpid(), signal.SIGKILL)
