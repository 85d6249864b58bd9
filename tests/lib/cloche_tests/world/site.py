# SPDX-License-Identifier: LGPL-2.1-or-later
"""site: what the world serves for every name that is no package index.

/hello                    "hello\\n"
/echo                     the request's head and body, as they came
/bytes/N                  N bytes of the pattern, with their length
/chunked/N                the same in chunks
/close/N                  the same until the end of the connection
/gate/NAME/N              N bytes, half of them only when the test opens the gate
/short/N                  promises N bytes, sends half of them, and closes
/reset/N                  the same, and resets
/upload                   reads a body; answers with its size and SHA-256
/refuse-body              answers 413 without reading the body, and closes
/count                    the number of requests on this connection so far
/redirect?URL             302 to the URL
/status/N                 that status, without a body
/hang                     no answer
/upgrade                  101, then echoes bytes
/raw/NAME                 bytes that the test has set, whatever they are; then closes

Where the client expects 100-continue, /upload sends it first. Numbers that are none are answered with 400.
"""
from . import pattern
from .tcp import NEVER


class Site:
    def __init__(self, gates):
        self.gates = gates
        self.raw = {}

    async def serve(self, exchange):
        _, name, *arguments = exchange.path.split("/")
        method = getattr(self, "get_" + name.replace("-", "_"), None)
        if method:
            await method(exchange, *arguments)
        else:
            await exchange.read_body()
            await exchange.answer(b"there is no such page\n", 404, "Not Found")

    async def get_hello(self, exchange):
        await exchange.read_body()
        await exchange.answer(b"hello\n", Content_Type="text/plain")

    async def get_echo(self, exchange):
        body = await exchange.read_body()
        await exchange.answer(exchange.entry["head"].encode("latin-1") + body, Content_Type="text/plain")

    # --- bodies ---

    async def get_bytes(self, exchange, size):
        await exchange.read_body()
        await exchange.begin(length=size)
        if exchange.method != "HEAD":
            await self.send(exchange, int(size))

    async def send(self, exchange, size):
        for block in pattern.blocks(size):
            await exchange.write(block)

    async def get_chunked(self, exchange, size):
        await exchange.read_body()
        await exchange.begin(chunked=True)
        for block in pattern.blocks(int(size)):
            await exchange.write_chunk(block)
        await exchange.write(b"0\r\n\r\n")

    async def get_close(self, exchange, size):
        await exchange.read_body()
        await exchange.begin()
        await self.send(exchange, int(size))

    async def get_gate(self, exchange, name, size):
        await exchange.read_body()
        await exchange.begin(length=size)
        body = b"".join(pattern.blocks(int(size)))
        await exchange.write(body[:len(body) // 2])
        await self.gates.wait(name)
        await exchange.write(body[len(body) // 2:])

    async def get_short(self, exchange, size):
        await exchange.read_body()
        await exchange.begin(length=size)
        await self.send(exchange, int(size) // 2)
        exchange.is_last = True

    async def get_reset(self, exchange, size):
        await self.get_short(exchange, size)
        exchange.connection.reset()

    # --- requests ---

    async def get_upload(self, exchange):
        if exchange.headers.get("expect", "").lower() == "100-continue":
            await exchange.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await exchange.read_body()
        await exchange.answer(b"%d %s\n" % (exchange.entry["size"], exchange.entry["digest"].encode()))

    async def get_refuse_body(self, exchange):
        await exchange.answer(b"too large\n", 413, "Content Too Large", Connection="close")
        exchange.is_last = True

    async def get_count(self, exchange):
        await exchange.read_body()
        await exchange.answer(b"%d\n" % exchange.number)

    async def get_redirect(self, exchange):
        await exchange.read_body()
        await exchange.answer(b"", 302, "Found", Location=exchange.raw_query)

    async def get_status(self, exchange, status):
        await exchange.read_body()
        await exchange.answer(b"", int(status), "Status")

    async def get_hang(self, exchange):
        await exchange.read_body()
        await NEVER.wait()

    async def get_upgrade(self, exchange):
        await exchange.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        while data := await exchange.read():
            await exchange.write(data)
        exchange.is_last = True

    async def get_raw(self, exchange, name):
        await exchange.read_body()
        await exchange.write(self.raw[name].encode("latin-1"))
        exchange.is_last = True
