# SPDX-License-Identifier: LGPL-2.1-or-later
"""dns: the world's resolver, at port 53 of every address, over UDP and TCP.

Each name has a list of answers. The first question of a type gets the first answer, the next one the second; the last
answer stays. Names that are not known do not exist. Each question is recorded.
"""
import asyncio
import ipaddress
import socket
import struct

from . import link
from .link import plain

CODES = {"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5}
TYPES = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV", 64: "SVCB", 65: "HTTPS"}
NUMBERS = {name: number for number, name in TYPES.items()}
OPT = 41
SO_RCVBUFFORCE = 33  # Python has no name for it
BUFFER = 8 << 20  # for tests that ask a thousand questions at once
TRUNCATED = 0x0200
LONGEST_CHAIN = 8
ANSWER_KEYS = {"addresses", "cname", "code", "ttl", "silent", "truncated", "raw", "gate"}


def encode_name(name):
    labels = [label.encode("latin-1") for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def decode_question(message):
    """Returns (name, type number, end of the question). Raises ValueError."""
    labels, at = [], 12
    try:
        while message[at]:
            if message[at] > 63:
                raise ValueError("compressed question")
            labels.append(message[at + 1:at + 1 + message[at]].decode("latin-1"))
            at += 1 + message[at]
        number, = struct.unpack_from("!H", message, at + 1)
    except (IndexError, struct.error):
        raise ValueError("short question") from None
    return ".".join(labels), number, at + 5


def udp_size(message, end):
    """Returns the size of answers that the asker takes: that of its OPT record, or 512."""
    if struct.unpack_from("!H", message, 10)[0] and len(message) >= end + 5 and message[end] == 0:
        number, size = struct.unpack_from("!HH", message, end + 1)
        if number == OPT:
            return max(size, 512)
    return 512


def resource(name, number, ttl, data):
    return encode_name(name) + struct.pack("!HHIH", number, 1, ttl, len(data)) + data


class Zone:
    """The names of the world and their answers."""

    def __init__(self):
        self.names = {}
        self.turns = {}

    def set(self, name, answers):
        """Replaces a name's answers, which are dictionaries with some of ANSWER_KEYS. An empty list removes the name."""
        for answer in answers:
            if unknown := set(answer) - ANSWER_KEYS:
                raise ValueError(f"an answer has no {sorted(unknown)}")
        name = name.lower()
        self.names[name] = answers
        self.turns = {key: turn for key, turn in self.turns.items() if key[0] != name}

    def take(self, name, number):
        """Returns the next answer for the name, or None. A name such as *.example.com covers all below."""
        name = name.lower()
        answers, parent = self.names.get(name), name
        while not answers and parent:
            parent = parent.partition(".")[2]
            answers = self.names.get("*." + parent)
        if not answers:
            return None
        turn = self.turns.get((name, number), 0)
        self.turns[name, number] = turn + 1
        return answers[min(turn, len(answers) - 1)]

    def resources(self, name, number, answer):
        """Returns (code, records) for a question, with those of the names that it is an alias of."""
        records, ttl = [], answer.get("ttl", 60)
        for _ in range(LONGEST_CHAIN):
            target = answer.get("cname")
            if not target:
                break
            records.append(resource(name, NUMBERS["CNAME"], ttl, encode_name(target)))
            name, answer = target, self.take(target, number)
            if answer is None:
                return CODES["NXDOMAIN"], records
        for text in answer.get("addresses", ()):
            address = ipaddress.ip_address(text)
            if number == NUMBERS["A" if address.version == 4 else "AAAA"]:
                records.append(resource(name, number, answer.get("ttl", 60), address.packed))
        return CODES[answer.get("code", "NOERROR")], records


class Resolver:
    def __init__(self, records, gates):
        self.records, self.gates = records, gates
        self.zone = Zone()
        self.tasks = set()

    async def answer(self, message, asker, target, transport):
        """Records a question; returns its answer, or None for silence."""
        try:
            name, number, end = decode_question(message)
        except (ValueError, UnicodeDecodeError) as error:
            self.records.add("queries", name="", type=str(error), transport=transport, to=target, **{"from": asker})
            return None
        self.records.add("queries", name=name, type=TYPES.get(number, str(number)), transport=transport, to=target,
                         **{"from": asker})
        answer = self.zone.take(name, number)
        if answer and (gate := answer.get("gate")):
            await self.gates.wait(gate)
        if answer and answer.get("silent"):
            return None
        if answer and "raw" in answer:
            return message[:2] + answer["raw"].encode("latin-1")
        return self.compose(message[:end], name, number, answer, udp_size(message, end) if transport == "udp" else 65535)

    def compose(self, question, name, number, answer, size):
        code, records = self.zone.resources(name, number, answer) if answer else (CODES["NXDOMAIN"], [])
        body = b"".join(records)
        is_long = len(question) + len(body) > size or (answer and answer.get("truncated") and size < 65535)
        flags = 0x8180 | code | (TRUNCATED if is_long else 0)
        if is_long:
            records, body = [], b""
        return question[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0) + question[12:] + body

    # --- transports ---

    def serve_udp(self, loop):
        """Answers bear the address that was asked, which asyncio's own transports cannot do."""
        self.socket = link.open_socket(socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self.socket.bind(("::", 53))
        loop.add_reader(self.socket, self.on_datagram)

    def on_datagram(self):
        message, control, _, asker = self.socket.recvmsg(65535, 256)
        info = next(data for level, kind, data in control if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO))
        task = asyncio.get_running_loop().create_task(self.answer_datagram(message, asker, info))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def answer_datagram(self, message, asker, info):
        answer = await self.answer(message, plain(asker[0]), plain(socket.inet_ntop(socket.AF_INET6, info[:16])), "udp")
        if answer is not None:
            source = info[:16] + bytes(4)  # without the interface: the route decides
            self.socket.sendmsg([answer], [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, source)], 0, asker)

    async def serve_stream(self, reader, writer):
        """One connection over TCP."""
        asker, target = (plain(writer.get_extra_info(key)[0]) for key in ("peername", "sockname"))
        while True:
            size, = struct.unpack("!H", await reader.readexactly(2))
            answer = await self.answer(await reader.readexactly(size), asker, target, "tcp")
            if answer is not None:
                writer.write(struct.pack("!H", len(answer)) + answer)
                await writer.drain()

