# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-network: sandboxes reach what their policy permits, and nothing else.

Run by in-service.sh, with a World as everything outside. All tests share two sandboxes, whose policy each test sets.
"""
import json
import pathlib
import time
import unittest

from cloche_tests import network, tap
from cloche_tests.network import REFUSED, UNCONNECTED, create
from cloche_tests.service import SANDBOX, USERS, Failure, SystemService, journal_names, number, systemctl, wait_until
from cloche_tests.world import GATEWAY4, HOST4, HOST6, NEIGHBOUR4, NEIGHBOUR6, ON_LINK4, ON_LINK6, World

RULES = pathlib.Path("/etc/polkit-1/rules.d/10-cloche-test.rules")
DROP_IN = pathlib.Path("/etc/systemd/system/cloche-egress.service.d/50-cloche-test.conf")
RULE = """polkit.addRule(function(action, subject) {
    if (action.id == "org.cloche1.network" && subject.user == "%s" && action.lookup("mode") == "internet")
        return polkit.Result.NO;
});"""
RULE_PRIVATE = """polkit.addRule(function(action, subject) {
    if (action.id == "org.cloche1.network-private" && subject.user == "%s" && action.lookup("targets") == "%s")
        return polkit.Result.YES;
});"""
HOST_PORT = 7777  # the host itself listens there
ECHO, DISCARD, GENERATE, SSH, HOLD = 7, 9, 19, 22, 98
PUBLIC = "93.184.216.200"

# By name of a kind: addresses that no policy permits.
NEVER = {
    "private10": "10.9.9.9", "private172": "172.16.9.9", "private192": "192.168.9.9", "carrier": "100.64.9.9", "host": HOST4,
    "gateway": GATEWAY4, "on-link": ON_LINK4, "neighbour": NEIGHBOUR4, "metadata": "169.254.169.254", "loopback": "127.0.0.1",
    "unspecified": "0.0.0.0", "benchmark": "198.18.0.9", "documentation": "203.0.113.9", "multicast": "224.0.0.9",
    "reserved": "240.0.0.9", "broadcast": "255.255.255.255", "loopback6": "::1", "unspecified6": "::", "unique6": "fd00::9",
    "host6": HOST6, "on-link6": ON_LINK6, "neighbour6": NEIGHBOUR6, "link6": "fe80::9", "metadata6": "fd00:ec2::254",
    "mapped": "::ffff:10.9.9.9", "nat64": "64:ff9b::a09:909", "6to4": "2002:a09:909::1", "teredo": "2001:0:a09:909::1",
    "multicast6": "ff02::1"}
LITERALS = ("10.9.9.9", "169.254.169.254", GATEWAY4, HOST4, ON_LINK4, NEIGHBOUR4, "168364297", "0x0a090909", "012.011.011.011",
            "10.9.2313", "224.0.0.9", "240.0.0.9", "::ffff:10.9.9.9", "64:ff9b::a09:909", "2002:a09:909::1",
            "2001:0:a09:909::1", "fd00::9", HOST6, ON_LINK6, NEIGHBOUR6, "fd00:ec2::254")
# In a restricted network of most tests.
ALLOW = ["www.example.com:80", "www.example.com:443", "api.example.com:443", "echo.example.com:7", "echo.example.com:98",
         "*.wild.example.com", "plain.example.com:8080/http", "secure.example.com:8443/tls", f"{PUBLIC}:7"]

# Sends packets that are not TCP, in every way that root has. Prints the errors.
PACKETS = """
import errno, json, os, socket, struct, sys
targets = sys.argv[1].split()
errors = {}
def attempt(what, function):
    try:
        function()
        errors[what] = ""
    except OSError as error:
        errors[what] = errno.errorcode.get(error.errno, str(error))
def datagram(target, port):
    with socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"x", (target, port))
def header(protocol, target, payload):
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0, socket.inet_aton("192.0.2.2"),
                       socket.inet_aton(target)) + payload
def raw(target, protocol, payload):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
        s.sendto(header(protocol, target, payload), (target, 0))
def echo(target):
    is_v6 = ":" in target
    family, protocol, kind = (socket.AF_INET6, socket.IPPROTO_ICMPV6, 128) if is_v6 else (socket.AF_INET, socket.IPPROTO_ICMP, 8)
    with socket.socket(family, socket.SOCK_RAW, protocol) as s:
        s.sendto(struct.pack("!BBHHH", kind, 0, 0xf7fe if not is_v6 else 0, 0, 1), (target, 0))
def frame(interface, target):
    udp = struct.pack("!HHHH", 1234, 443, 9, 0) + b"x"
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as s:
        s.sendto(header(17, target, udp), (interface, 0x0800, 0, 0, bytes([255] * 6)))
for target in targets:
    for port in (123, 443, 5353, 4789):
        attempt(f"udp {target} {port}", lambda: datagram(target, port))
    attempt(f"icmp {target}", lambda: echo(target))
    if ":" not in target:
        attempt(f"raw udp {target}", lambda: raw(target, 17, struct.pack("!HHHH", 1234, 443, 9, 0) + b"x"))
        attempt(f"ip in ip {target}", lambda: raw(target, 4, header(17, target, b"x" * 8)))
        attempt(f"gre {target}", lambda: raw(target, 47, bytes(8)))
        attempt(f"sctp {target}", lambda: raw(target, 132, bytes(12)))
        for interface in os.listdir("/sys/class/net"):
            attempt(f"frame {interface} {target}", lambda: frame(interface, target))
print(json.dumps(errors))
"""


def setUpModule():
    global world, service, a, b, box, other
    world = World(host_ports=(80, 443, HOST_PORT)).start()
    unittest.addModuleCleanup(world.close)
    service = SystemService()
    a, b = (service.client(user) for user in USERS)
    for name in ("echo", "plain", "secure"):
        world.name(f"{name}.example.com", "93.184.216.201")
    world.name("*.wild.example.com", "93.184.216.202")
    box, other = create(a, "restricted", allow=ALLOW), create(b, "restricted", allow=ALLOW)
    for sandbox in (box, other):
        unittest.addModuleCleanup(sandbox.kill)
        sandbox.trust(world.authority)


def tearDownModule():
    RULES.unlink(missing_ok=True)
    DROP_IN.unlink(missing_ok=True)


class NetworkTest(unittest.TestCase):
    def setUp(self):
        world.forget()

    def restrict(self, *allow, **more):
        box.set_network("restricted", allow=list(allow or ALLOW), **more)

    def assert_refused(self, answer, *what):
        self.assertIn(answer, REFUSED, what)

    def assert_no_connection(self):
        """Nothing but questions to the resolver has left the host."""
        self.assertEqual([packet for packet in world.packets() if packet["port"] != 53], [])
        self.assertEqual(world.connections(place="host"), [])


class Modes(NetworkTest):
    def test_off(self):
        """A sandbox that was created without the option."""
        sandbox = create(a)
        self.addCleanup(sandbox.kill)
        self.assertEqual((sandbox.network()["mode"], sandbox.network()["state"]), ("off", "off"))
        self.assertEqual(sandbox.guest('lookup("www.example.com")'), "NONAME")
        for target in ("93.184.216.30", "2606:2800:220::30", GATEWAY4, HOST4):
            self.assertEqual(sandbox.guest(f'exchange("{target}", 7)'), UNCONNECTED, target)
            self.assertEqual(sandbox.guest('ask("www.example.com", server="93.184.216.30", is_tcp=True)'), (3, 0), target)
        self.assertEqual(sandbox.guest('exchange("127.0.0.1", 7)'), "ECONNREFUSED")
        world.assert_untouched()
        self.assertEqual(sandbox.traffic()["connections"], 0)

    def test_internet(self):
        box.set_network("internet")
        self.assertEqual(box.guest('exchange("www.example.com", 7)'), "x")
        self.assertEqual(box.guest(f'exchange("{PUBLIC}", 7)'), "x")
        self.assertEqual(box.guest('exchange("2606:2800:220::77", 7)'), "x")
        self.assertTrue(box.guest('exchange("www.example.com", 22, b"", 5)').startswith("SSH-2"))
        self.assertEqual(box.guest('lookup("no-such-name.example.com")'), "NONAME")
        self.assertEqual({c["to"] for c in world.connections(place="world")} - {"93.184.216.30", "2606:2800:220::30"},
                         {PUBLIC, "2606:2800:220::77"})

    def test_created_with_network(self):
        """It is in force when the call returns."""
        sandbox = create(a, "internet")
        self.addCleanup(sandbox.kill)
        self.assertEqual(sandbox.network()["state"], "on")
        self.assertEqual(sandbox.guest('exchange("www.example.com", 7)'), "x")

    def test_property(self):
        self.restrict("www.example.com", "10.0.0.0/8:80-90/tcp", deny=["evil.example.com"], connections=7, bandwidth=5_000_000,
                      traffic=1 << 40)
        found = box.network()
        self.assertEqual({key: found[key] for key in ("mode", "allow", "deny", "connections", "bandwidth", "traffic", "state")}, {
            "mode": "restricted", "allow": ["www.example.com", "10.0.0.0/8:80-90/tcp"], "deny": ["evil.example.com"],
            "connections": 7, "bandwidth": 5_000_000, "traffic": 1 << 40, "state": "on"})
        box.set_network("off")
        self.assertEqual((box.network()["mode"], box.network()["state"]), ("off", "off"))

    def test_invalid(self):
        """The entry is named, and the earlier policy stays in force."""
        self.restrict()
        for policy, part in (({"allow": ["bad_entry:99999"]}, "bad_entry"), ({"deny": ["10.0.0.0/40"]}, "10.0.0.0/40"),
                             ({"allow": ["a.example.com"] * 257}, "allow"), ({"connections": 257}, "connections")):
            with self.assertRaises(Failure) as caught:
                box.set_network("restricted", **policy)
            self.assertEqual(caught.exception.name, "InvalidArgument")
            self.assertIn(part, str(caught.exception))
        self.assertEqual(box.network()["allow"], ALLOW)
        self.assertEqual(box.guest('exchange("echo.example.com", 7)'), "x")


class Programs(NetworkTest):
    """By name, without any configuration."""

    def setUp(self):
        super().setUp()
        self.restrict()

    def test_python(self):
        self.assertEqual(box.guest('fetch("http://www.example.com/hello")'), "hello\n")
        self.assertEqual(box.guest('fetch("https://www.example.com/hello")'), "hello\n")
        self.assertRegex(str(box.guest('lookup("www.example.com")')), r"^\['198\.1[89]\.")

    def test_commands(self):
        self.assertEqual(box.sh("curl -sS http://www.example.com/hello https://www.example.com/hello; "
                                "wget -qO- https://api.example.com/hello; getent hosts www.example.com | wc -l"),
                         "hello\n" * 3 + "1\n")

    def test_other_ports(self):
        self.assertTrue(box.guest('get("plain.example.com", port=8080)').endswith("\r\n\r\nhello\n"))
        self.assertEqual(box.guest('fetch("https://secure.example.com:8443/hello")'), "hello\n")
        self.assertEqual(box.guest(f'exchange("{PUBLIC}", 7)'), "x")

    def test_own_services(self):
        """Servers in the guest, at its own addresses."""
        self.assertEqual(box.sh("""python3 -c '
import socket
listener = socket.create_server(("", 5000))
for address in ("127.0.0.1", "localhost", "192.0.2.2"):
    with socket.create_connection((address, 5000)) as client:
        listener.accept()[0].sendall(b"x")
        print(client.recv(1).decode())'"""), "x\nx\nx\n")
        world.assert_untouched()


class Names(NetworkTest):
    def test_addresses_that_are_never_permitted(self):
        """Names that are permitted, with addresses that are not."""
        self.restrict()
        for kind, address in NEVER.items():
            world.name(f"{kind}.wild.example.com", address)
        answers = box.guest(f'{{kind: exchange(kind + ".wild.example.com", {HOST_PORT}) for kind in {list(NEVER)}}}')
        for kind, answer in answers.items():
            self.assertIn(answer, REFUSED | {"NONAME"}, (kind, NEVER[kind]))
        self.assert_no_connection()

    def test_aliases(self):
        """A CNAME is not looked at: the name that was asked for and the address count."""
        self.restrict()
        world.name("inside.example.net", "10.9.9.9")
        world.name("outside.example.net", "93.184.216.210")
        world.name("to-inside.wild.example.com", cname="inside.example.net")
        world.name("to-outside.wild.example.com", cname="outside.example.net")
        self.assert_refused(box.guest('exchange("to-inside.wild.example.com", 7)'))
        self.assert_no_connection()
        self.assertEqual(box.guest('exchange("to-outside.wild.example.com", 7)'), "x")
        self.assertEqual(box.guest('lookup("outside.example.net")'), "NONAME")

    def test_public_beside_private(self):
        """Only the address that passed the check is used."""
        self.restrict()
        world.name("both.wild.example.com", "10.9.9.9", "93.184.216.211", "fd00::9", "169.254.169.254")
        self.assertEqual(box.guest('[exchange("both.wild.example.com", 7) for _ in range(3)]'), ["x"] * 3)
        self.assertEqual({c["to"] for c in world.connections()}, {"93.184.216.211"})

    def test_rebinding(self):
        """The second answer is private. An answer is kept for 5 seconds at least."""
        self.restrict()
        world.turns("turns.wild.example.com", {"addresses": ["93.184.216.212"], "ttl": 0}, {"addresses": ["10.9.9.9"], "ttl": 0})
        self.assertEqual(box.guest('exchange("turns.wild.example.com", 7)'), "x")
        answer = wait_until(lambda: {"x": None}.get(found := box.guest('exchange("turns.wild.example.com", 7)'), found), 20,
                            "the second answer")
        self.assert_refused(answer)
        self.assertEqual({c["to"] for c in world.connections()}, {"93.184.216.212"})

    def test_names_that_are_not_permitted(self):
        """They are not resolved outside, by no type, no transport and no server."""
        self.restrict()
        data = "a" * 60
        names = [f"{data}.{n}.tunnel.example.org" for n in range(20)] + ["example.com", "www.example.com.evil.org", "wild.example.com"]
        self.assertEqual(set(box.guest(f"[lookup(name) for name in {names}]")), {"NONAME"})
        for server, is_tcp in ((None, False), (None, True), ("8.8.8.8", False), ("8.8.8.8", True), (GATEWAY4, False)):
            codes = box.guest(f'[ask("{data}.tunnel.example.org", kind, {server!r}, {is_tcp}) for kind in (1, 28, 16, 10, 15, 33, 65)]')
            self.assertEqual({count for _, count in codes}, {0}, (server, is_tcp, codes))
        world.assert_untouched()

    def test_other_types_of_permitted_names(self):
        """Only the name leaves the guest, in questions for addresses."""
        self.restrict()
        codes = box.guest('[ask("x.wild.example.com", kind) for kind in (16, 10, 15, 33, 64, 65)]')
        self.assertEqual({count for _, count in codes}, {0})
        self.assertLessEqual({query["type"] for query in world.queries()}, {"A", "AAAA"})

    def test_forms_of_a_name(self):
        self.restrict()
        for name in ("WWW.Example.COM", "www.example.com."):
            self.assertTrue(box.guest(f'get("{name}", port=80, head="GET /hello HTTP/1.1\\r\\nHost: www.example.com\\r\\nConnection: close\\r\\n\\r\\n")')
                            .endswith("hello\n"), name)
        self.assertEqual({query["name"] for query in world.queries()} - {"www.example.com"}, set())


class Addresses(NetworkTest):
    def test_literals(self):
        """All forms that programs accept, with the widest policy."""
        box.set_network("internet")
        answers = box.guest(f"{{literal: exchange(literal, {HOST_PORT}) for literal in {LITERALS}}}")
        for literal, answer in answers.items():
            self.assertIn(answer, REFUSED | {"ENETUNREACH", "EHOSTUNREACH"}, literal)
        world.assert_untouched()

    def test_address_of_a_permitted_name(self):
        self.restrict()
        self.assertEqual(box.guest('exchange("echo.example.com", 7)'), "x")
        world.forget()
        self.assert_refused(box.guest('exchange("93.184.216.201", 7)'))
        world.assert_untouched()

    def test_ports(self):
        """A permitted name or address on another port."""
        self.restrict()
        for target, port in (("www.example.com", 22), ("www.example.com", 8080), ("echo.example.com", 9), (PUBLIC, 9),
                             ("api.example.com", 80)):
            self.assert_refused(box.guest(f'exchange("{target}", {port})'), target, port)
        self.assert_no_connection()

    def test_deny(self):
        """It is stronger than allow."""
        box.set_network("internet", deny=["bad.example.com", "*.worse.example.com", "93.184.216.0/25", "www.example.com:9"])
        for name, address in (("bad", "93.184.216.213"), ("x.worse", "93.184.216.214"), ("good", "93.184.216.215"), ("low", "93.184.216.9")):
            world.name(f"{name}.example.com", address)
        self.assertEqual(box.guest('[exchange(f"{name}.example.com", 7) for name in ("good", "bad", "x.worse", "low")]'),
                         ["x", "NONAME", "NONAME", "ECONNRESET"])
        self.assert_refused(box.guest('exchange("93.184.216.99", 7)'))
        self.assertEqual({c["to"] for c in world.connections()}, {"93.184.216.215"})

    def test_host_and_other_sandboxes(self):
        """The host's own services, and those of another sandbox, have no address that is permitted."""
        box.set_network("internet")
        other.evaluate("import socket; listener = socket.create_server(('', 5001))")
        for target in (HOST4, ON_LINK4, HOST6, ON_LINK6, "127.0.0.2", "192.0.2.2", "192.0.2.1", "fd00:c10c::2"):
            for port in (80, 443, HOST_PORT, 5001):
                self.assertNotEqual(box.guest(f'exchange("{target}", {port})'), "x", (target, port))
        self.assertEqual(other.guest("(listener.setblocking(False), attempt(listener.accept))[1]"), "EAGAIN")
        world.assert_untouched()

    def test_packets(self):
        """Root of the guest sends everything but TCP."""
        box.set_network("internet")
        targets = f"8.8.8.8 {GATEWAY4} {PUBLIC} 2001:4860:4860::8888"
        errors = json.loads(box.python(PACKETS, targets))
        for what, error in errors.items():
            if what.startswith("udp "):
                self.assertIn(error, ("ENETUNREACH", "EHOSTUNREACH", "EACCES"), what)
        world.assert_untouched()


class Protocols(NetworkTest):
    def setUp(self):
        super().setUp()
        self.restrict()

    def test_tls_names(self):
        """The greeting must be for the name that was asked for."""
        greetings = {
            "right": 'hello("www.example.com")', "small records": 'in_records(hello("www.example.com"), 32)',
            "other": 'hello("evil.example.com")', "other permitted": 'hello("api.example.com")', "none": "hello(None)",
            "two": 'with_second_name(hello("www.example.com"), "www.example.com", "evil.example.com")',
            "other in small records": 'in_records(hello("evil.example.com"), 1)',
            "16 KiB": 'of_size(hello("www.example.com"), 16384)', "more": 'of_size(hello("www.example.com"), 16385)',
            "encrypted": 'encrypted(hello("www.example.com"))', "encrypted for another": 'encrypted(hello("evil.example.com"))',
            "encrypted without a name": 'encrypted(hello(None))',
            "not TLS": 'b"GET / HTTP/1.1\\r\\nHost: www.example.com\\r\\n\\r\\n"', "cut": 'hello("www.example.com")[:3] + b"\\xff" * 600'}
        answers = {kind: box.guest(f'greet("www.example.com", 443, {greeting})') for kind, greeting in greetings.items()}
        self.assertEqual({kind for kind, answer in answers.items() if answer == "server"},
                         {"right", "small records", "16 KiB", "encrypted"})
        self.assertLessEqual({answer for kind, answer in answers.items() if answer != "server"}, REFUSED | {"alert"})
        self.assertEqual(len(world.packets(port=443)), 4)

    def test_tls_to_an_address(self):
        """The name of the greeting must be permitted, or the address be listed."""
        box.set_network("internet", deny=["evil.example.com"])
        answers = [box.guest(f'greet("{PUBLIC}", 443, hello({name}))') for name in ('"fine.example.com"', '"evil.example.com"', "None")]
        self.assertEqual(answers[0], "server")
        self.assertNotIn("server", answers[1:])
        self.restrict(f"{PUBLIC}/tls")
        self.assertEqual(box.guest(f'greet("{PUBLIC}", 443, hello(None))'), "server")

    def test_http_hosts(self):
        """Each request must name the host that was asked for; others get an answer of the host."""
        heads = {
            "right": "GET /hello HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n",
            "other": "GET /hello HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n",
            "none": "GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n",
            "two": "GET /hello HTTP/1.1\r\nHost: www.example.com\r\nHost: evil.example.com\r\n\r\n",
            "absolute": "GET http://evil.example.com/hello HTTP/1.1\r\nHost: www.example.com\r\n\r\n",
            "connect": "CONNECT evil.example.com:80 HTTP/1.1\r\nHost: www.example.com\r\n\r\n",
            "old": "GET /hello HTTP/1.0\r\nHost: www.example.com\r\n\r\n",
            "space": "GET /hello HTTP/1.1\r\nHost : evil.example.com\r\nHost: www.example.com\r\n\r\n",
            "both lengths": "POST /upload HTTP/1.1\r\nHost: www.example.com\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
            "line feeds": "GET /hello HTTP/1.1\nHost: www.example.com\n\n"}
        answers = {kind: box.guest(f'get("www.example.com", head={head!r})')[:12] for kind, head in heads.items()}
        self.assertEqual(answers.pop("right"), "HTTP/1.1 200")
        self.assertEqual(answers.pop("other"), "HTTP/1.1 403")
        for kind, answer in answers.items():
            self.assertRegex(answer, "^HTTP/1.1 4", kind)
        self.assertEqual([(r["host"], r["path"]) for r in world.requests()], [("www.example.com", "/hello")])

    def test_second_request(self):
        """A connection that is kept alive carries no other Host. Pipelined requests are served in order."""
        first = "GET /count HTTP/1.1\r\nHost: www.example.com\r\n\r\n"
        evil = "GET /count HTTP/1.1\r\nHost: evil.example.com\r\nConnection: close\r\n\r\n"
        answer = box.guest(f'get("www.example.com", head={first + first + evil!r})')
        self.assertEqual([answer.count(f"\r\n\r\n{n}\n") for n in (1, 2, 3)], [1, 1, 0])
        self.assertIn("HTTP/1.1 403", answer)
        self.assertEqual([r["host"] for r in world.requests()], ["www.example.com"] * 2)

    def test_tls_where_http_is_expected(self):
        self.assertNotEqual(box.guest('greet("www.example.com", 80, hello("www.example.com"))'), "server")
        self.assertEqual(world.requests(), [])


class Changes(NetworkTest):
    """SetNetwork() while connections are open."""

    def setUp(self):
        super().setUp()
        self.restrict()

    def begin_download(self, key, host="www.example.com", size=4_000_000):
        """Half of it has arrived, and the server waits."""
        box.guest(f'begin_get("{key}", "{host}", "/gate/{key}/{size}")')
        got, end = box.guest(f'received("{key}", {size // 2})')
        self.assertIsNone(end, got)
        self.assertGreaterEqual(got, size // 2)

    def test_off_during_a_download(self):
        self.begin_download("off")
        box.set_network("off")
        self.assert_refused(box.guest('end("off")'))
        world.open("off")
        world.wait("connections", state="reset")
        world.forget()
        self.assertEqual(box.guest('lookup("www.example.com")'), "NONAME")
        self.assertEqual(box.guest(f'exchange("{PUBLIC}", 7)'), UNCONNECTED)
        world.assert_untouched()

    def test_narrower(self):
        """What is permitted still goes on; what is not is reset."""
        self.restrict("www.example.com:80", "kept.example.com:80")
        world.name("kept.example.com", "93.184.216.216")
        self.begin_download("narrow")
        self.begin_download("kept", "kept.example.com")
        self.restrict("kept.example.com:80")
        self.assert_refused(box.guest('end("narrow")'))
        world.open("narrow")
        world.open("kept")
        self.assertEqual(box.guest('end("kept")'), "EOF")
        self.assertGreater(box.guest('received("kept", 0)')[0], 4_000_000)
        self.assertEqual(box.guest('lookup("www.example.com")'), "NONAME")

    def test_wider(self):
        self.begin_download("wide")
        self.assert_refused(box.guest('exchange("www.example.com", 7)'))
        self.restrict(*ALLOW, "www.example.com:7")
        self.assertEqual(box.guest('exchange("www.example.com", 7)'), "x")
        world.open("wide")
        self.assertEqual(box.guest('end("wide")'), "EOF")


class Limits(NetworkTest):
    def test_connections(self):
        self.restrict(connections=3)
        self.assertEqual(sorted(box.guest('at_once(5, "echo.example.com", 7)')), ["ECONNRESET"] * 2 + ["x"] * 3)
        self.assertEqual(len(world.connections()), 3)
        self.assertEqual(box.guest('exchange("echo.example.com", 7)'), "x")

    def test_traffic(self):
        """Then nothing passes until a new policy."""
        before = self.total()
        self.restrict("www.example.com:19", traffic=before + 1_000_000)
        box.guest('begin("all", "www.example.com", 19)')
        self.assert_refused(box.guest('end("all")'))
        self.assertEqual(self.total(), before + 1_000_000)
        box.wait_for_state("closed")
        self.assertIn("traffic", box.network()["reason"])
        world.forget()
        self.assertNotEqual(box.guest('exchange("www.example.com", 19)'), "x")
        world.assert_untouched()
        self.restrict()
        self.assertEqual(box.guest('exchange("echo.example.com", 7)'), "x")
        self.assertEqual(box.network()["state"], "on")

    def total(self):
        figures = box.traffic()
        return figures["bytes-up"] + figures["bytes-down"]

    def test_bandwidth(self):
        """By its order only: the machine may be busy."""
        self.restrict(bandwidth=1_000_000)
        begin = time.monotonic()
        box.guest('begin_get("slow", "www.example.com", "/bytes/2000000")')
        self.assertEqual(box.guest('end("slow")'), "EOF")
        self.assertGreater(time.monotonic() - begin, 1.5)
        self.assertLess(time.monotonic() - begin, 10)


class Reports(NetworkTest):
    def test_traffic(self):
        """Exactly what a program has sent and received."""
        self.restrict()
        before = box.traffic()
        self.assertEqual(len(box.guest('exchange("echo.example.com", 7, bytes(50000), 50000)')), 50000)
        self.assert_refused(box.guest('exchange("www.example.com", 9)'))
        box.guest('lookup("evil.example.com")')
        wait_until(lambda: box.traffic()["open"] == 0, 10, "the end of all connections")
        after = box.traffic()
        grown = {key: after[key] - before[key] for key in after}
        self.assertEqual({key: grown[key] for key in ("bytes-up", "bytes-down", "connections", "failed", "requests")},
                         {"bytes-up": 50000, "bytes-down": 50000, "connections": 1, "failed": 0, "requests": 0})
        self.assertEqual(grown["refused"], 2)
        self.assertGreaterEqual(grown["lookups"], 2)

    def test_watch(self):
        self.restrict()
        watch = box.watch()
        self.addCleanup(watch.close)
        box.guest('exchange("echo.example.com", 7, b"12345", 5)')
        begun = watch.next("open", host="echo.example.com")
        self.assertEqual({key: begun[key] for key in ("port", "address", "protocol")},
                         {"port": 7, "address": "93.184.216.201", "protocol": "tcp"})
        self.assertIn("echo.example.com:7", begun["rule"])
        ended = watch.next("close", host="echo.example.com")
        self.assertEqual((ended["bytes_up"], ended["bytes_down"]), (5, 5))
        self.assertLess(abs(ended["time"] / 1e6 - time.time()), 60)
        box.guest('exchange("www.example.com", 9)')
        refused = watch.next("refused", host="www.example.com", port=9)
        self.assertTrue(refused["reason"])
        box.guest('fetch("http://www.example.com/hello")')
        self.assertEqual((found := watch.next("request"))["method"] + found["path"], "GET/hello")
        box.set_network("off")
        with self.assertRaises(EOFError):
            watch.next("never")

    def test_journal(self):
        """One line for each end and each refusal. The other tests' sandbox may have exceeded what the journal gets in a minute."""
        other.set_network("restricted", allow=ALLOW)
        other.guest('exchange("echo.example.com", 7, b"123", 3)')
        other.guest('exchange("www.example.com", 9)')
        other.guest('greet("www.example.com", 443, hello("evil.example.com"))')
        entries = wait_until(lambda: self.entries(3), 20, "three lines of the journal")
        by_port = {entry["PORT"]: entry for entry in entries}
        for entry in entries:
            self.assertEqual((entry["SANDBOX_ID"], entry["OWNER_UID"]), (other.id, str(b.user.pw_uid)))
            self.assertTrue(entry["MESSAGE_ID"])
        self.assertEqual({key: by_port["7"][key] for key in ("HOST", "ADDRESS", "VERDICT", "BYTES_UP", "BYTES_DOWN")}, {
            "HOST": "echo.example.com", "ADDRESS": "93.184.216.201", "VERDICT": "allowed", "BYTES_UP": "3", "BYTES_DOWN": "3"})
        self.assertIn("echo.example.com:7", by_port["7"]["RULE"])
        self.assertGreater(int(by_port["7"]["DURATION_USEC"]), 0)
        self.assertEqual((by_port["9"]["VERDICT"], by_port["443"]["VERDICT"]), ("refused", "refused"))
        self.assertEqual(by_port["443"]["SNI"], "evil.example.com")

    def entries(self, count):
        """The last lines about connections of the sandbox, if there are so many with these ports."""
        found = [e for e in service.journal(f"SANDBOX_ID={other.id}", "SYSLOG_IDENTIFIER=cloche-egress", since="-30s") if "PORT" in e]
        return found[-count:] if {"7", "9", "443"} <= {entry["PORT"] for entry in found[-count:]} else None


class Permission(NetworkTest):
    def failure(self, function, *arguments, **keywords):
        try:
            function(*arguments, **keywords)
        except Failure as failure:
            return failure.name
        return None

    def test_rules(self):
        """An administrator's rule about the mode refuses one user."""
        RULES.write_text(RULE % USERS[1])
        wait_until(lambda: self.failure(other.set_network, "internet") == "NotPermitted", 20, "polkit's new rule")
        self.assertEqual(other.network()["mode"], "restricted")
        self.assertEqual(self.failure(create, b, "internet"), "NotPermitted")
        self.assertIsNone(self.failure(other.set_network, "restricted", allow=ALLOW))
        self.assertIsNone(self.failure(box.set_network, "internet"))
        RULES.unlink()

    def test_private(self):
        """An administrator must permit it; nobody is asked here."""
        box.set_network("internet")
        self.assertEqual(self.failure(box.set_network, "restricted", allow=["10.0.0.0/8"], private=True), "NotPermitted")
        self.assertEqual(box.network()["mode"], "internet")
        self.restrict("10.0.0.0/8", "10.9.9.9:7/tcp")  # without private, it permits nothing
        self.assert_refused(box.guest('exchange("10.9.9.9", 7)'))
        world.assert_untouched()

    def test_private_is_permitted(self):
        """By a rule of polkit's for these addresses, and by a drop-in of the unit's. Other private addresses remain unreachable."""
        allow = ["10.9.9.0/24:7/tcp", "169.254.169.254/32:7/tcp", "private.example.com:7"]
        world.name("private.example.com", "10.9.9.8")
        world.name("foreign.example.com", "10.9.9.8")
        self.permit_private(" ".join(allow))
        wait_until(lambda: self.failure(box.set_network, "restricted", allow=allow, private=True) is None, 20, "polkit's new rule")
        self.assertTrue(box.network()["private"])
        wait_until(lambda: box.guest('exchange("10.9.9.9", 7)') == "x", 30, "a connection")
        self.assertEqual(box.guest('exchange("private.example.com", 7)'), "x")
        world.forget()
        for host, port in (("10.9.9.9", 9), ("10.9.8.9", 7), ("169.254.169.254", 7), (GATEWAY4, 7), (NEIGHBOUR4, 7)):
            self.assert_refused(box.guest(f'exchange("{host}", {port})'), host, port)
        self.assertEqual(box.guest('exchange("foreign.example.com", 7)'), "NONAME")
        self.assert_no_connection()
        self.assertEqual(self.failure(box.set_network, "restricted", allow=["10.0.0.0/8"], private=True), "NotPermitted")

    def permit_private(self, targets):
        RULES.write_text(RULE_PRIVATE % (USERS[0], targets))
        self.addCleanup(RULES.unlink)
        DROP_IN.parent.mkdir(parents=True, exist_ok=True)
        DROP_IN.write_text("[Service]\nIPAddressAllow=10.9.9.0/24\n")
        self.addCleanup(lambda: (DROP_IN.unlink(), systemctl("daemon-reload")))
        systemctl("daemon-reload")  # which applies it to the running service

    def test_other_users(self):
        """They see nothing of the network, and cannot change it."""
        self.restrict()
        calls = (("SetNetwork", "(a{sv})", {}), ("GetTraffic", "()"), ("WatchConnections", "(a{sv})", {}))
        for method, signature, *values in calls:
            with self.assertRaises(Failure) as caught:
                network.call(b, box.path, SANDBOX, method, signature, *values)
            self.assertEqual(caught.exception.name, "NoSuchSandbox", method)
        self.assertEqual(box.network()["mode"], "restricted")

    def test_watch_is_of_one_sandbox(self):
        self.restrict()
        watch = other.watch()
        self.addCleanup(watch.close)
        box.guest('exchange("echo.example.com", 7)')
        other.guest(f'exchange("{PUBLIC}", 7)')
        self.assertEqual(watch.next()["host"], PUBLIC)


if __name__ == "__main__":
    tap.main()
