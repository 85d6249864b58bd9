# SPDX-License-Identifier: LGPL-2.1-or-later
"""hostile-root: root in a guest takes the agent's port over, and sends frames in random order.

Usage: hostile-root.py at-once|adoption SEED. The frames are valid (src/wire/wire.h); their order, streams and contents are random. With
"at-once", the agent stands still. With "adoption", it goes on, and frames are added to its own when another instance of the service connects.
"""
import ctypes
import os
import random
import select
import struct
import sys
import time

HEADER = struct.Struct("<IIBBH")
END = b"\xc1"
DATA, EOF, CREDIT, HELLO, OK, ERROR, STARTED, EXITED, PONG, REAPED = 1, 2, 3, 64, 65, 66, 67, 68, 69, 70
VERSION = 3
FRAMES, STREAMS = 1000, 12
PTRACE_ATTACH, PTRACE_DETACH, WALL, PIDFD_GETFD = 16, 17, 0x40000000, 438


def take_port(goes_on=False):
    """A descriptor of the agent's port. The agent stands still, unless it goes on."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(PTRACE_ATTACH, 1, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    os.waitpid(1, WALL)
    number = next(int(n) for n in os.listdir("/proc/1/fd") if "vport" in os.readlink(f"/proc/1/fd/{n}"))
    port = libc.syscall(PIDFD_GETFD, os.pidfd_open(1), number, 0)
    if port < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    if goes_on:
        libc.ptrace(PTRACE_DETACH, 1, None, None)
    return port


def frame(stream, kind, channel, payload):
    return HEADER.pack(len(payload), stream, kind, channel, 0) + payload + END


def text(value):
    return struct.pack("<I", len(value)) + value


def payload_of(kind, chance):
    number = struct.pack("<I", chance.choice((0, 1, 2, 9, 1000, 2**31, 2**32 - 1)))
    if kind == DATA:
        return chance.randbytes(chance.choice((0, 1, 12, 100, 32768)))
    if kind in (CREDIT, STARTED):
        return number
    if kind in (EXITED, REAPED):
        return struct.pack("<IIQQQ", chance.randrange(4), chance.randrange(256), 1, 2, 3)
    if kind == ERROR:
        return struct.pack("<II", chance.randrange(1, 130), chance.randrange(8)) + text(b"name") + text(b"message")
    if kind == PONG:
        return chance.randbytes(8)
    if kind == HELLO:
        return struct.pack("<I", VERSION) + text(b"") + text(b"6.1")
    return b""


def send(port, stream, kind, chance):
    channel = chance.randrange(4) if kind in (DATA, EOF, CREDIT) else 0
    os.write(port, frame(stream, kind, channel, payload_of(kind, chance)))


def attack_at_once(port, chance):
    while True:
        kind = chance.choice((DATA, EOF, CREDIT, OK, ERROR, STARTED, STARTED, EXITED, PONG, REAPED, HELLO))
        send(port, 0 if kind == HELLO else chance.randrange(1, STREAMS), kind, chance)
        time.sleep(chance.expovariate(100))


def attack_adoption(port, chance):
    """Adds frames to those of the agent whenever another instance of the service has connected."""
    state = select.poll()
    state.register(port, select.POLLOUT)
    while True:
        while not is_gone(state):
            time.sleep(0.001)
        while is_gone(state):
            time.sleep(0.001)
        for _ in range(FRAMES):
            send(port, chance.randrange(1, STREAMS), chance.choice((STARTED, STARTED, STARTED, STARTED, EXITED, OK)), chance)
            time.sleep(chance.expovariate(1000))


def is_gone(state):
    return any(event & select.POLLHUP for _, event in state.poll(0))


def main(how, seed):
    chance = random.Random(seed)
    if how == "at-once":
        attack_at_once(take_port(), chance)
    else:
        attack_adoption(take_port(goes_on=True), chance)


main(*sys.argv[1:])
