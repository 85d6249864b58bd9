# SPDX-License-Identifier: LGPL-2.1-or-later
"""hostile-qemu: makes the attempts in its argument, and reports how each one ended.

Usage: hostile-qemu.py ATTEMPTS, JSON: name → [verb, argument, …]. Prints JSON: name → "done" or the name
of the error. It runs in place of a QEMU that was taken over, so it needs only Python.
"""
import ctypes
import errno
import json
import os
import socket
import subprocess
import sys

libc = ctypes.CDLL(None, use_errno=True)


def check(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), "")


def read(path):
    with open(path, "rb") as file:
        file.read(16)


def write(path):
    """Writes the file's first byte again, without a change. The file must be readable."""
    file = os.open(path, os.O_RDWR)
    os.pwrite(file, os.pread(file, 1, 0), 0)


def connect(path):
    socket.socket(socket.AF_UNIX).connect(path)


def memory(pid):
    """Reads the first mapping by process_vm_readv()."""
    class Piece(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
    buffer = ctypes.create_string_buffer(16)
    ours, theirs = Piece(ctypes.addressof(buffer), 16), Piece(0x1000, 16)
    check(libc.process_vm_readv(pid, ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0))


def attach(pid):
    ptrace_seize = 0x4206
    check(libc.ptrace(ptrace_seize, pid, None, None))


def command(*argv):
    result = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    if result.returncode:
        raise RuntimeError(result.stderr.strip())


VERBS = {
    "read": read, "write": write, "connect": connect, "memory": memory, "attach": attach, "command": command,
    "list": os.listdir, "remove": os.unlink, "own": lambda path: os.chmod(path, 0o777),
    "make": lambda path: os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)),
    "signal": lambda pid: os.kill(pid, 0),
}


def attempt(verb, *arguments):
    try:
        VERBS[verb](*arguments)
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]
    except RuntimeError as error:
        return str(error)


print(json.dumps({name: attempt(*arguments) for name, arguments in json.loads(sys.argv[1]).items()}))
