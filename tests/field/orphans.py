# SPDX-License-Identifier: LGPL-2.1-or-later
"""orphans: a process that ends together with the one that has started it, however that ends."""
import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def die_with(parent):
    """Makes the kernel kill this process when its parent dies. The child calls it with its parent's PID. The setting is
    kept by exec."""
    if LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL):
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:  # the parent ended before the prctl
        os.kill(os.getpid(), signal.SIGKILL)
