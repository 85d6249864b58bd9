# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-world: the world of cloche_tests, as programs on its host see it.

Run in network and mount namespaces of its own.
"""
import os
import pathlib
import select
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import unittest

from cloche_tests import tap
from cloche_tests.world import GATEWAY4, HOST4, NEIGHBOUR4, NEIGHBOUR6, ON_LINK4, World, client, digest, link, packages, tcp

MEMBERS = "93.184.216.40", "2606:2800:220::40"


def setUpModule():
    global world, home
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cloche-world-test-"))
    unittest.addModuleCleanup(shutil.rmtree, folder)
    home = folder / "home"
    home.mkdir()
    client.use_copies(folder)
    unittest.addModuleCleanup(client.stop_using_copies)
    world = World().start()
    unittest.addModuleCleanup(lambda: world.close())


def run(*argv, folder=None, status=0, **environment):
    """Runs a program without configuration of the machine; returns its output."""
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(home), "LC_ALL": "C.UTF-8",
                   **environment}
    done = subprocess.run(argv, cwd=folder or home, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                          timeout=100, check=False)
    if done.returncode != status:
        raise AssertionError(f"{argv}: status {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def curl(*arguments, status=0):
    return run("curl", "-sS", "--globoff", "--max-time", "20", *arguments, status=status)


def connect(address, port=80, timeout=10):
    return socket.create_connection((address, port), timeout=timeout)


def read_all(connection):
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


class Test(unittest.TestCase):
    def setUp(self):
        world.forget()


# --- addresses ---

class Addresses(Test):
    def test_every_address_answers(self):
        for address in (*MEMBERS, "10.9.9.9", "192.168.7.7", "172.16.0.1", "100.64.1.1", "169.254.169.254", "fd00::9", "64:ff9b::a09:909",
                        "2002:a09:909::1", "fd00:ec2::254", NEIGHBOUR4, NEIGHBOUR6, "198.18.0.1", "192.0.2.2"):
            with connect(address, 7) as connection:
                connection.sendall(address.encode())
                self.assertEqual(connection.recv(100).decode(), address)
            entry, = world.wait("connections", to=address, port=7, state="closed")
            self.assertEqual((entry["begin"], entry["received"], entry["place"]), (address, len(address), "world"))
            self.assertEqual([packet["protocol"] for packet in world.packets(to=address)], ["tcp"])

    def test_mapped_address(self):
        with socket.socket(socket.AF_INET6) as connection:
            connection.connect(("::ffff:10.9.9.9", 7))
        world.wait("connections", to="10.9.9.9")

    def test_host_addresses(self):
        """The host's own listeners are distinct from the world's, and packets to them do not reach the world."""
        for address in ("127.0.0.1", "::1", HOST4, ON_LINK4):
            with connect(address, 7777) as connection:
                connection.sendall(b"x")
                self.assertEqual(connection.recv(1), b"x")
            world.wait("connections", place="host", to=address, received=1)
            self.assertEqual(curl(f"http://[{address}]/hello" if ":" in address else f"http://{address}/hello"), "hello\n")
        self.assertEqual(world.packets(), [])
        with self.assertRaisesRegex(AssertionError, "host"):
            world.assert_untouched()

    def test_refused_and_unreachable(self):
        for address in (*MEMBERS, "10.9.9.9"):
            self.assertRaises(ConnectionRefusedError, connect, address, 81)
        for address in (link.UNREACHABLE4, link.UNREACHABLE6):
            self.assertRaisesRegex(OSError, "No route to host|Network is unreachable", connect, address)

    def test_silence(self):
        for address, port in ((link.SILENT4, 80), (link.SILENT6, 80), (MEMBERS[0], 99)):
            self.assertRaises(TimeoutError, connect, address, port, 0.3)
            self.assertEqual(world.packets(to=address)[0]["port"], port)

    def test_other_packets_are_seen(self):
        world.assert_untouched()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.sendto(b"x", ("1.2.3.4", 443))
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as datagrams:
            datagrams.sendto(b"x", ("2606:4700::1", 123))
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, 132) as raw:
            raw.sendto(struct.pack("!HHII", 1, 9, 0, 0), ("1.2.3.5", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, 4) as raw:
            raw.sendto(b"x" * 40, ("1.2.3.6", 0))
        found = world.wait("packets", 4, 10)
        self.assertEqual([(p["protocol"], p["to"], p["port"]) for p in found],
                         [("udp", "1.2.3.4", 443), ("udp", "2606:4700::1", 123), ("sctp", "1.2.3.5", 9), ("4", "1.2.3.6", 0)])
        self.assertRaises(AssertionError, world.assert_untouched)
        world.forget()
        world.assert_untouched()


# --- names ---

def ask(name, kind="A", server=GATEWAY4, transport="udp", size=0):
    """Returns (code, is truncated, records): addresses as text, other records as their type's number."""
    number = {"A": 1, "TXT": 16, "AAAA": 28}[kind]
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    options = b"\0" + struct.pack("!HHIH", 41, size, 0, 0) if size else b""
    message = struct.pack("!HHHHHH", 0x1234, 0x100, 1, 0, 0, 1 if size else 0) + labels + struct.pack("!HH", number, 1) + options
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM) as channel:
        channel.settimeout(0.5)
        channel.connect((server, 53))
        if transport == "tcp":
            channel.sendall(struct.pack("!H", len(message)) + message)
            channel.recv(2, socket.MSG_WAITALL)
        else:
            channel.send(message)
        return decode(channel.recv(65535))


def decode(answer):
    _, flags, _, count = struct.unpack_from("!HHHH", answer)
    at, found = skip_name(answer, 12) + 4, []
    for _ in range(count):
        at = skip_name(answer, at)
        number, _, _, size = struct.unpack_from("!HHIH", answer, at)
        data = answer[at + 10:at + 10 + size]
        found.append(socket.inet_ntop({1: socket.AF_INET, 28: socket.AF_INET6}[number], data) if number in (1, 28) else number)
        at += 10 + size
    return flags & 15, bool(flags & 0x200), found


def skip_name(message, at):
    while message[at]:
        at += 1 + message[at]
    return at + 1


class Names(Test):
    def test_addresses(self):
        world.name("a.example.org", *MEMBERS, "1.1.1.1")
        for transport in ("udp", "tcp"):
            self.assertEqual(ask("a.example.org", "A", transport=transport), (0, False, [MEMBERS[0], "1.1.1.1"]))
            self.assertEqual(ask("A.example.ORG", "AAAA", transport=transport), (0, False, [MEMBERS[1]]))
        self.assertEqual(ask("a.example.org", "TXT"), (0, False, []))
        self.assertEqual(ask("none.example.org"), (3, False, []))
        self.assertEqual([(q["name"], q["type"], q["transport"]) for q in world.queries()],
                         [("a.example.org", "A", "udp"), ("A.example.ORG", "AAAA", "udp"), ("a.example.org", "A", "tcp"),
                          ("A.example.ORG", "AAAA", "tcp"), ("a.example.org", "TXT", "udp"), ("none.example.org", "A", "udp")])

    def test_turns(self):
        """Questions of each type are counted on their own."""
        world.turns("turns.example.org", [MEMBERS[0]], ["10.9.9.9", "fd00::9"], {"code": "SERVFAIL"})
        self.assertEqual([ask("turns.example.org")[2] for _ in range(2)], [[MEMBERS[0]], ["10.9.9.9"]])
        self.assertEqual([ask("turns.example.org")[0] for _ in range(2)], [2, 2])
        self.assertEqual([ask("turns.example.org", "AAAA")[2] for _ in range(2)], [[], ["fd00::9"]])
        world.turns("turns.example.org")
        self.assertEqual(ask("turns.example.org")[0], 3)

    def test_aliases(self):
        world.name("b.example.org", "10.9.9.9")
        world.name("alias.example.org", cname="b.example.org")
        world.name("dangling.example.org", cname="nowhere.example.org")
        world.name("loop.example.org", cname="loop.example.org")
        world.name("*.wild.example.org", MEMBERS[0])
        self.assertEqual(ask("alias.example.org"), (0, False, [5, "10.9.9.9"]))
        self.assertEqual(ask("dangling.example.org"), (3, False, [5]))
        self.assertEqual(ask("loop.example.org"), (0, False, [5] * 8))
        for name in ("x.wild.example.org", "y.x.wild.example.org"):
            self.assertEqual(ask(name), (0, False, [MEMBERS[0]]))
        self.assertEqual(ask("wild.example.org")[0], 3)

    def test_failures(self):
        for code, number in (("SERVFAIL", 2), ("REFUSED", 5), ("NXDOMAIN", 3)):
            world.name("failure.example.org", code=code)
            self.assertEqual(ask("failure.example.org"), (number, False, []))
        world.name("silent.example.org", silent=True)
        self.assertRaises(TimeoutError, ask, "silent.example.org")
        self.assertEqual(len(world.queries(name="silent.example.org")), 1)

    def test_large_answers(self):
        many = [f"10.0.{i // 256}.{i % 256}" for i in range(400)]
        world.name("many.example.org", *many)
        self.assertEqual(ask("many.example.org"), (0, True, []))
        self.assertEqual(ask("many.example.org", size=65535), (0, False, many))
        self.assertEqual(ask("many.example.org", transport="tcp"), (0, False, many))
        world.name("short.example.org", MEMBERS[0], truncated=True)
        self.assertEqual([ask("short.example.org", transport=t) for t in ("udp", "tcp")], [(0, True, []), (0, False, [MEMBERS[0]])])

    def test_gate(self):
        world.name("late.example.org", MEMBERS[0], gate="answer")
        answers = []
        thread = threading.Thread(target=lambda: answers.extend(socket.gethostbyname_ex("late.example.org")[2]))
        thread.start()
        world.wait("queries", name="late.example.org", type="A")
        self.assertEqual(answers, [])
        world.open("answer")
        thread.join()
        self.assertEqual(answers, [MEMBERS[0]])

    def test_any_server(self):
        """The answer bears the address that was asked, or connect() would drop it."""
        self.assertEqual(ask("www.example.com", server="8.8.8.8"), (0, False, ["93.184.216.30"]))
        self.assertEqual(world.queries(to="8.8.8.8")[0]["transport"], "udp")

    def test_raw_answer(self):
        world.name("raw.example.org", raw="\x81\x85" + "\0" * 8)
        with self.assertRaises((struct.error, IndexError)):
            ask("raw.example.org")


# --- services ---

class Http(Test):
    def test_bodies(self):
        for path in ("bytes", "chunked", "close"):
            for size in (0, 1, 1_000_000):
                curl("-o", "body", f"http://www.example.com/{path}/{size}")
                self.assertEqual(run("sha256sum", "body").split()[0], digest(size))

    def test_request_is_kept(self):
        request = b"GET /echo?x HTTP/1.1\r\nhOST:  www.example.com\r\nX: a\nY:b\r\nConnection: close\r\n\r\n"
        with connect(MEMBERS[0]) as connection:
            connection.sendall(request)
            self.assertEqual(read_all(connection).partition(b"\r\n\r\n")[2], request)
        entry, = world.requests(host="www.example.com")
        self.assertEqual((entry["head"].encode(), entry["to"], entry["is_tls"]), (request, MEMBERS[0], False))

    def test_uploads(self):
        (home / "upload").write_bytes(b"x" * 300_000)
        expected = f"300000 {run('sha256sum', 'upload').split()[0]}\n"
        for options in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"]):
            self.assertEqual(curl(*options, "--data-binary", "@upload", "http://www.example.com/upload"), expected)
        self.assertEqual([r["size"] for r in world.requests(path="/upload")], [300_000] * 3)
        self.assertEqual(curl("-w", "%{http_code}", "--data-binary", "@upload", "http://www.example.com/refuse-body"), "too large\n413")

    def test_one_connection(self):
        url = "http://www.example.com/count"
        self.assertEqual(curl(url, url, url), "1\n2\n3\n")
        self.assertEqual(len(world.connections(port=80)), 1)

    def test_malformed_requests(self):
        """They are recorded, and end the connection."""
        for lines in (b"Content-Length: x\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nz\r\n"):
            with connect(MEMBERS[0]) as connection:
                connection.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\n" + lines)
                self.assertTrue(read_all(connection).startswith(b"HTTP/1.1 400 "))
        self.assertEqual(len([r for r in world.requests() if "invalid literal" in r["error"]]), 2)

    def test_redirect(self):
        self.assertEqual(curl("-L", "http://www.example.com/redirect?http://api.example.com/hello"), "hello\n")
        self.assertEqual([r["host"] for r in world.requests()], ["www.example.com", "api.example.com"])

    def test_failures(self):
        curl("http://www.example.com/short/1000", status=18)
        curl("http://www.example.com/reset/1000", status=56)
        self.assertEqual(curl("-w", "%{http_code}", "http://www.example.com/status/503"), "503")

    def test_gate(self):
        with connect(MEMBERS[0]) as connection:
            connection.sendall(b"GET /gate/half/2000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            data = b""
            while len(data.partition(b"\r\n\r\n")[2]) < 1000:
                data += connection.recv(4096)
            world.open("half")
            self.assertEqual(len((data + read_all(connection)).partition(b"\r\n\r\n")[2]), 2000)

    def test_raw(self):
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\nX: a\rb\0\r\n\r\nab\xff"
        world.raw("split", answer)
        with connect(MEMBERS[0]) as connection:
            connection.sendall(b"GET /raw/split HTTP/1.1\r\n\r\n")
            self.assertEqual(read_all(connection), answer)

    def test_upgrade(self):
        with connect(MEMBERS[0]) as connection:
            connection.sendall(b"GET /upgrade HTTP/1.1\r\nHost: x\r\nUpgrade: echo\r\n\r\n")
            self.assertTrue(connection.recv(4096).startswith(b"HTTP/1.1 101 "))
            connection.sendall(b"ping")
            self.assertEqual(connection.recv(4), b"ping")


class Https(Test):
    def test_names(self):
        """Programs trust the certificate of any name without configuration."""
        world.name("*.example.org", *MEMBERS)
        for name in ("www.example.com", "never-seen.example.org"):
            self.assertEqual(curl(f"https://{name}/hello"), "hello\n")
            entry, = world.requests(host=name)
            self.assertEqual((entry["sni"], entry["is_tls"], entry["port"]), (name, True, 443))
        ssl.create_default_context(cadata=world.authority)

    def test_bad_certificates(self):
        for kind, text in (("expired", "expired"), ("wrong-name", "no alternative certificate subject name matches"),
                           ("self-signed", "self-signed certificate"), ("unknown-authority", "unable to get local issuer")):
            name = f"{kind}.example.org"
            world.name(name, *MEMBERS)
            world.certificate(name, kind)
            self.assertRegex(curl("--stderr", "-", f"https://{name}/hello", status=60), text)
            self.assertEqual(world.requests(host=name), [])
            self.assertEqual(curl("--insecure", f"https://{name}/hello"), "hello\n")

    def test_without_name(self):
        self.assertEqual(curl("--insecure", "https://93.184.216.40/hello"), "hello\n")
        self.assertIsNone(world.requests()[0]["sni"])


class Tcp(Test):
    def test_services(self):
        with connect(MEMBERS[1], 22) as connection:
            self.assertEqual(connection.recv(100), tcp.BANNER)
        with connect(MEMBERS[0], 9) as connection:
            connection.sendall(b"x" * 100_000)
        self.assertEqual(world.wait("connections", port=9, state="closed")[0]["received"], 100_000)
        with connect(MEMBERS[0], 19) as connection:
            received = 0
            while received < 10_000_000:
                received += len(connection.recv(1 << 20))
        with connect(MEMBERS[0], 96) as connection:
            self.assertEqual(connection.recv(1), b"")
        with connect(MEMBERS[0], 97) as connection:
            connection.sendall(b"x")
            self.assertRaises(ConnectionResetError, connection.recv, 1)
        with connect(MEMBERS[0], 98) as connection:
            connection.settimeout(0.2)
            self.assertRaises(TimeoutError, connection.recv, 1)

    def test_one_more_port(self):
        self.assertRaises(ConnectionRefusedError, connect, MEMBERS[0], 5432)
        world.listen(5432, "echo")
        with connect(MEMBERS[0], 5432) as connection:
            connection.sendall(b"x")
            self.assertEqual(connection.recv(1), b"x")


# --- package indexes ---

class Packages(Test):
    def folder(self):
        path = pathlib.Path(tempfile.mkdtemp(dir=home))
        path.chmod(0o755)
        return path

    def test_pip(self):
        folder = self.folder()
        run("/usr/bin/python3", "-m", "pip", "install", "--target", str(folder), packages.GREETING, PIP_CONFIG_FILE=os.devnull)
        self.assertEqual(run("/usr/bin/python3", "-c", "import world_greeting; world_greeting.main()", folder=folder), packages.TEXT + "\n")
        self.assertEqual({r["host"] for r in world.requests()}, {"pypi.org", "files.pythonhosted.org"})

    def test_npm(self):
        folder = self.folder()
        settings = {"NODE_EXTRA_CA_CERTS": str(world.authority_file), "npm_config_globalconfig": os.devnull}
        self.assertEqual(run("npm", "view", packages.GREETING, "version", **settings).strip(), packages.VERSION)
        run("npm", "install", "--no-audit", "--no-fund", packages.GREETING, folder=folder, **settings)
        self.assertEqual(run("node", "-p", f"require('{packages.GREETING}').text", folder=folder), packages.TEXT + "\n")
        self.assertEqual({r["host"] for r in world.requests()}, {"registry.npmjs.org"})

    def test_git(self):
        folder = self.folder()
        run("git", "clone", "--quiet", "https://git.example.com/hello.git", folder=folder)
        self.assertEqual((folder / "hello/README").read_text(), packages.TEXT + "\n")
        self.assertEqual(run("git", "-C", "hello", "rev-list", "--count", "HEAD", folder=folder), "2\n")

    def test_apt(self):
        folder = self.folder()
        for name in ("state/lists/partial", "cache/archives/partial", "etc"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        (folder / "sources.list").write_text("deb [trusted=yes] http://deb.debian.org/debian world main\n")
        options = [word for key, value in (
            ("Dir::Etc::SourceList", "sources.list"), ("Dir::Etc::SourceParts", "etc"), ("Dir::Etc::Parts", "etc"), ("Dir::State", "state"),
            ("Dir::State::Status", "status"), ("Dir::Cache", "cache")) for word in ("-o", f"{key}={folder}/{value}")]
        options += ["-o", "APT::Architecture=amd64", "-o", "Acquire::http::Proxy=DIRECT", "-o", "APT::Sandbox::User=root"]
        run("apt-get", "-q", *options, "update")
        run("apt-get", "-q", "-y", *options, "--download-only", "install", packages.GREETING)
        self.assertEqual(sorted(file.name for file in (folder / "cache/archives").glob("*.deb")),
                         [f"{name}_{packages.VERSION}_all.deb" for name in (packages.GREETING, packages.WORDS)])


# --- the world itself ---

class Life(Test):
    def test_close(self):
        """Everything is as before, and a new world can be made. It fails beside a way outside."""
        global world
        self.assertRaisesRegex(RuntimeError, "way outside", World().start)
        folder, pid = world.folder, world.process.pid
        world.close()
        self.assertFalse(folder.exists())
        self.assertFalse(os.path.exists(f"/proc/{pid}"))
        self.assertEqual(link.default_routes(), [])
        self.assertNotIn(GATEWAY4, pathlib.Path(client.RESOLV_CONF).read_text())
        self.assertNotIn(world.authority, pathlib.Path(client.BUNDLE).read_text())
        world = World().start()
        self.assertEqual(curl("https://www.example.com/hello"), "hello\n")

    def test_death_of_the_test(self):
        """The world ends with the process that has started it, even if that is killed."""
        global world
        world.close()
        files = {path: pathlib.Path(path).read_bytes() for path in (client.RESOLV_CONF, client.BUNDLE)}
        code = ("import sys; from cloche_tests.world import World; world = World().start(); "
                "print(world.process.pid, world.folder, flush=True); sys.stdin.read()")
        with subprocess.Popen(["/usr/bin/python3", "-B", "-c", code], env={**os.environ, "PYTHONPATH": str(client.LIBRARY)},
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            pid, folder = other.stdout.readline().split()
            descriptor = os.pidfd_open(int(pid))
            other.kill()
        self.assertEqual(select.select([descriptor], [], [], 20)[0], [descriptor])
        os.close(descriptor)
        self.assertFalse(os.path.exists(folder))
        link.separate()  # the kernel removes it later
        for path, contents in files.items():
            pathlib.Path(path).write_bytes(contents)
        world = World().start()


tap.main()
