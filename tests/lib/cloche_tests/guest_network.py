# SPDX-License-Identifier: LGPL-2.1-or-later
"""guest_network: what tests do in the Python of a guest with a network. It is sent there as text (see network.py).

Functions return what was received, as text of Latin-1, or the name of an error: "ECONNRESET", "NONAME", …
"""
import errno
import http.client
import socket
import ssl
import struct
import threading
import urllib.request

WAIT_S = 30
LOOKUP_ERRORS = {socket.EAI_NONAME: "NONAME", socket.EAI_AGAIN: "AGAIN", socket.EAI_NODATA: "NODATA"}


def name_of(error):
    if isinstance(error, socket.gaierror):
        return LOOKUP_ERRORS.get(error.errno, str(error))
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason}"
    return errno.errorcode.get(error.errno, type(error).__name__)


def attempt(function, *arguments, **keywords):
    try:
        return function(*arguments, **keywords)
    except OSError as error:
        return name_of(error)


# --- names ---

def lookup(name):
    """Returns the addresses of a name."""
    return attempt(lambda: sorted({entry[4][0] for entry in socket.getaddrinfo(name, None)}))


def name_server():
    with open("/etc/resolv.conf") as file:
        return file.read().split()[1]


def question(name, kind):
    labels = b"".join(bytes([len(label)]) + label for label in (part.encode() for part in name.split(".")) if label)
    return struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, kind, 1)


def ask(name, kind=1, server=None, is_tcp=False):
    """Asks a name server. Returns (code of the answer, number of records)."""
    message = question(name, kind)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if is_tcp else socket.SOCK_DGRAM) as connection:
        connection.settimeout(WAIT_S)
        connection.connect((server or name_server(), 53))
        connection.sendall(struct.pack("!H", len(message)) + message if is_tcp else message)
        answer = connection.recv(4096)
    answer = answer[2:] if is_tcp else answer
    return answer[3] & 15, int.from_bytes(answer[6:8], "big")


# --- TCP ---

def read(connection, size=None):
    data = b""
    while (size is None or len(data) < size) and (piece := connection.recv(65536)):
        data += piece
    return data


def connect(host, port):
    return socket.create_connection((host, port), WAIT_S)


def exchange(host, port, data=b"x", size=1):
    """Sends the data, and returns `size` bytes of the answer, or all of it (None)."""
    def run():
        with connect(host, port) as connection:
            connection.sendall(data)
            return read(connection, size).decode("latin-1")
    return attempt(run)


def get(host, path="/hello", port=80, head=None):
    """A GET without any library. Returns the answer."""
    head = head or f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    return exchange(host, port, head.encode(), None)


def fetch(url, **headers):
    """By urllib. Returns the body."""
    def run():
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=WAIT_S) as answer:
            return answer.read().decode("latin-1")
    try:
        return run()
    except urllib.error.HTTPError as error:
        return str(error.code)
    except urllib.error.URLError as error:
        return name_of(error.reason)
    except http.client.HTTPException as error:
        return type(error).__name__
    except OSError as error:
        return name_of(error)


def at_once(count, host, port, data=b"x"):
    """Returns what this many connections received, which all are made before the first is read."""
    def begin():
        connection = connect(host, port)
        connection.sendall(data)
        return connection

    def end(connection):
        if isinstance(connection, str):
            return connection
        return attempt(lambda: connection.recv(1).decode("latin-1"))
    connections = [attempt(begin) for _ in range(count)]
    answers = [end(connection) for connection in connections]
    for connection in connections:
        if not isinstance(connection, str):
            connection.close()
    return answers


# --- transfers that go on while the test does something ---

transfers = {}


class Transfer(threading.Thread):
    def __init__(self, host, port, data):
        super().__init__(daemon=True)
        self.target, self.data, self.size, self.changed = (host, port), data, 0, threading.Condition()
        self.end = None
        self.start()

    def run(self):
        end = attempt(self.move)
        with self.changed:
            self.end = end
            self.changed.notify_all()

    def move(self):
        with connect(*self.target) as connection:
            connection.settimeout(600)
            connection.sendall(self.data)
            while piece := connection.recv(65536):
                with self.changed:
                    self.size += len(piece)
                    self.changed.notify_all()
        return "EOF"


def begin(key, host, port, data=b"x"):
    transfers[key] = Transfer(host, port, data)


def begin_get(key, host, path):
    begin(key, host, 80, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())


def received(key, size, seconds=WAIT_S):
    """Waits for so many bytes, or for the end. Returns (bytes, how it has ended or None)."""
    transfer = transfers[key]
    with transfer.changed:
        transfer.changed.wait_for(lambda: transfer.size >= size or transfer.end, seconds)
        return transfer.size, transfer.end


def end(key, seconds=WAIT_S):
    """Waits for the end of a transfer. Returns how it has ended."""
    return received(key, 1 << 62, seconds)[1]


# --- TLS ---

def make_unverified():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


unverified = make_unverified()  # contexts with certificates take a second each


def hello(name):
    """Returns a TLS greeting, one record, for a name or for none."""
    sent = ssl.MemoryBIO()
    try:
        unverified.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        return sent.read()


def in_records(greeting, size):
    """The same greeting in records of `size` bytes."""
    body = greeting[5:]
    return b"".join(greeting[:3] + struct.pack("!H", len(body[at:at + size])) + body[at:at + size]
                    for at in range(0, len(body), size))


def begin_of_extensions(greeting):
    """Returns where their length is."""
    at = 5 + 4 + 2 + 32
    at += 1 + greeting[at]
    at += 2 + int.from_bytes(greeting[at:at + 2], "big")
    return at + 1 + greeting[at]


def with_extensions(greeting, change):
    """The greeting with what the function makes of its extensions. All lengths are corrected."""
    at = begin_of_extensions(greeting)
    extensions = change(greeting[at + 2:])
    body = greeting[9:at] + struct.pack("!H", len(extensions)) + extensions
    body = b"\x01" + len(body).to_bytes(3, "big") + body
    return in_records(greeting[:5] + body, 16384)


def with_second_name(greeting, name, other):
    """The greeting with another name after the one that it has."""
    entry = b"\0" + struct.pack("!H", len(name)) + name.encode()
    added = b"\0" + struct.pack("!H", len(other)) + other.encode()
    old = struct.pack("!HHH", 0, len(entry) + 2, len(entry)) + entry
    new = struct.pack("!HHH", 0, len(entry + added) + 2, len(entry + added)) + entry + added
    return with_extensions(greeting, lambda extensions: extensions.replace(old, new))


def with_extension(greeting, kind, data):
    """The greeting with another extension."""
    return with_extensions(greeting, lambda extensions: extensions + struct.pack("!HH", kind, len(data)) + data)


def of_size(greeting, size):
    """The greeting with an extension for private use, so that its message has this size."""
    return with_extension(greeting, 0xff00, bytes(size - (len(greeting) - 5) - 4))


def encrypted(greeting):
    """The greeting with an encrypted one (RFC 9849), which only its receiver could decrypt."""
    inner = struct.pack("!BHHBH", 0, 1, 1, 7, 32) + bytes(range(32)) + struct.pack("!H", 200) + bytes(200)
    return with_extension(greeting, 0xfe0d, inner)


def greet(host, port, greeting):
    """Sends a greeting. Returns "server" if a server answers with its own, "alert", or an error."""
    answer = exchange(host, port, greeting)
    return {"\x16": "server", "\x15": "alert", "": "EOF"}.get(answer[:1], answer)


def tls(host, request, port=443, name=None, verifies=False, size=None):
    """Sends a request over TLS to `host`, for the server `name` (host). Returns the answer."""
    def run():
        context = ssl.create_default_context() if verifies else unverified
        with connect(host, port) as plain, context.wrap_socket(plain, server_hostname=name or host) as connection:
            connection.sendall(request.encode("latin-1"))
            return read(connection, size).decode("latin-1")
    return attempt(run)


def issuer(host, port=443):
    """Returns the issuer of the certificate that the guest sees, which must be valid for it."""
    def run():
        with connect(host, port) as plain, ssl.create_default_context().wrap_socket(plain, server_hostname=host) as connection:
            return dict(pair[0] for pair in connection.getpeercert()["issuer"]).get("commonName")
    return attempt(run)
