# SPDX-License-Identifier: LGPL-2.1-or-later
"""process: the world's process. client.py starts it: python3 -m cloche_tests.world.process FOLDER HOST-PORT…

It opens listeners at all of the host's own addresses, enters a network namespace of its own, and prints "separate". When it
has read a line, which says that the link exists, it listens at all addresses of the world, and prints "serving". It ends
at the end of its standard input, and removes FOLDER. FOLDER/control is a UNIX socket: each connection is one call, a line of JSON with a
method of Control and its arguments, and one line for the answer.
"""
import asyncio
import json
import pathlib
import resource
import shutil
import socket
import sys
import weakref

from . import http, link, tcp
from .certificates import Authority
from .dns import Resolver
from .indexes import Indexes
from .packets import Sniffer
from .record import Gates, Records
from .site import Site

# The world's services, at every address. Nothing listens at other ports, so connections to them are refused.
PORTS = {7: "echo", 9: "discard", 19: "generate", 22: "speak_first", 80: "http", 96: "close", 97: "reset", 98: "hold",
         443: "https", 8080: "http", 8443: "https"}
NEVER_ACCEPTS = 99
HOST_PORTS = {80: "http", 443: "https"}  # other ports of the host echo
LONGEST_CALL = 64 << 20


def bind(port):
    listener = link.open_socket(socket.SOCK_STREAM)
    listener.bind(("::", port))
    return listener


class World:
    def __init__(self, folder):
        self.records, self.gates = Records(), Gates()
        self.resolver = Resolver(self.records, self.gates)
        self.authority = Authority(folder)
        self.site = Site(self.gates)
        self.sites = Indexes(folder).sites
        self.names = weakref.WeakKeyDictionary()
        self.tls = self.authority.server_context(self.names.__setitem__)
        web = http.server(self.sites, self.site.serve)
        self.services = {**tcp.SERVICES, "http": web, "https": web, "dns": self.serve_dns}
        self.kept = []

    async def serve_dns(self, connection):
        await self.resolver.serve_stream(connection.reader, connection.writer)

    async def listen(self, listener, service, place):
        handle = tcp.handler(self.services[service], place, self.records, self.names)
        self.kept.append(await asyncio.start_server(handle, sock=listener, limit=1 << 20, backlog=1024,
                                                    ssl=self.tls if service == "https" else None))

    async def serve(self, loop):
        self.sniffer = Sniffer(link.WORLD_SIDE, self.records)
        loop.add_reader(self.sniffer, self.sniffer.read)
        self.resolver.serve_udp(loop)
        await self.listen(bind(53), "dns", "world")
        for port, service in PORTS.items():
            await self.listen(bind(port), service, "world")
        self.kept += tcp.open_port_that_never_accepts(NEVER_ACCEPTS, link.open_socket)


class Control:
    """What a test can call. Its answers are values that JSON can hold."""

    def __init__(self, world):
        self.world = world

    async def set_name(self, name, answers):
        self.world.resolver.zone.set(name, answers)

    async def set_certificate(self, name, kind):
        self.world.authority.set_kind(name, kind)

    async def set_raw(self, name, text):
        self.world.site.raw[name] = text

    async def open_gate(self, name):
        self.world.gates.open(name)

    async def listen(self, port, service):
        await self.world.listen(bind(port), service, "world")

    async def find(self, kind, match):
        self.world.sniffer.read()
        return self.world.records.find(kind, match)

    async def wait(self, kind, match, count, seconds):
        return await self.world.records.wait(kind, match, count, seconds)

    async def forget(self):
        self.world.sniffer.read()
        self.world.records.forget()

    async def handle(self, reader, writer):
        method, arguments = json.loads(await reader.readline())
        try:
            answer = {"value": await getattr(self, method)(*arguments)}
        except Exception as error:  # the test gets it
            answer = {"error": f"{type(error).__name__}: {error}"}
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
        writer.close()


async def end_of_input(loop):
    ended = loop.create_future()
    loop.add_reader(sys.stdin, lambda: sys.stdin.buffer.read1(4096) or ended.done() or ended.set_result(None))
    await ended


async def run(folder, host_listeners):
    loop = asyncio.get_running_loop()
    world = World(folder)
    for port, listener in host_listeners.items():
        await world.listen(listener, HOST_PORTS.get(port, "echo"), "host")
    await world.serve(loop)
    control = await asyncio.start_unix_server(Control(world).handle, folder / "control", limit=LONGEST_CALL)
    print("serving", flush=True)
    await end_of_input(loop)
    control.close()


def main():
    folder = pathlib.Path(sys.argv[1])
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a test may make as many connections as the service permits
    host_listeners = {port: bind(port) for port in map(int, sys.argv[2:])}
    link.enter_own_network()
    print("separate", flush=True)
    try:
        if sys.stdin.readline():
            link.configure_world()
            asyncio.run(run(folder, host_listeners))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
