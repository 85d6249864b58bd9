# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-proxy: connections through the administrator's proxy, which is on this host."""
import errno
import socket
import threading

from case import ADDRESS, NAME, Case, Tls, start_world
from cloche_tests import tap
from cloche_tests.egress import INTERNET, Failed, policy
from cloche_tests.world import link

setUpModule = start_world
ANY = policy(INTERNET)


class Proxy:
    """Answers each connection by `answer(head, connection)`. `heads` are those that it got."""

    def __init__(self, answer, address="127.0.0.1"):
        self.answer, self.heads = answer, []
        self.listening = socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.port = self.listening.getsockname()[1]
        host = f"[{address}]" if ":" in address else address
        self.url = f"http://{host}:{self.port}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self.serve_one, args=[connection], daemon=True).start()

    def serve_one(self, connection):
        head = b""
        while b"\r\n\r\n" not in head and (data := connection.recv(1)):
            head += data
        self.heads.append(head.decode())
        with connection:
            self.answer(head, connection)

    def close(self):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()


def echo(head, connection):
    """Grants CONNECT, speaks first in the same packet, and echoes."""
    connection.sendall(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\nhello")
    while data := connection.recv(65536):
        connection.sendall(data)


class Connections(Case):
    def proxy(self, *arguments):
        proxy = Proxy(*arguments)
        self.addCleanup(proxy.close)
        return proxy

    def test_a_set_during_an_attempt(self):
        """A server is not taken for the proxy, nor the proxy for a server."""
        proxy = self.proxy(echo)
        guest = self.guest(policy(INTERNET, allow=[f"{link.SILENT4}:7"]))
        for before, after in (("", proxy.url), (f"http://{link.SILENT4}:7", "")):
            self.egress.set(self.sandbox, ANY, proxy=before)
            self.world.forget()
            stream = guest.open(link.SILENT4 if not before else NAME, 7)
            self.world.wait("packets", to=link.SILENT4)
            self.egress.set(self.sandbox, ANY, proxy=after)
            self.assertEqual(guest.status(stream), errno.ECONNRESET)
        self.assertEqual(proxy.heads, [])

    def test_tcp(self):
        for address in ("127.0.0.1", "::1"):
            proxy = self.proxy(echo, address)
            guest = self.guest(policy(allow=["unknown.example.com:7", f"{ADDRESS}:7", "[2606:2800:220::30]:7"]), proxy=proxy.url)
            self.assertEqual(guest.lookup("unknown.example.com"), 0)
            self.assertEqual(guest.lookup("other.example.com"), errno.EACCES)
            for host in ("unknown.example.com", ADDRESS, "2606:2800:220::30"):
                stream = guest.open(host, 7)
                self.assertEqual(guest.read(stream, 5), b"hello")
                guest.send(stream, b"ping")
                self.assertEqual(guest.read(stream, 4), b"ping")
                guest.send_eof(stream)
                self.assertEqual(guest.read(stream), b"")
            self.assertEqual([head.splitlines()[0] for head in proxy.heads],
                             ["CONNECT unknown.example.com:7 HTTP/1.1", f"CONNECT {ADDRESS}:7 HTTP/1.1",
                              "CONNECT [2606:2800:220::30]:7 HTTP/1.1"])
            self.assertEqual(self.world.queries(), [])
            self.assertEqual(guest.status(guest.open("10.9.9.9", 7)), errno.EACCES)
            self.egress.remove(self.sandbox)
        self.world.assert_untouched()

    def test_a_proxy_with_a_name(self):
        proxy = self.proxy(echo)
        guest = self.guest(ANY, proxy=f"http://localhost:{proxy.port}/")
        self.assertEqual(guest.read(guest.open(NAME, 7), 5), b"hello")

    def test_tls(self):
        def forward(head, connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            with socket.create_connection((ADDRESS, 443)) as server:
                there = threading.Thread(target=copy, args=(connection, server))
                there.start()
                copy(server, connection)
                there.join()

        def copy(source, target):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        proxy = self.proxy(forward)
        secret = {"host": "api.example.com", "header": "Authorization"}
        guest = self.guest(policy(allow=[f"{NAME}:443", "api.example.com:443"], secrets=[secret]), values={0: b"value"}, proxy=proxy.url)
        for name, authority in ((NAME, None), ("api.example.com", guest.certificates)):
            request = f"GET /hello HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode()
            answer = Tls(guest, name, name, authority).ask(request, 1 << 20)
            self.assertTrue(answer.endswith(b"hello\n"), answer)
        self.assertIn("Authorization: value\r\n", self.world.requests(host="api.example.com")[0]["head"])
        self.assertTrue(proxy.heads[1].startswith("CONNECT api.example.com:443 HTTP/1.1\r\n"))

    def test_http(self):
        """The proxy gets the URL. It is asked for one host on each connection, because the guest was."""
        def answer(head, connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        proxy = self.proxy(answer)
        guest = self.guest(policy(allow=[f"{NAME}:80"]), proxy=proxy.url)
        stream = guest.open(NAME, 80)
        guest.send(stream, b"GET /path?x HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
        self.assertTrue(guest.read(stream, 40).startswith(b"HTTP/1.1 200 OK\r\n"))
        self.assertTrue(proxy.heads[0].startswith("GET http://www.example.com/path?x HTTP/1.1\r\n"))

    def test_refusals(self):
        for answer in (b"HTTP/1.1 403 Forbidden\r\n\r\n", b"HTTP/1.1 407 x\r\n\r\n", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b"",
                       b"HTTP/1.1 2000\r\n\r\n", b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 9000 + b"\r\n\r\n"):
            proxy = self.proxy(lambda head, connection, answer=answer: connection.sendall(answer))
            guest = self.guest(ANY, proxy=proxy.url)
            self.assertEqual(guest.status(guest.open(NAME, 7)), errno.ECONNREFUSED, answer)
            self.egress.remove(self.sandbox)
        guest = self.guest(ANY, proxy="http://127.0.0.1:1")
        self.assertEqual(guest.status(guest.open(NAME, 7)), errno.ECONNREFUSED)

    def test_malformed(self):
        for proxy in ("https://proxy:1", "http://", "http://:1", "http://proxy:0", "http://proxy:65536", "http://a b", "http://user@proxy",
                      "http://proxy/path", "http://[127.0.0.1]", "proxy:1", "http://1.2"):
            with self.assertRaises(Failed, msg=proxy) as failed:
                self.guest(ANY, proxy=proxy)
            self.assertEqual(failed.exception.args[0], "InvalidArgument")


tap.main()
