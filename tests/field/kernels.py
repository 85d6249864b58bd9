# SPDX-License-Identifier: LGPL-2.1-or-later
"""kernels: forks an ipykernel for each line "CONNECTION-FILE DIRECTORY" of standard input, and writes its pid.

It imports modules that all kernels need before the fork, except pandas and matplotlib, which inspect the kernel when
they are imported.
"""
import os
import signal
import sys

import debugpy  # noqa: F401
import ipykernel.debugger  # noqa: F401
import numpy  # noqa: F401
from ipykernel.kernelapp import IPKernelApp

from orphans import die_with


def become_kernel(server, connection, folder, output):
    die_with(server)
    os.setsid()  # as jupyter_client does, so that an interrupt reaches the kernel's children
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(folder)
    os.environ["HOME"] = folder
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    IPKernelApp.launch_instance(["-f", connection])


def main():
    output = os.open("/dev/null", os.O_RDWR)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended kernels are reaped automatically
    server = os.getpid()
    while line := sys.stdin.readline():  # until the test has ended in any way
        connection, folder = line.split()
        pid = os.fork()
        if pid == 0:
            os.dup2(output, 0)
            become_kernel(server, connection, folder, output)
            os._exit(0)
        print(pid, flush=True)


main()
