# SPDX-License-Identifier: LGPL-2.1-or-later
"""http: an HTTP server that records each request as it came, byte by byte, and whose test site can misbehave.

A site is a coroutine that takes an Exchange: one request and its answer. The parser takes what a tolerant server would
take, because the tests are about what the client's side of a proxy sends. See site.py for the test site.
"""
import hashlib
import urllib.parse

LONGEST_HEAD = 256 << 10
KEPT_BODY = 64 << 10


class Exchange:
    """`number` counts the requests of the connection from 1. Header names are in lower case."""

    def __init__(self, connection, head, number, buffered):
        self.connection, self.number, self.buffered = connection, number, buffered
        self.is_last = False
        text = head.decode("latin-1")
        line, *lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
        self.method, _, rest = line.partition(" ")
        self.target = rest.rpartition(" ")[0] or rest
        parts = urllib.parse.urlsplit(self.target)
        self.path, self.query = urllib.parse.unquote(parts.path), dict(urllib.parse.parse_qsl(parts.query))
        self.raw_query = parts.query
        pairs = [line.partition(":") for line in lines if ":" in line]
        self.headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        self.host = self.headers.get("host", "").partition(":")[0].lower()
        entry = connection.entry
        self.entry = connection.records.add(
            "requests", host=self.host, method=self.method, path=self.path, head=text, body="", size=0, digest="",
            number=number, port=entry["port"], to=entry["to"], sni=entry["sni"], is_tls=entry["is_tls"])

    # --- the request's body ---

    async def read(self, size=65536):
        if self.buffered:
            data, self.buffered = self.buffered[:size], self.buffered[size:]
            return data
        return await self.connection.read(size)

    async def read_line(self):
        line = b""
        while not line.endswith(b"\n"):
            if not (byte := await self.read(1)):
                raise ConnectionError("the end in a line")
            line += byte
        return line

    async def read_exactly(self, size):
        """Yields pieces."""
        while size:
            data = await self.read(min(size, 65536))
            if not data:
                raise ConnectionError("the end in a body")
            size -= len(data)
            yield data

    async def pieces(self):
        """Yields the body in pieces, as its framing says."""
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            while size := int((await self.read_line()).partition(b";")[0], 16):
                async for data in self.read_exactly(size):
                    yield data
                await self.read_line()
            while (await self.read_line()).strip():
                pass
        else:
            async for data in self.read_exactly(int(self.headers.get("content-length", 0))):
                yield data

    async def read_body(self):
        """Reads the body; keeps its first bytes, size and SHA-256 in the record. Returns the first bytes."""
        kept, total = b"", hashlib.sha256()
        async for data in self.pieces():
            kept += data[:KEPT_BODY - len(kept)]
            total.update(data)
            self.entry["size"] += len(data)
        self.entry.update(body=kept.decode("latin-1"), digest=total.hexdigest())
        self.connection.records.note_change()
        return kept

    # --- the answer ---

    async def write(self, data):
        await self.connection.write(data)

    async def begin(self, status=200, reason="OK", length=None, chunked=False, **headers):
        """Sends the head. Without a length and not chunked, the end of the connection ends the body."""
        lines = [f"HTTP/1.1 {status} {reason}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if chunked:
            lines.append("Transfer-Encoding: chunked")
        elif length is not None:
            lines.append(f"Content-Length: {length}")
        else:
            lines.append("Connection: close")
            self.is_last = True
        await self.write("\r\n".join([*lines, "", ""]).encode("latin-1"))

    async def answer(self, body=b"", status=200, reason="OK", **headers):
        await self.begin(status, reason, length=len(body), **headers)
        if self.method != "HEAD":
            await self.write(body)

    async def write_chunk(self, data):
        await self.write(b"%x\r\n%s\r\n" % (len(data), data))


async def read_head(connection, buffered):
    """Returns (head, what followed it); an empty head at the end."""
    while (end := buffered.find(b"\r\n\r\n")) < 0:
        data = await connection.read()
        if not data or len(buffered) > LONGEST_HEAD:
            return b"", b""
        buffered += data
    return buffered[:end + 4], buffered[end + 4:]


def server(sites, default):
    """Returns a service that serves sites by the name in Host."""
    async def serve(connection):
        number, buffered = 0, b""
        while True:
            head, buffered = await read_head(connection, buffered)
            if not head:
                return
            number += 1
            exchange = Exchange(connection, head, number, buffered)
            try:
                await sites.get(exchange.host, default)(exchange)
            except ValueError as error:  # numbers of the client that are none
                exchange.entry["error"] = str(error)
                await exchange.answer(b"", 400, "Bad Request", Connection="close")
                return
            buffered = exchange.buffered
            if exchange.is_last or exchange.headers.get("connection", "").lower() == "close":
                return
    return serve
