# SPDX-License-Identifier: LGPL-2.1-or-later
"""tcp: the world's TCP services that are not HTTP, and the record of each connection.

A service is a coroutine that takes a Connection, and ends it by returning. What a client sent first is kept in the
record, so that a test can see what was sent to whom.
"""
import asyncio
import ssl
import struct
import socket

from . import pattern
from .link import plain

KEPT = 4096  # first bytes of each connection in its record
BANNER = b"SSH-2.0-world\r\n"
NEVER = asyncio.Event()  # one that is kept: a task that waits for an event that nobody has is destroyed


class Connection:
    """An accepted connection. `entry` is its record."""

    def __init__(self, reader, writer, place, records, names):
        self.reader, self.writer, self.records = reader, writer, records
        asker, target = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        tls = writer.get_extra_info("ssl_object")
        self.entry = records.add("connections", place=place, port=target[1], to=plain(target[0]), received=0, begin="",
                                 sni=names.pop(tls, None) if tls else None, is_tls=tls is not None, state="open",
                                 **{"from": plain(asker[0])})

    async def read(self, size=65536):
        """Returns b'' at the end."""
        data = await self.reader.read(size)
        self.note(data)
        return data

    def note(self, data):
        entry = self.entry
        entry["begin"] += data[:KEPT - len(entry["begin"])].decode("latin-1")
        entry["received"] += len(data)
        self.records.note_change()

    async def write(self, data):
        self.writer.write(data)
        await self.writer.drain()

    def reset(self):
        """Ends the connection with a RST."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def end(self, state):
        self.entry["state"] = state
        self.records.note_change()


async def echo(connection):
    while data := await connection.read():
        await connection.write(data)


async def discard(connection):
    while await connection.read():
        pass


async def speak_first(connection):
    await connection.write(BANNER)
    await echo(connection)


async def generate(connection):
    while True:
        await connection.write(pattern.BLOCK)


async def reset(connection):
    """Resets the connection after the first bytes."""
    await connection.read()
    connection.reset()


async def close(connection):
    """Closes the connection at once."""


async def hold(connection):
    """Reads nothing and sends nothing."""
    await NEVER.wait()


SERVICES = {service.__name__: service for service in (echo, discard, speak_first, generate, reset, close, hold)}


def handler(service, place, records, names):
    """Returns the callback of asyncio for a service."""
    async def handle(reader, writer):
        writer.transport.set_write_buffer_limits(high=1 << 20)
        connection = Connection(reader, writer, place, records, names)
        state = "closed"
        try:
            await service(connection)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            state = "reset"
        except asyncio.CancelledError:
            state = "cancelled"
        finally:
            connection.end(state)
            writer.close()
    return handle


def open_port_that_never_accepts(port, open_socket):
    """Returns sockets to keep: a listener, and the connections that fill its queue."""
    listener = open_socket(socket.SOCK_STREAM)
    listener.bind(("::", port))
    listener.listen(0)
    fillers = []
    for _ in range(2):
        filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        filler.connect_ex(("127.0.0.1", port))
        fillers.append(filler)
    return [listener, *fillers]
