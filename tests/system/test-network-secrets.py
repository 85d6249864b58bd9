# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-network-secrets: secrets reach their hosts, and nothing else: no guest, no log, no other host.

Run by in-service.sh, with a World as everything outside. All tests share one sandbox.
"""
import pathlib
import re
import subprocess
import unittest

from cloche_tests import network, tap
from cloche_tests.network import REFUSED, create
from cloche_tests.service import USERS, Failure, SystemService, output, wait_until
from cloche_tests.world import World, digest

MARK = b"-7Q4xw9-of-this-test"
VALUES = [word + MARK.decode() for word in ("xylographer", "quadrireme", "zymurgist")]
BEARER, TOKEN, KEY = VALUES
BAD = ("expired", "wrong-name", "self-signed", "unknown-authority")
HOSTS = ["api.example.com", "token.example.com", "limited.example.com", *(f"{kind}.bad.example.com" for kind in BAD)]
ALLOW = [*HOSTS, "www.example.com", "inspected.example.com:443/inspect"]
STORE = pathlib.Path("/run/cloche-egress")


def secrets(has_values=True):
    """The secrets of the sandbox: a header, a placeholder, one of some requests, and some for hosts that are not who they say."""
    found = [{"host": "api.example.com", "header": "Authorization", "format": "Bearer %s", "value": BEARER},
             {"host": "token.example.com", "header": "X-Token", "name": "TOKEN", "value": TOKEN},
             {"host": "limited.example.com", "header": "X-Key", "value": KEY, "methods": ["GET"], "paths": ["/hello", "/kept/"]}]
    found += [{"host": host, "header": "Authorization", "value": BEARER} for host in HOSTS[3:]]
    return [{key: value.encode() if key == "value" else value for key, value in each.items() if has_values or key != "value"}
            for each in found]


def setUpModule():
    global world, service, a, box
    world = World().start()
    unittest.addModuleCleanup(world.close)
    for host in (*HOSTS, "inspected.example.com"):
        world.name(host, "93.184.216.220")
    for kind in BAD:
        world.certificate(f"{kind}.bad.example.com", kind)
    service = SystemService()
    a = service.client(USERS[0])
    box = create(a, "restricted", allow=ALLOW, secrets=secrets())
    unittest.addModuleCleanup(end)
    box.trust(world.authority)


def end():
    if box.id in [sandbox.id for sandbox in a.sandboxes()]:
        box.kill()


def request(host, path="/hello", method="GET", *lines, body="", connection="close"):
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", f"Connection: {connection}", *lines, "", body])


def field(entry, name):
    """Returns all values of a field in the head of a recorded request."""
    return re.findall(rf"^{name}: *([^\r\n]*)", entry["head"], re.IGNORECASE | re.MULTILINE)


def has_in_memory(pid):
    """Whether the end of all values is somewhere in the memory of a process."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            span, permissions = line.split()[:2]
            if permissions[0] == "r" and "[v" not in line and is_between(memory, *(int(part, 16) for part in span.split("-"))):
                return True
    return False


def is_between(memory, begin, end, size=16 << 20):
    rest = b""
    for at in range(begin, end, size):
        try:
            memory.seek(at)
            block = rest + memory.read(min(size, end - at))
        except OSError:
            return False
        if MARK in block:
            return True
        rest = block[-len(MARK):]
    return False


class SecretsTest(unittest.TestCase):
    def setUp(self):
        world.forget()

    def assert_sent_nothing_else(self):
        """The values were in no request that a host got, but in the header of its own secret."""
        for entry in world.requests():
            own = {"api.example.com": "authorization", "token.example.com": "x-token", "limited.example.com": "x-key"}.get(entry["host"])
            for line in entry["head"].splitlines():
                if any(value in line for value in VALUES):
                    self.assertEqual(line.partition(":")[0].lower(), own, entry)
            for value in VALUES:
                self.assertNotIn(value, entry["body"])
            self.assertTrue(entry["is_tls"] or not any(value in entry["head"] for value in VALUES), entry)
        for connection in world.connections(is_tls=False):
            for value in VALUES:
                self.assertNotIn(value, connection["begin"])


class Injected(SecretsTest):
    def tearDown(self):
        self.assert_sent_nothing_else()

    def test_header(self):
        """By a program that knows nothing of it."""
        self.assertEqual(box.guest('fetch("https://api.example.com/hello")'), "hello\n")
        self.assertEqual(box.sh("curl -sS https://api.example.com/hello; wget -qO- https://api.example.com/hello"), "hello\n" * 2)
        found = world.requests(host="api.example.com")
        self.assertEqual([field(entry, "authorization") for entry in found], [[f"Bearer {BEARER}"]] * 3)

    def test_own_header_is_replaced(self):
        for header in ("Authorization", "AUTHORIZATION", "authorization"):
            box.guest(f'fetch("https://api.example.com/hello", **{{{header!r}: "mine"}})')
        answer = box.guest(f'tls("api.example.com", {request("api.example.com", "/hello", "GET", "Authorization: one", "aUTHORIZATION: two")!r})')
        self.assertTrue(answer.endswith("hello\n"), answer)
        self.assertEqual({tuple(field(entry, "authorization")) for entry in world.requests()}, {(f"Bearer {BEARER}",)})

    def test_other_hosts(self):
        """Neither the header nor an authority of the host's."""
        self.assertEqual(box.guest('fetch("https://www.example.com/hello")'), "hello\n")
        self.assertEqual(box.guest('issuer("www.example.com")'), "The authority of a test")
        self.assertNotEqual(box.guest('issuer("api.example.com")'), "The authority of a test")
        self.assertEqual(field(world.requests(host="www.example.com")[0], "authorization"), [])

    def test_without_tls(self):
        self.assertEqual(box.guest('fetch("http://api.example.com/hello")'), "hello\n")
        self.assertEqual(field(world.requests()[0], "authorization"), [])

    def test_redirect(self):
        """The guest's program follows it, and the header stays behind."""
        self.assertEqual(box.guest('fetch("https://api.example.com/redirect?https://www.example.com/hello")'), "hello\n")
        first, second = world.requests()
        self.assertEqual((field(first, "authorization"), second["host"], field(second, "authorization")),
                         ([f"Bearer {BEARER}"], "www.example.com", []))

    def test_bodies(self):
        """Large ones in both directions pass unchanged."""
        size = 1_500_000
        self.assertEqual(box.sh(f"curl -sS https://api.example.com/bytes/{size} | sha256sum; curl -sS https://api.example.com/chunked/{size} | sha256sum"
                                ).split()[::2], [digest(size)] * 2)
        sums = box.sh("head -c 300000 /dev/urandom >sent; sha256sum sent; curl -sS -T sent https://api.example.com/upload; "
                      "curl -sS -T - https://api.example.com/upload <sent").split()
        self.assertEqual(sums[2:], ["300000", sums[0], "300000", sums[0]])

    def test_forms_of_the_name(self):
        self.assertEqual(box.guest('fetch("https://API.Example.com/hello")'), "hello\n")
        self.assertEqual(field(world.requests()[0], "authorization"), [f"Bearer {BEARER}"])


class Placeholders(SecretsTest):
    def tearDown(self):
        self.assert_sent_nothing_else()

    def test_replaced(self):
        self.assertEqual(box.guest('fetch("https://token.example.com/hello", **{"X-Token": "id=${secret.TOKEN};v=1"})'), "hello\n")
        self.assertEqual(field(world.requests()[0], "x-token"), [f"id={TOKEN};v=1"])

    def test_at_another_host(self):
        """It is refused there, and not sent."""
        for host in ("api.example.com", "inspected.example.com"):
            self.assertRegex(box.guest(f'fetch("https://{host}/hello", **{{"X-Token": "${{secret.TOKEN}}"}})'), "^4", host)
        self.assertEqual(world.requests(), [])

    def test_in_a_body_or_path(self):
        """It is only text there."""
        box.guest(f'tls("token.example.com", {request("token.example.com", "/${secret.TOKEN}", "POST", "Content-Length: 16", body="${secret.TOKEN}x")!r})')
        sent, = world.requests()
        self.assertEqual((sent["head"].split("\r\n")[0], sent["body"]), ("POST /${secret.TOKEN} HTTP/1.1", "${secret.TOKEN}x"))


class Narrowed(SecretsTest):
    def tearDown(self):
        self.assert_sent_nothing_else()

    def test_methods_and_paths(self):
        wanted = {("GET", "/hello"): True, ("GET", "/kept/3"): True, ("POST", "/hello"): False, ("GET", "/status/204"): False,
                  ("GET", "/kept/../status/204"): False, ("GET", "/%68ello"): False,
                  ("GET", "//hello"): False, ("HEAD", "/hello"): False}
        for method, path in wanted:
            box.guest(f'tls("limited.example.com", {request("limited.example.com", path, method)!r})')
        got = {(entry["method"], entry["head"].split()[1]): field(entry, "x-key") for entry in world.requests()}
        for key, has_secret in wanted.items():
            self.assertIn(got.get(key, []), [[KEY]] if has_secret else [[]], key)


class Refused(SecretsTest):
    def tearDown(self):
        self.assert_sent_nothing_else()

    def test_wrong_certificates(self):
        """Servers that cannot prove their name get no request."""
        for kind in BAD:
            answer = box.guest(f'fetch("https://{kind}.bad.example.com/hello")')
            self.assertNotEqual(answer, "hello\n", kind)
        self.assertEqual(world.requests(), [])

    def test_smuggling(self):
        """Requests that a server might read otherwise than the host."""
        host = "api.example.com"
        def raw(first, *lines, body=""):
            return "\r\n".join([first, *lines, "", body])
        own = f"Host: {host}"
        attacks = {
            "other host": request("evil.example.com"),
            "two hosts": raw("GET /hello HTTP/1.1", own, "Host: evil.example.com"),
            "absolute": raw("GET https://evil.example.com/hello HTTP/1.1", own),
            "connect": raw("CONNECT evil.example.com:443 HTTP/1.1", own),
            "no host": raw("GET /hello HTTP/1.1"),
            "old": raw("GET /hello HTTP/1.0", own),
            "length and chunks": raw("POST /hello HTTP/1.1", own, "Content-Length: 4", "Transfer-Encoding: chunked", body="0\r\n\r\n"),
            "two lengths": raw("POST /hello HTTP/1.1", own, "Content-Length: 5", "Content-Length: 6", body="hello"),
            "list of lengths": raw("POST /hello HTTP/1.1", own, "Content-Length: 5, 5", body="hello"),
            "obscure chunks": raw("POST /hello HTTP/1.1", own, "Transfer-Encoding: xchunked", body="0\r\n\r\n"),
            "chunks twice": raw("POST /hello HTTP/1.1", own, "Transfer-Encoding: chunked, chunked", body="0\r\n\r\n"),
            "space": raw("GET /hello HTTP/1.1", f"Host : {host}"),
            "folding": raw("GET /hello HTTP/1.1", own, "X-A: b", " c: d"),
            "line feeds": f"GET /hello HTTP/1.1\n{own}\n\n",
            "return": raw("GET /hello HTTP/1.1", own, "X-A: b\rX-C: d"),
            "zero": raw("GET /hello HTTP/1.1", own, "X-A: b\0c"),
            "spaces": raw("GET  /hello  HTTP/1.1", own),
            "long": raw("GET /" + "a" * 40000 + " HTTP/1.1", own)}
        for what, sent in attacks.items():
            answer = box.guest(f'tls("{host}", {sent!r})')
            self.assertTrue(re.match(r"HTTP/1\.1 4\d\d ", answer) or answer in ("", *REFUSED), (what, answer[:100]))
        self.assertEqual(world.requests(), [])

    def test_second_request(self):
        """Of one connection: the same host is served in order, another one is not."""
        good, evil = request("api.example.com", "/count", connection="keep-alive"), request("evil.example.com", "/count")
        answer = box.guest(f'tls("api.example.com", {good + good + evil!r})')
        self.assertEqual([answer.count(f"\r\n\r\n{n}\n") for n in (1, 2, 3)], [1, 1, 0])
        self.assertEqual([entry["host"] for entry in world.requests()], ["api.example.com"] * 2)

    def test_other_name_in_tls(self):
        self.assertNotEqual(box.guest('greet("api.example.com", 443, hello("www.example.com"))'), "server")
        self.assertNotEqual(box.guest('greet("www.example.com", 443, hello("api.example.com"))'), "server")
        self.assertEqual(world.connections(), [])

    def test_bad_chunk(self):
        """Found after the head was sent: both connections end."""
        box.guest(f'tls("api.example.com", {request("api.example.com", "/upload", "POST", "Transfer-Encoding: chunked", body="5;a=b" + chr(13) + chr(10))!r})')
        wait_until(lambda: all(c["state"] != "open" for c in world.connections()), 20, "the end of the server's connection")
        for entry in world.requests():
            self.assertEqual(entry["digest"], "")

    def test_invalid(self):
        """Errors say nothing of the value."""
        value = b"umquatsch\nX-Evil: 1"
        for bad in ({"header": "Host"}, {"header": "Content-Length"}, {"header": "X A"}, {"header": "X-A", "format": "%s%s"},
                    {"header": "X-A", "value": value}, {"header": "X-A", "value": b"x" * 8193}, {"header": "X-A", "value": None}):
            one = {"host": "www.example.com", "value": b"umquatsch", **bad}
            with self.assertRaises(Failure, msg=str(bad)) as caught:
                box.set_network("restricted", allow=["www.example.com"], secrets=[one])
            self.assertEqual(caught.exception.name, "InvalidArgument", bad)
            self.assertNotIn("umquatsch", str(caught.exception))
        self.assertEqual(box.network()["allow"], ALLOW)


class Hidden(SecretsTest):
    def test_0_nothing_has_it(self):
        """Neither the guest's memory, nor cloched, libvirtd, the bus, files or the journal. Runs before the tests that let a
        server return it."""
        self.assertEqual(box.guest('fetch("https://api.example.com/hello")'), "hello\n")
        names = {service.pid: "cloched", service.qemus()[box.id]: "the guest"}
        names |= {network.main_pid(unit): unit for unit in ("libvirtd.service", "dbus.service", "cloche-vm.service") if network.main_pid(unit)}
        self.assertEqual([name for pid, name in names.items() if has_in_memory(pid)], [])
        self.assertNotIn(BEARER, output("journalctl", "-q", "--all", "-o", "export"))
        for folder in ("/var/lib/cloche/sandboxes", "/var/lib/cloche/machines", "/run/cloche", "/run/cloche-vm", "/etc/cloche"):
            self.assertEqual(output("grep", "-rlaF", "-D", "skip", "--exclude-dir=ram", "-e", BEARER, "-e", TOKEN, "-e", KEY, folder, check=False), "")

    def test_property(self):
        """It has hosts and headers, and no values."""
        shown = box.network()["secrets"]
        self.assertEqual([(each["host"], each["header"]) for each in shown][:3],
                         [("api.example.com", "Authorization"), ("token.example.com", "X-Token"), ("limited.example.com", "X-Key")])
        self.assertFalse([value for value in VALUES if value in str(shown)])

    def test_files(self):
        """The values for restarts are only for cloche-egress, and on no disk."""
        self.assertEqual(output("stat", "--file-system", "--format=%T", STORE).strip(), "tmpfs")
        files = [path for path in STORE.rglob("*") if path.is_file()]
        self.assertTrue(any(BEARER.encode() in path.read_bytes() for path in files))
        owner = int(output("id", "-u", "cloche-egress"))
        for path in files:
            self.assertEqual((path.stat().st_mode & 0o777, path.stat().st_uid), (0o600, owner), path)
        self.assertEqual(STORE.stat().st_mode & 0o777, 0o700)
        for user in ("cloche", *USERS):
            self.assertNotEqual(subprocess.run(["runuser", "-u", user, "--", "ls", STORE], capture_output=True, check=False).returncode, 0)

    def test_echo(self):
        """A server that returns what it gets: the answer is broken off before the value."""
        answer = box.guest('fetch("https://api.example.com/echo")')
        self.assertFalse([value for value in VALUES if value in answer], answer[:500])
        answer = box.guest(f'tls("api.example.com", {request("api.example.com", "/echo")!r})')
        self.assertFalse([value for value in VALUES if value in answer], answer[:500])
        self.assertEqual(box.guest('fetch("https://api.example.com/hello")'), "hello\n")

    def test_kept_values(self):
        """A policy without values keeps them, and one with another value uses that."""
        box.set_network("restricted", allow=ALLOW, secrets=secrets(has_values=False))
        box.guest('fetch("https://api.example.com/hello")')
        other = secrets()
        other[0]["value"] = b"another-value"
        box.set_network("restricted", allow=ALLOW, secrets=other)
        box.guest('fetch("https://api.example.com/hello")')
        self.assertEqual([field(entry, "authorization") for entry in world.requests()], [[f"Bearer {BEARER}"], ["Bearer another-value"]])
        box.set_network("restricted", allow=ALLOW, secrets=secrets())

    def test_environment(self):
        """Programs with bundles of their own are told of the authority, unless the caller has said otherwise."""
        names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CARGO_HTTP_CAINFO", "AWS_CA_BUNDLE")
        shown = dict(line.split("=", 1) for line in box.sh("env").splitlines() if "=" in line)
        self.assertEqual({shown.get(name) for name in names}, {network.BUNDLE})
        self.assertEqual(box.sh("python3 -c 'import requests; print(requests.get(\"https://api.example.com/hello\").text)'"), "hello\n\n")


class Withdrawn(SecretsTest):
    """The last test."""

    def test_end(self):
        """The values end with the sandbox, and the authority with the secrets."""
        box.set_network("restricted", allow=ALLOW)
        self.assertNotEqual(box.guest('fetch("https://inspected.example.com/hello")'), "")
        box.kill()
        wait_until(lambda: not any(BEARER.encode() in path.read_bytes() for path in STORE.rglob("*") if path.is_file()), 20,
                   "the end of the values")


if __name__ == "__main__":
    tap.main()
