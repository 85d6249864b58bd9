# SPDX-License-Identifier: LGPL-2.1-or-later
"""egress: cloche-egress as a child of the test, which is both cloched (Egress) and guests (Guest). See
src/net/egress-protocol.h and src/wire/net.h.
"""
import array
import collections
import errno
import json
import os
import select
import socket
import struct
import subprocess
import tempfile
import time

PORT, SECRET, SET, REMOVE, TRAFFIC, WATCH, LIST = range(1, 8)
READY, DONE, FAILED, FIGURES, WORKER, LOST, EXHAUSTED = range(64, 71)
HEAD = struct.Struct("<HHIII72s")
VERSION = 1
ERRORS = {0: "Failed", 1: "InvalidArgument", 2: "NoSuchSandbox"}
OFF, RESTRICTED, INTERNET = range(3)
FIGURE_NAMES = "bytes_up bytes_down connections refused failed open lookups requests".split()

DATA, EOF, CREDIT, RESET, FOUND = 1, 2, 3, 4, 16
HELLO, LOOKUP, OPEN = 64, 65, 66
FRAME = struct.Struct("<IIBBxx")
MAGIC = bytes([0x9D, 0x41, 0xE8, 0x06, 0xB3, 0x7C, 0xF2, 0x58, 0x1B, 0xC9, 0x84, 0x3A, 0xD7, 0x60, 0xAE, 0x15])
WINDOW = 256 * 1024
PAYLOAD_MAX = 32 * 1024
TIMEOUT_S = 30


def string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<I", len(data)) + data


def strings(texts):
    return struct.pack("<I", len(texts)) + b"".join(map(string, texts))


def policy(mode=RESTRICTED, allow=(), deny=(), private=False, bandwidth=0, connections=0, traffic=0, secrets=()):
    """The form of a NetPolicy in messages. Secrets are dictionaries."""
    data = struct.pack("<IIQQQ", mode, private, bandwidth, connections, traffic) + strings(allow) + strings(deny)
    data += struct.pack("<I", len(secrets))
    for secret in secrets:
        data += string(secret.get("name", "")) + string(secret["host"]) + struct.pack("<I", secret.get("port", 443))
        data += string(secret["header"]) + string(secret.get("format", "%s"))
        data += strings(secret.get("methods", ())) + strings(secret.get("paths", ()))
    return data


def memfd(value):
    fd = os.memfd_create("value", os.MFD_CLOEXEC)
    os.write(fd, value)
    return fd


def command(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return None


def descendants(pid):
    """Returns the pids of all children of the process, and theirs, in the order of their start."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = [int(child) for child in file.read().split()]
    except OSError:
        return []
    return [each for child in children for each in (child, *descendants(child))]


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


Message = collections.namedtuple("Message", "type serial number id payload")


class Failed(Exception):
    """FAILED: the name of the error, and the message."""


class Egress:
    """cloche-egress, started with `--child`."""

    def __init__(self, program, *options, state=None):
        self.state = state or tempfile.mkdtemp(prefix="cloche-egress-")
        self.events = []
        self.serial = 0
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = subprocess.Popen([program, "--child", str(theirs.fileno()), "--run", self.state, *options],
                                        pass_fds=[theirs.fileno()])
        theirs.close()
        self.begin()

    def begin(self):
        self.socket.settimeout(TIMEOUT_S)
        if self.receive().type != READY:
            raise AssertionError("READY is expected first")

    def close(self):
        self.socket.close()
        return self.process.wait(TIMEOUT_S)

    def send(self, kind, sandbox="", payload=b"", number=0, fd=None, serial=None):
        if serial is None:
            self.serial += 1
        head = HEAD.pack(VERSION, kind, serial or self.serial, number, len(payload), sandbox.encode())
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))] if fd is not None else []
        self.socket.sendmsg([head + payload], rights)
        return serial or self.serial

    def receive(self):
        packet = self.socket.recv(1 << 18)
        if not packet:
            raise EOFError("cloche-egress has ended")
        version, kind, serial, number, length, sandbox = HEAD.unpack_from(packet)
        assert version == VERSION and length == len(packet) - HEAD.size
        return Message(kind, serial, number, sandbox.rstrip(b"\0").decode(), packet[HEAD.size:])

    def answer(self, serial):
        """Returns the answer with this serial; keeps events for later."""
        while (message := self.receive()).serial != serial:
            if message.serial != 0:
                raise AssertionError(f"unexpected answer {message}")
            self.events.append(message)
        if message.type == FAILED:
            raise Failed(ERRORS.get(message.number, message.number), message.payload[4:].decode())
        return message

    def event(self, kind, sandbox):
        """Waits for an event, and returns the text of its payload."""
        while True:
            for message in self.events:
                if (message.type, message.id) == (kind, sandbox):
                    self.events.remove(message)
                    return message.payload[4:].decode()
            message = self.receive()
            assert message.serial == 0, message
            self.events.append(message)

    def ask_set(self, sandbox, *layers, port=None, values=None, proxy="", owner=1000):
        """PORT, SECRET and SET. Returns the serial. `port`: a socket; `values`: index → bytes or a descriptor."""
        self.serial += 1
        serial = self.serial
        if port is not None:
            self.send(PORT, sandbox, fd=port.fileno(), serial=serial)
        for index, value in (values or {}).items():
            fd = memfd(value) if isinstance(value, bytes) else value
            self.send(SECRET, sandbox, number=index, fd=fd, serial=serial)
            os.close(fd)
        layers = layers if len(layers) > 1 else (policy(INTERNET), *layers)
        payload = string(proxy) + struct.pack("<I", len(layers)) + b"".join(layers)
        return self.send(SET, sandbox, payload, owner, serial=serial)

    def set(self, *arguments, **options):
        """Returns the certificates of DONE."""
        return self.answer(self.ask_set(*arguments, **options)).payload[4:]

    def remove(self, sandbox):
        self.answer(self.send(REMOVE, sandbox))

    def workers(self):
        """Returns the pids of the processes of sandboxes."""
        return [pid for pid in descendants(self.process.pid) if command(pid) == "egress-worker"]

    def list(self):
        serial, found = self.send(LIST), {}
        while (message := self.answer(serial)).type == WORKER:
            found[message.id] = message.number
        return found

    def traffic(self, sandbox):
        numbers = struct.unpack("<8Q", self.answer(self.send(TRAFFIC, sandbox)).payload)
        return dict(zip(FIGURE_NAMES, numbers))

    def watch(self, sandbox):
        ours, theirs = socket.socketpair()
        self.send(WATCH, sandbox, fd=theirs.fileno())
        theirs.close()
        ours.settimeout(TIMEOUT_S)
        return Watcher(ours)

    def guest(self, sandbox, *layers, **options):
        """A guest with this network, which greets before the answer."""
        ours, theirs = socket.socketpair()
        serial = self.ask_set(sandbox, *layers, port=theirs, **options)
        theirs.close()
        try:
            guest = Guest(ours)
        except EOFError:
            self.answer(serial)  # says why
            raise
        guest.certificates = self.answer(serial).payload[4:]
        return guest


class Service(Egress):
    """cloche-egress, started as systemd starts it."""

    def __init__(self, program, *options):
        self.state = tempfile.mkdtemp(prefix="cloche-egress-")
        self.events = []
        self.serial = 0
        self.path = os.path.join(self.state, "socket")
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listening.bind(self.path)
        self.listening.listen()
        self.start(program, *options)

    def start(self, program, *options):
        environment = {**os.environ, "RUNTIME_DIRECTORY": self.state, "LISTEN_FDS": "1"}
        # systemd's function checks that LISTEN_PID is its own process.
        command = 'exec 3<&"$1"; shift; LISTEN_PID=$$ exec "$@"'
        self.process = subprocess.Popen(["bash", "-c", command, "bash", str(self.listening.fileno()), program, *options],
                                        pass_fds=[self.listening.fileno()], env=environment)
        self.connect()

    def connect(self):
        """A new cloched. The connection of the old one, if there is one, stays open."""
        self.events = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.connect(self.path)
        self.begin()

    def close(self):
        self.socket.close()
        self.process.terminate()
        self.listening.close()
        return self.process.wait(TIMEOUT_S)


class Watcher:
    def __init__(self, connection):
        self.socket = connection
        self.file = connection.makefile("rb")

    def close(self):
        self.file.close()
        self.socket.close()

    def next(self, event=None):
        """Returns the next line, or the next about this event."""
        while line := self.file.readline():
            found = json.loads(line)
            if event in (None, found["event"]):
                return found
        raise EOFError("the worker has ended")


class Reset(Exception):
    """RESET: the errno."""


class Guest:
    """The guest's side of a port. Streams are numbers."""

    def __init__(self, connection, greet=True):
        self.socket = connection
        self.socket.settimeout(TIMEOUT_S)
        self.buffer = bytearray()
        self.last = 0
        self.frames = collections.defaultdict(collections.deque)  # stream → (type, payload)
        self.credits = True  # credit is given for DATA that is taken
        if greet:
            self.greet()

    def greet(self, version=1):
        self.receive_preamble()
        self.frame(HELLO, 0, struct.pack("<I", version))

    def receive_preamble(self):
        pad = FRAME.size + PAYLOAD_MAX + 1
        while len(self.buffer) < pad + 32:
            self.fill()
        preamble = bytes(self.buffer[:pad + 32])
        del self.buffer[:pad + 32]
        assert preamble[:pad] == bytes(pad) and preamble[pad:pad + 16] == MAGIC, preamble
        self.raw(preamble[pad:])

    def close(self):
        self.socket.close()

    # --- frames ---

    def raw(self, data):
        self.socket.sendall(data)

    def frame(self, kind, stream, payload=b""):
        self.raw(FRAME.pack(len(payload), stream, kind, 0) + payload + b"\xc1")

    def fill(self):
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:  # it was killed before it had read everything
            data = b""
        if not data:
            raise EOFError("the worker has closed the port")
        self.buffer += data

    def receive(self):
        """Reads one frame and returns its stream."""
        while len(self.buffer) < FRAME.size or len(self.buffer) < FRAME.size + struct.unpack_from("<I", self.buffer)[0] + 1:
            self.fill()
        length, stream, kind, channel = FRAME.unpack_from(self.buffer)
        assert channel == 0 and self.buffer[FRAME.size + length] == 0xC1 and length <= PAYLOAD_MAX
        self.frames[stream].append((kind, bytes(self.buffer[FRAME.size:FRAME.size + length])))
        del self.buffer[:FRAME.size + length + 1]
        return stream

    def next(self, stream, ignored=(CREDIT,)):
        """Returns the next frame of a stream that is not of an ignored type."""
        while True:
            while self.frames[stream]:
                kind, payload = self.frames[stream].popleft()
                if kind not in ignored:
                    return kind, payload
            self.receive()

    # --- requests ---

    def lookup(self, name):
        """Returns 0 or an errno."""
        self.last += 1
        self.frame(LOOKUP, self.last, string(name))
        kind, payload = self.next(self.last)
        assert kind == FOUND, kind
        return struct.unpack("<I", payload)[0]

    def open(self, host, port=80):
        self.last += 1
        self.frame(OPEN, self.last, string(host) + struct.pack("<I", port))
        return self.last

    def send(self, stream, data):
        """Does not wait for credit."""
        for at in range(0, len(data), PAYLOAD_MAX):
            self.frame(DATA, stream, data[at:at + PAYLOAD_MAX])

    def send_eof(self, stream):
        self.frame(EOF, stream)

    def credit(self, stream, size):
        self.frame(CREDIT, stream, struct.pack("<I", size))

    def reset(self, stream):
        self.frame(RESET, stream, struct.pack("<I", errno.ECONNRESET))

    def recv(self, stream):
        """Returns bytes; b'' at the end. Raises Reset."""
        kind, payload = self.next(stream)
        if kind == RESET:
            raise Reset(struct.unpack("<I", payload)[0])
        if kind == DATA and self.credits:
            self.credit(stream, len(payload))
        assert (kind == DATA) == bool(payload) and kind in (DATA, EOF), (kind, payload)
        return payload

    def read(self, stream, size=None):
        """Reads `size` bytes, or everything until the end."""
        data = bytearray()
        while (size is None or len(data) < size) and (piece := self.recv(stream)):
            data += piece
        return bytes(data)

    def status(self, stream):
        """Returns the errno of the RESET that must be the next frame."""
        try:
            data = self.recv(stream)
        except Reset as reset:
            return reset.args[0]
        raise AssertionError(f"bytes instead of a reset: {data!r}")

    def is_quiet(self, seconds=0.2):
        """Whether nothing arrives for some time. Only for what must not happen."""
        return not self.buffer and not select.select([self.socket], [], [], seconds)[0]


def wait_until(condition, seconds=TIMEOUT_S):
    """Waits for what no event reports."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError("it did not happen in time")
        time.sleep(0.01)
    return found
