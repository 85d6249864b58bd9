# SPDX-License-Identifier: LGPL-2.1-or-later
"""hostile-net: root in a guest takes the port org.cloche.net over, and speaks to cloche-egress itself.

Usage: hostile-net.py ATTACK SEED. The agent's child stands still or is killed. Prints "attacking" before the attack, and as its last line what
has come of it: the errors of RESET and FOUND by their number of times, as JSON.
"""
import collections
import ctypes
import json
import os
import random
import select
import signal
import struct
import sys
import time

FRAME = struct.Struct("<IIBBH")
END = b"\xc1"
DATA, EOF, CREDIT, RESET, FOUND, HELLO, LOOKUP, OPEN = 1, 2, 3, 4, 16, 64, 65, 66
PTRACE_ATTACH, WALL, PIDFD_GETFD = 16, 0x40000000, 438
PORTS = "/sys/class/virtio-ports"
FIRST = 1_000_000  # higher than all streams that the child has used
ALIVE_MAX = 200
MANY = 100_000
IDLE_S = 5  # without a byte of the host, an attack is over


def child():
    return next(int(pid) for pid in os.listdir("/proc") if pid.isdigit() and comm(pid) == "cloche-net")


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


def steal():
    """Returns the port's descriptor of the child, which stands still."""
    libc, pid = ctypes.CDLL(None, use_errno=True), child()
    if libc.ptrace(PTRACE_ATTACH, pid, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    os.waitpid(pid, WALL)
    number = next(int(n) for n in os.listdir(f"/proc/{pid}/fd") if "vport" in os.readlink(f"/proc/{pid}/fd/{n}"))
    port = libc.syscall(PIDFD_GETFD, os.pidfd_open(pid), number, 0)
    if port < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    return port


def open_instead():
    """Kills the child, and opens the port as soon as it is free."""
    os.kill(child(), signal.SIGKILL)
    for name in os.listdir(PORTS):
        with open(f"{PORTS}/{name}/name") as file:
            if file.read().strip() != "org.cloche.net":
                continue
        while True:
            try:
                return os.open(f"/dev/{name}", os.O_RDWR | os.O_NONBLOCK)
            except OSError:
                time.sleep(0.01)
    raise LookupError("org.cloche.net")


def frame(kind, stream, payload=b"", channel=0, length=None, end=END):
    return FRAME.pack(len(payload) if length is None else length, stream, kind, channel, 0) + payload + end


def text(value):
    return struct.pack("<I", len(value)) + value


def open_frame(stream, host=b"www.example.com", port=7):
    return frame(OPEN, stream, text(host) + struct.pack("<I", port))


class Port:
    def __init__(self, fd, reads=True):
        self.fd, self.reads = fd, reads
        os.set_blocking(fd, False)
        self.buffer = b""
        self.counts = collections.Counter()
        self.ended = set()

    def send(self, data):
        """Sends all of it, and reads meanwhile. Raises TimeoutError if the host takes nothing for a while."""
        view = memoryview(data)
        while view:
            readable, writable, _ = select.select([self.fd] if self.reads else [], [self.fd], [], IDLE_S)
            if not readable and not writable:
                raise TimeoutError
            if readable:
                self.receive()
            if writable:
                try:
                    view = view[os.write(self.fd, view[:65536]):]
                except BlockingIOError:
                    pass

    def receive(self):
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return
        if not data:
            raise EOFError
        self.buffer += data
        while len(self.buffer) >= FRAME.size:
            length, stream, kind, _, _ = FRAME.unpack_from(self.buffer)
            if len(self.buffer) < FRAME.size + length + 1:
                break
            payload, self.buffer = self.buffer[FRAME.size:FRAME.size + length], self.buffer[FRAME.size + length + 1:]
            self.counts[kind] += 1
            if kind in (RESET, FOUND):
                self.counts[f"{kind}:{struct.unpack('<I', payload)[0]}"] += 1
                self.ended.add(stream)

    def settle(self, seconds=IDLE_S):
        """Reads until the host is silent."""
        while select.select([self.fd], [], [], seconds)[0]:
            self.receive()


# --- attacks ---

def names(port, chance):
    """Requests with names that are none, or that some parser reads as an address."""
    hosts = [b"10.9.9.9", b"0x0a090909", b"168364297", b"012.011.011.011", b"10.9.2313", b"[::ffff:10.9.9.9]", b"::ffff:10.9.9.9",
             b"fe80::1%lo", b"...", b".", b"a..b", b"www.example.com%00", b"www.example.com\r\nX", b"www.example.com:80", b"http://www.example.com",
             b"user@www.example.com", b"www.example.com/", b"*", b"*.example.com", b"\xff\xfe", b"xn--a.example.com" + b"\x01", b" www.example.com",
             b"www.example.com ", b"www_.example.com.", b"a" * 64 + b".example.com", b"a." * 126 + b"a", b"1.2.3.4.5", b"1e1", b"localhost",
             b"foo.localhost", b"..www.example.com", b"www.example.com..", b"-", b"127.1", b"0", b"0x0", b"1.in-addr.arpa"]
    for n, host in enumerate(hosts):
        port.send(open_frame(FIRST + 2 * n, host) + frame(LOOKUP, FIRST + 2 * n + 1, text(host)))
    port.settle(1)


def opens(port, chance):
    """As many as possible, each given up at once."""
    for begin in range(0, MANY, 500):
        port.send(b"".join(open_frame(FIRST + n) + frame(RESET, FIRST + n, struct.pack("<I", 104)) for n in range(begin, begin + 500)))
    port.settle(1)


def lookups(port, chance):
    """Of different names that are permitted, so that each needs the resolver."""
    for begin in range(0, MANY // 10, 50):
        port.send(b"".join(frame(LOOKUP, FIRST + n, text(b"n%d.wild.example.com" % n)) for n in range(begin, begin + 50)))
        while len(port.ended) < begin:
            port.receive() if select.select([port.fd], [], [], IDLE_S)[0] else port.send(b"")
    port.settle(1)


def never_reads(port, chance):
    """Connections to a server that sends without end."""
    port.reads = False
    for n in range(ALIVE_MAX):
        port.send(open_frame(FIRST + n, port=19))
    time.sleep(IDLE_S)


def never_credits(port, chance):
    for n in range(ALIVE_MAX):
        port.send(open_frame(FIRST + n, port=19))
    port.settle()


def fills_windows(port, chance):
    """Bytes for servers that read nothing, as many as are permitted."""
    block = bytes(32768)
    for n in range(ALIVE_MAX):
        port.send(open_frame(FIRST + n, port=98))
        for _ in range(8):
            port.send(frame(DATA, FIRST + n, block))
    port.settle()


def too_many(port, chance):
    """In small parts until the host gives up, because of the limit of new connections in a second."""
    for begin in range(0, 2000, 50):
        port.send(b"".join(open_frame(FIRST + begin + n, port=98) for n in range(50)))
        port.settle(0.5)


def fills_window(port, chance, more=b""):
    """The bytes wait in the host, because the name is not found meanwhile."""
    port.send(open_frame(FIRST, b"slow.wild.example.com") + frame(DATA, FIRST, bytes(32768)) * 8 + more)
    port.settle()


def overruns_window(port, chance):
    fills_window(port, chance, frame(DATA, FIRST, b"x"))


def twice(port, chance):
    port.send(open_frame(FIRST) + open_frame(FIRST))
    port.settle()


def unknown(port, chance):
    port.send(frame(99, FIRST))
    port.settle()


def length(port, chance):
    port.send(frame(DATA, FIRST, length=0xffffffff))
    port.settle()


def long_name(port, chance):
    port.send(open_frame(FIRST, b"a" * 254))
    port.settle()


def noise(port, chance):
    while True:
        port.send(chance.randbytes(4096))


def payload_of(kind, chance):
    if kind == DATA:
        return chance.randbytes(chance.choice((0, 1, 100, 32768)))
    if kind in (CREDIT, RESET, FOUND, HELLO):
        return struct.pack("<I", chance.choice((0, 1, 104, 32768, 2**18, 2**32 - 1)))
    if kind == LOOKUP:
        return text(chance.choice((b"www.example.com", b"x.wild.example.com", chance.randbytes(chance.randrange(300)))))
    if kind == OPEN:
        return text(chance.choice((b"www.example.com", b"10.0.0.1", b"x.wild.example.com"))) + struct.pack("<I", chance.choice((7, 19, 80, 443, 98, 0)))
    return b""


def random_frames(port, chance):
    """Frames that are mostly valid, in random order, until the host gives up."""
    last = FIRST
    while True:
        kind = chance.choice((DATA, DATA, EOF, CREDIT, RESET, LOOKUP, OPEN, OPEN, OPEN))
        last += kind in (LOOKUP, OPEN)
        stream = last if kind in (LOOKUP, OPEN) else chance.randrange(max(FIRST, last - 10), last + 1)
        port.send(frame(kind, stream, payload_of(kind, chance)))


def main(attack, seed, how="steal"):
    port = Port(steal() if how == "steal" else open_instead())
    print("attacking", flush=True)
    end = "done"
    try:
        globals()[attack](port, random.Random(seed))
    except (EOFError, TimeoutError, OSError) as error:
        end = type(error).__name__
    print(json.dumps({"end": end, **{str(key): value for key, value in port.counts.items()}}), flush=True)


main(*sys.argv[1:])
