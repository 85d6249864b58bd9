# SPDX-License-Identifier: LGPL-2.1-or-later
"""hostile-qemu: makes the attempts that it is given, and reports how each one ended.

Usage: hostile-qemu.py ATTEMPTS, JSON: name → [verb, argument, …]. Prints JSON: name → "done" or the name
of the error. Run in the place of a QEMU that was taken over, so it needs nothing but Python.
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
    """The file's first byte, unchanged, if the file may be read."""
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


print(json.dumps({name: attempt(*words) for name, words in json.loads(sys.argv[1]).items()}))
