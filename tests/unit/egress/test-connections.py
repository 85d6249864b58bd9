# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-connections: which connections cloche-egress makes for a guest, and what passes through them."""
import errno
import pathlib
import ssl
import struct

from case import ADDRESS, ADDRESS6, NAME, PRIVATE, Case, Tls, start_world
from cloche_tests import tap
from cloche_tests.egress import INTERNET, LOOKUP, OFF, Failed, Reset, policy, string, wait_until
from cloche_tests.guest_network import encrypted, hello, in_records, of_size
from cloche_tests.world import GATEWAY4, HOST4, HOST6, NEIGHBOUR4, NEIGHBOUR6, ON_LINK4, link

setUpModule = start_world
ANY = policy(INTERNET)
HANDSHAKE, ALERT = 22, 21  # types of TLS records


class Names(Case):
    def test_lookups(self):
        guest = self.guest(policy(allow=[NAME, "*.below.example.com", "gone.example.com", "broken.example.com"]))
        self.world.name("a.below.example.com", ADDRESS)
        self.world.name("broken.example.com", code="SERVFAIL")
        for name, status in ((NAME, 0), ("WWW.Example.com.", 0), ("a.below.example.com", 0), ("below.example.com", errno.EACCES),
                             ("api.example.com", errno.EACCES), ("gone.example.com", errno.ENOENT),
                             ("broken.example.com", errno.EAGAIN), ("127.1", errno.ENOENT), ("0x7f.1", errno.ENOENT),
                             ("a b", errno.ENOENT), ("..", errno.ENOENT), ("x" * 64 + ".example.com", errno.ENOENT)):
            with self.subTest(name):
                self.assertEqual(guest.lookup(name), status)

    def test_nothing_leaves_for_a_name_that_is_not_allowed(self):
        guest = self.guest(policy(allow=[NAME]))
        for name in ("secret-data.evil.example", "api.example.com", f"{NAME}.evil.example"):
            self.assertEqual(guest.lookup(name), errno.EACCES)
            self.assert_refused(guest, name)
        self.assertEqual(self.world.queries(), [])
        self.world.assert_untouched()

    def test_no_search_domains(self):
        """The resolver has read its configuration before it changes."""
        guest = self.guest(policy(INTERNET, allow=["www"]))
        self.assertEqual(guest.lookup("api.example.com"), 0)
        with open("/etc/resolv.conf", "a", encoding="ascii") as file:
            file.write("search example.com\noptions ndots:3\n")
        self.world.forget()
        self.assertEqual(guest.lookup("www"), errno.ENOENT)
        self.assertEqual({query["name"] for query in self.world.queries()}, {"www"})

    def test_name_servers_change(self):
        """A guest that always asks cannot prevent that others use the new ones."""
        self.world.name("slow.example.com", silent=True)
        guest = self.guest(ANY)
        other = self.egress.guest("other", ANY)
        self.addCleanup(lambda: (self.egress.remove("other"), other.close()))
        other.last += 1
        other.frame(LOOKUP, other.last, string("slow.example.com"))
        self.world.wait("queries", name="slow.example.com")
        with open("/etc/resolv.conf", "w", encoding="ascii") as file:
            file.write(f"nameserver {ADDRESS}\n")
        self.addCleanup(lambda: pathlib.Path("/etc/resolv.conf").write_text(f"nameserver {GATEWAY4}\n", encoding="ascii"))
        self.assertEqual(guest.lookup("api.example.com"), 0)
        self.assertTrue(self.world.packets(to=ADDRESS, port=53))
        self.assertEqual(other.next(other.last)[1], struct.pack("<I", errno.EAGAIN))

    def test_answers_are_kept(self):
        guest = self.guest(ANY)
        for _ in range(3):
            self.assert_echo(guest, NAME)
        self.assertEqual(len(self.world.queries(name=NAME)), 2)

    def test_one_of_several_addresses_answers(self):
        guest = self.guest(ANY)
        self.world.name("mixed.example.com", link.UNREACHABLE4, link.UNREACHABLE6, link.SILENT6, ADDRESS)
        self.assert_echo(guest, "mixed.example.com")
        self.world.wait("connections", to=ADDRESS, port=7)

    def test_no_address_answers(self):
        guest = self.guest(ANY)
        self.world.name("lost.example.com", link.UNREACHABLE4, link.UNREACHABLE6)
        watcher = self.watch()
        self.assertIn(guest.status(guest.open("lost.example.com", 7)), (errno.EHOSTUNREACH, errno.ENETUNREACH))
        self.assertEqual(watcher.next()["event"], "failed")
        self.assertEqual(guest.status(guest.open(NAME, 81)), errno.ECONNREFUSED)
        self.assertEqual(watcher.next("failed")["port"], 81)

    def test_strange_names(self):
        """Other forms of addresses are no names."""
        guest = self.guest(ANY)
        for name in ("168364297", "0x0a090909", "012.011.011.011", "10.9.2313", "10.9.9.9%lo", "fe80::1%lo", "a..b", ".",
                     "www.example.com..", "www.example.com ", "www.exämple.com", "a" * 253, "\x01", "[::1]", "1.2.3.4.5"):
            self.assert_refused(guest, name, why="not the name")


class Addresses(Case):
    def test_never(self):
        guest = self.guest(policy(INTERNET, allow=["0.0.0.0/0", "[::]/0"], private=True))
        for address in ("127.0.0.1", "::1", "0.0.0.0", "::", "169.254.169.254", "fe80::2", HOST4, HOST6, ON_LINK4, "224.0.0.1",
                        "255.255.255.255", "240.0.0.1", "198.18.0.1", "100.64.255.3", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
                        "2002:7f00:1::", "ff02::1", "fd00:ec2::254"):
            self.assert_refused(guest, address, 7, why="no sandbox")

    def test_private(self):
        open_guest = self.guest(ANY)
        private = (PRIVATE, "192.168.1.1", "172.16.0.1", "100.64.1.1", "fd00::9", "192.0.2.1", "::ffff:10.9.9.9", "64:ff9b::a09:909",
                   GATEWAY4, NEIGHBOUR4, NEIGHBOUR6)
        for address in private:
            self.assert_refused(open_guest, address, 7, why="private")
        self.egress.set(self.sandbox, policy(INTERNET, allow=["10.0.0.0/8", NEIGHBOUR4], private=True))
        self.assert_echo(open_guest, PRIVATE)
        self.assert_echo(open_guest, NEIGHBOUR4)
        self.assert_refused(open_guest, "192.168.1.1", 7, why="private")

    def test_names_of_such_addresses(self):
        guest = self.guest(ANY)
        self.world.turns("sly.example.com")
        for number, addresses in enumerate((["127.0.0.1"], ["169.254.169.254", "::1"], [PRIVATE], [HOST4], [NEIGHBOUR4], ["fd00::9"])):
            name = f"sly{number}.example.com"
            self.world.name(name, *addresses)
            self.assert_refused(guest, name, 7)
        self.world.name("both.example.com", ADDRESS, "fd00::9", "::1")
        self.assert_echo(guest, "both.example.com")
        self.assertEqual([entry["to"] for entry in self.world.connections()], [ADDRESS])

    def test_rebinding(self):
        """The second answer names a private address, and is judged like the first."""
        guest = self.guest(ANY)
        self.world.turns("turning.example.com", {"addresses": [ADDRESS], "ttl": 0}, {"addresses": [PRIVATE], "ttl": 0})
        self.assert_echo(guest, "turning.example.com")
        self.assertEqual({entry["to"] for entry in self.world.connections()}, {ADDRESS})
        other = self.egress.guest(self.sandbox + "x", ANY)
        self.addCleanup(lambda: self.egress.remove(self.sandbox + "x"))
        self.assertEqual(other.status(other.open("turning.example.com", 7)), errno.EACCES)
        self.assertEqual({entry["to"] for entry in self.world.connections()}, {ADDRESS})

    def test_literals_need_a_network(self):
        guest = self.guest(policy(allow=[NAME, f"{ADDRESS6}", "93.184.216.32/30:7"]))
        self.assert_refused(guest, ADDRESS, 7, why="not in allow")
        self.assert_echo(guest, ADDRESS6)
        self.assert_echo(guest, "93.184.216.33")
        self.assert_refused(guest, "93.184.216.33", 22, why="not in allow")
        self.assert_echo(guest, NAME)


class Rules(Case):
    def test_ports_and_layers(self):
        guest = self.guest(policy(INTERNET, deny=["*:22"]), policy(allow=["*.example.com:1-100/tcp"]))
        self.assert_echo(guest, NAME)
        self.assert_refused(guest, NAME, 22, why="deny *:22")
        self.assert_refused(guest, NAME, 8080, why="not in allow")

    def test_off(self):
        guest = self.guest(policy(OFF))
        self.assertEqual(guest.lookup(NAME), errno.EACCES)
        self.assert_refused(guest, ADDRESS, 7, why="off")

    def test_set_during_a_download(self):
        guest = self.guest(ANY)
        download, echo = guest.open(NAME, 19), self.assert_echo(guest, ADDRESS)
        self.assertTrue(guest.read(download, 1 << 20))
        self.egress.set(self.sandbox, policy(allow=[f"{ADDRESS}:7"]))
        with self.assertRaises(Reset) as reset:
            guest.read(download)
        self.assertEqual(reset.exception.args[0], errno.EACCES)
        guest.send(echo, b"still")
        self.assertEqual(guest.read(echo, 5), b"still")
        self.egress.set(self.sandbox, policy(OFF))
        self.assertRaises(Reset, guest.read, echo)
        self.assertEqual(guest.lookup(NAME), errno.EACCES)
        self.assertEqual(self.egress.traffic(self.sandbox)["open"], 0)

    def test_set_during_an_attempt(self):
        """The server answers when its address is not allowed any more."""
        self.world.name("slow.example.com", link.SILENT4)
        guest = self.guest(ANY)
        stream = guest.open("slow.example.com", 7)
        self.world.wait("packets", to=link.SILENT4)
        self.egress.set(self.sandbox, policy(INTERNET, deny=[link.SILENT4]))
        self.answer_at(link.SILENT4)
        guest.send(stream, b"ping")
        self.assertEqual(guest.status(stream), errno.EACCES)
        self.assertEqual(self.egress.traffic(self.sandbox)["connections"], 0)

    def test_a_set_that_fails_changes_nothing(self):
        guest = self.guest(policy(allow=[f"{ADDRESS}:7"]))
        for bad in (policy(allow=["a b"]), policy(INTERNET, connections=257), policy(secrets=[{"host": NAME, "header": "A"}])):
            with self.assertRaises(Failed) as failed:
                self.egress.set(self.sandbox, bad)
            self.assertEqual(failed.exception.args[0], "InvalidArgument")
        for proxy in ("https://proxy", "http://", "http://proxy:0", "http://a b", "http://user@proxy"):
            with self.assertRaises(Failed, msg=proxy):
                self.egress.set(self.sandbox, ANY, proxy=proxy)
        self.assert_echo(guest, ADDRESS)
        self.assert_refused(guest, ADDRESS, 22)

    def test_no_port(self):
        with self.assertRaises(Failed) as failed:
            self.egress.set(self.sandbox, ANY)
        self.assertIn("port", failed.exception.args[1])


class Protocols(Case):
    def test_tls(self):
        guest = self.guest(policy(allow=[f"{NAME}:443"]))
        watcher = self.watch()
        answer = Tls(guest, NAME, NAME).ask(b"GET /hello HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n", 1 << 20)
        self.assertTrue(answer.endswith(b"hello\n"))
        event = watcher.next("open")
        self.assertEqual((event["protocol"], event["sni"], event["rule"]), ("tls", NAME, f"allow {NAME}:443"))
        self.assertEqual(self.world.requests()[0]["sni"], NAME)

    def test_tls_for_another_name(self):
        guest = self.guest(policy(allow=[f"{NAME}:443", "api.example.com:443"]))
        self.world.forget()
        for sni in ("api.example.com", None):
            with self.assertRaises(ssl.SSLError):
                Tls(guest, NAME, sni).ask(b"x", 1)
        stream = guest.open(NAME, 443)
        guest.send(stream, b"GET / HTTP/1.1\r\n\r\n")
        self.assertEqual(guest.status(stream), errno.EACCES)
        stream = guest.open(NAME, 443)
        guest.send_eof(stream)
        self.assertEqual(guest.status(stream), errno.EACCES)
        self.assertEqual(self.world.connections(), [])

    def test_large_and_encrypted_greetings(self):
        """Up to 16 KiB; and the outer name of an encrypted one counts."""
        guest = self.guest(policy(allow=[f"{NAME}:443"]))
        right, other = hello(NAME), hello("api.example.com")
        for greeting in (of_size(right, 16384), in_records(of_size(right, 16384), 1024), encrypted(right)):
            stream = guest.open(NAME, 443)
            guest.send(stream, greeting)
            self.assertEqual(guest.recv(stream)[0], HANDSHAKE)
        self.assertEqual(len(self.world.packets(port=443)), 3)
        for greeting in (of_size(right, 16385), in_records(of_size(right, 16384), 1023), encrypted(other), encrypted(hello(None))):
            stream = guest.open(NAME, 443)
            guest.send(stream, greeting)
            self.assertEqual(guest.recv(stream)[0], ALERT)
        self.assertEqual(len(self.world.packets(port=443)), 3)

    def test_tls_to_an_address(self):
        """What the greeting names must be allowed by itself; without a name, a network must contain the address."""
        request = b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        guest = self.guest(policy(INTERNET, deny=["api.example.com"]))
        self.assertTrue(Tls(guest, ADDRESS, NAME).ask(request, 1 << 20).endswith(b"hello\n"))
        for sni in ("api.example.com", None):
            with self.assertRaises(ssl.SSLError):
                Tls(guest, ADDRESS, sni).ask(request, 1)
        self.egress.set(self.sandbox, policy(allow=[f"{ADDRESS}/32:443"]))
        self.assertTrue(Tls(guest, ADDRESS, None).ask(request, 1 << 20).endswith(b"hello\n"))
        with self.assertRaises(ssl.SSLError):
            Tls(guest, ADDRESS, NAME).ask(request, 1)

    def test_tls_to_an_address_after_a_set(self):
        """The greeting is judged again, too."""
        request = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
        listed = policy(INTERNET, allow=[f"{ADDRESS}/32:443"])
        for sni, before, after in ((NAME, ANY, policy(INTERNET, deny=[NAME])), (None, listed, ANY)):
            guest = self.guest(before)
            client = Tls(guest, ADDRESS, sni)
            client.ask(request, 70)
            self.egress.set(self.sandbox, before)
            client.ask(request, 70)
            self.egress.set(self.sandbox, after)
            with self.assertRaises(Reset):
                client.ask(request, 70)
        guest = self.guest(listed)
        client = Tls(guest, ADDRESS, None)
        self.egress.set(self.sandbox, ANY)  # it has not greeted yet
        with self.assertRaises(ssl.SSLError):
            client.ask(request, 70)

    def test_hello_in_small_pieces(self):
        guest = self.guest(policy(allow=[f"{NAME}:443"]))
        client = Tls(guest, NAME, NAME)
        self.assertRaises(ssl.SSLWantReadError, client.tls.do_handshake)
        for byte in client.outgoing.read():
            guest.send(client.stream, bytes([byte]))
        self.assertTrue(client.ask(b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 1 << 20).endswith(b"hello\n"))

    def test_http(self):
        guest = self.guest(policy(allow=[f"{NAME}:80"]))
        watcher = self.watch()
        stream = guest.open(NAME, 80)
        for _ in range(2):
            guest.send(stream, b"GET /hello?question HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
            self.assertTrue(guest.read(stream, 70).startswith(b"HTTP/1.1 200 OK\r\n"))
        guest.send(stream, b"GET /hello HTTP/1.1\r\nHost: api.example.com\r\n\r\n")
        self.assertTrue(guest.read(stream).startswith(b"HTTP/1.1 403 "))
        guest.send_eof(stream)
        self.assertEqual([request["host"] for request in self.world.requests()], [NAME, NAME])
        self.assertEqual(len(self.world.connections()), 1)
        events = [watcher.next("request") for _ in range(3)]
        self.assertEqual([(event["method"], event["path"], event["status"]) for event in events],
                         [("GET", "/hello", 200), ("GET", "/hello", 200), ("GET", "/hello", 403)])
        self.assertEqual(self.egress.traffic(self.sandbox)["requests"], 3)

    def test_http_to_an_address(self):
        guest = self.guest(policy(allow=[f"{ADDRESS}:80", f"[{ADDRESS6}]:80"]))
        for address, hosts in ((ADDRESS, (ADDRESS, f"{ADDRESS}:80")), (ADDRESS6, (f"[{ADDRESS6}]", f"[{ADDRESS6}]:80"))):
            for host in hosts:
                stream = guest.open(address, 80)
                guest.send(stream, f"GET /hello HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                self.assertTrue(guest.read(stream).startswith(b"HTTP/1.1 200 OK\r\n"), host)
                guest.send_eof(stream)
        stream = guest.open(ADDRESS, 80)
        guest.send(stream, b"GET /hello HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
        self.assertTrue(guest.read(stream).startswith(b"HTTP/1.1 403 "))
        guest.send_eof(stream)
        self.assertEqual(len(self.world.connections()), 4)

    def test_http_refused_before_a_connection(self):
        guest = self.guest(policy(allow=[f"{NAME}:80"]))
        for request in (b"CONNECT api.example.com:80 HTTP/1.1\r\nHost: www.example.com\r\n\r\n",
                        b"GET http://api.example.com/ HTTP/1.1\r\nHost: www.example.com\r\n\r\n", b"SSH-2.0-x\r\n\r\n"):
            stream = guest.open(NAME, 80)
            guest.send(stream, request)
            self.assertRegex(guest.read(stream), b"^HTTP/1.1 40[0-9] ")
            guest.send_eof(stream)
        self.assertEqual(self.world.connections(), [])

    def test_http_server_that_is_not_there(self):
        guest = self.guest(policy(allow=[f"{NAME}:1-100/http", "sly.example.com:80"]))
        self.world.name("sly.example.com", PRIVATE)
        for host, port in ((NAME, 81), ("sly.example.com", 80)):
            stream = guest.open(host, port)
            guest.send(stream, b"GET / HTTP/1.1\r\nHost: %s:%d\r\n\r\n" % (host.encode(), port))
            self.assertRegex(guest.read(stream), b"^HTTP/1.1 50[0-9] ")
            guest.send_eof(stream)
        self.assertEqual(self.world.connections(), [])


class Bytes(Case):
    def test_half_close(self):
        """The server's side stays open after the guest's EOF, and the guest's after the server's."""
        guest = self.guest(ANY)
        stream = self.assert_echo(guest, NAME)
        guest.send(stream, b"last")
        guest.send_eof(stream)
        self.assertEqual(guest.read(stream), b"last")
        self.world.wait("connections", port=7, state="closed", received=8)
        stream = guest.open(NAME, 96)
        self.assertEqual(guest.read(stream), b"")
        guest.send(stream, b"late")
        guest.reset(stream)
        self.assert_echo(guest, NAME)

    def test_resets(self):
        guest = self.guest(ANY)
        stream = guest.open(NAME, 97)
        guest.send(stream, b"x")
        self.assertEqual(guest.status(stream), errno.ECONNRESET)
        stream = self.assert_echo(guest, NAME)
        guest.reset(stream)
        self.world.wait("connections", port=7)
        guest.frame(1, stream, b"crossed")  # frames of a stream that has ended are ignored
        self.assert_echo(guest, NAME)

    def test_large_amounts(self):
        guest = self.guest(ANY)
        data = bytes(range(256)) * 4096 * 4
        stream = guest.open(NAME, 7)
        received, sent, window = bytearray(), 0, 256 * 1024
        guest.credits = True
        while len(received) < len(data):
            while sent < len(data) and window >= 32768:
                guest.send(stream, data[sent:sent + 32768])
                sent, window = sent + 32768, window - 32768
            kind, payload = guest.next(stream, ignored=())
            if kind == 3:
                window += int.from_bytes(payload, "little")
            else:
                received += payload
                guest.credit(stream, len(payload))
        self.assertEqual(received, data)
        figures = self.egress.traffic(self.sandbox)
        self.assertEqual((figures["bytes_up"], figures["bytes_down"]), (len(data), len(data)))

    def test_a_bulk_stream_leaves_room(self):
        guest = self.guest(ANY)
        bulk = guest.open(NAME, 19)
        guest.read(bulk, 1 << 20)
        small = guest.open(ADDRESS, 7)
        guest.send(small, b"ping")
        pieces = 0
        while not any(kind == 1 for kind, _ in guest.frames[small]):
            guest.recv(bulk)
            pieces += 1
        self.assertLess(pieces, 3000)

    def test_a_new_port(self):
        guest = self.guest(ANY)
        stream = self.assert_echo(guest, NAME)
        other = self.egress.guest(self.sandbox, ANY)
        self.addCleanup(other.close)
        self.assertRaises(EOFError, guest.read, stream)
        self.assert_echo(other, NAME)
        self.assertEqual(self.egress.traffic(self.sandbox)["open"], 1)


class Reports(Case):
    def test_watch(self):
        guest = self.guest(policy(allow=[f"{NAME}:7"]))
        watcher = self.watch()
        stream = self.assert_echo(guest, NAME)
        guest.send_eof(stream)
        guest.read(stream)
        opened, closed = watcher.next(), watcher.next()
        self.assertEqual((opened["event"], opened["host"], opened["port"], opened["protocol"], opened["rule"]),
                         ("open", NAME, 7, "tcp", f"allow {NAME}:7"))
        self.assertIn(opened["address"], (ADDRESS, ADDRESS6))
        self.assertEqual((closed["event"], closed["bytes_up"], closed["bytes_down"]), ("close", 4, 4))
        self.assertGreater(closed["duration_usec"], 0)
        self.assertGreaterEqual(closed["time"], opened["time"])

    def test_journal(self):
        """One line for each connection, at most 60 in a minute; the others are counted."""
        guest = self.guest(policy(allow=[f"{NAME}:7"]), owner=1234)
        self.lines_of_journal()
        stream = self.assert_echo(guest, NAME)
        guest.reset(stream)
        guest.status(guest.open("a\nMESSAGE_ID=x\x01\xff", 22))
        wait_until(lambda: self.egress.traffic(self.sandbox)["open"] == 0)
        ended, refused = self.lines_of_journal()
        for field, value in (("SANDBOX_ID", self.sandbox), ("OWNER_UID", "1234"), ("HOST", NAME), ("PORT", "7"), ("VERDICT", "allowed"),
                             ("RULE", f"allow {NAME}:7"), ("BYTES_UP", "4"), ("BYTES_DOWN", "4"), ("PROTOCOL", "tcp"),
                             ("SYSLOG_IDENTIFIER", "cloche-egress"), ("PRIORITY", "6")):
            self.assertEqual(ended[field], value, field)
        self.assertIn(ended["ADDRESS"], (ADDRESS, ADDRESS6))
        self.assertEqual((refused["VERDICT"], refused["HOST"], refused["PRIORITY"]), ("refused", "a?MESSAGE_ID=x???", "5"))
        self.assertNotEqual(ended["MESSAGE_ID"], refused["MESSAGE_ID"])
        lines = 0
        for _ in range(70):
            guest.status(guest.open(ADDRESS, 22))
            lines += len(self.lines_of_journal())
        self.assertEqual(lines, 58)
        self.egress.remove(self.sandbox)
        self.assertIn("12 messages", self.lines_of_journal()[-1]["MESSAGE"])

    def test_watchers_that_do_not_read(self):
        guest = self.guest(ANY)
        *_, watcher, refused = [self.watch() for _ in range(9)]
        self.assertRaises(EOFError, refused.next)
        for _ in range(1000):
            guest.status(guest.open("a" * 200, 80))
        lines = [watcher.next() for _ in range(50)]
        self.assertEqual({line["event"] for line in lines}, {"refused"})
        guest.status(guest.open("last", 80))
        dropped = watcher.next("dropped")
        self.assertGreater(dropped["count"], 100)
        self.assertEqual(watcher.next()["host"], "last")


tap.main()
