# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-lives: processes of cloche-egress that end, guests that violate the protocol, and what remains across a restart."""
import contextlib
import errno
import os
import pathlib
import shutil
import signal
import socket
import stat
import struct
import tempfile
import time

from case import ADDRESS, NAME, PROGRAM, Case, Tls, start_world
from cloche_tests import tap
from cloche_tests.egress import (CREDIT, DATA, EOF, HELLO, INTERNET, LOOKUP, LOST, OFF, OPEN, PAYLOAD_MAX, RESET, TRAFFIC, WINDOW, Egress,
                                 Failed, Guest, Service, command, descendants, policy, string, wait_until)

setUpModule = start_world
ANY = policy(INTERNET)
SECRET = {"host": "api.example.com", "header": "Authorization", "format": "Bearer %s"}


class Violations(Case):
    """Each ends the worker, is reported with its reason, and leaves the network of another sandbox alone."""

    def violate(self, reason, act, greet=True):
        with self.subTest(reason):
            other = self.egress.guest("other", ANY)
            stream = self.assert_echo(other, NAME)
            ours, theirs = socket.socketpair()
            serial = self.egress.ask_set("violator", ANY, port=theirs)
            theirs.close()
            guest = Guest(ours, greet)
            if greet:
                self.egress.answer(serial)
            act(guest)
            if not greet:
                self.assertRaisesRegex(Failed, reason, self.egress.answer, serial)
            self.assertIn(reason, self.egress.event(LOST, "violator"))
            with contextlib.suppress(EOFError):
                while True:
                    guest.receive()
            guest.close()
            self.assertNotIn("violator", self.egress.list())
            other.send(stream, b"still")
            self.assertEqual(other.read(stream, 5), b"still")
            self.egress.remove("other")

    def test_greetings(self):
        self.violate("version", lambda guest: guest.greet(version=2), greet=False)
        self.violate("twice", lambda guest: guest.frame(HELLO, 0, struct.pack("<I", 1)))
        self.violate("HELLO is missing", lambda guest: (guest.receive_preamble(), guest.frame(LOOKUP, 1, string(NAME))), greet=False)

    def test_frames(self):
        self.violate("no frame", lambda guest: guest.raw(bytes(64)))
        self.violate("no frame", lambda guest: guest.raw(struct.pack("<IIBBxx", 0, 1, EOF, 0) + b"\xc0"))
        self.violate("no frame", lambda guest: guest.raw(struct.pack("<IIBBxx", PAYLOAD_MAX + 1, 1, DATA, 0)))
        self.violate("no frame", lambda guest: guest.raw(struct.pack("<IIBBxx", 0, 1, EOF, 1) + b"\xc1"))
        self.violate("unknown type", lambda guest: guest.frame(99, 1))
        self.violate("unknown type", lambda guest: guest.frame(16, 1, bytes(4)))

    def test_requests(self):
        for payload in (b"", string(""), string("a\0b"), string("a" * 254), string("a") + b"x", b"\xff\xff\xff\xff"):
            self.violate("malformed request", lambda guest, payload=payload: guest.frame(LOOKUP, 1, payload))
        for payload in (string("a"), string("a") + bytes(4), string("a") + struct.pack("<I", 65536), string("a") + bytes(8)):
            self.violate("malformed request", lambda guest, payload=payload: guest.frame(OPEN, 1, payload))

    def test_numbers(self):
        self.violate("twice", lambda guest: (guest.open(ADDRESS, 7), guest.frame(OPEN, 1, string(ADDRESS) + struct.pack("<I", 7))))
        self.violate("twice", lambda guest: (guest.frame(LOOKUP, 5, string("a")), guest.frame(LOOKUP, 4, string("a"))))
        self.violate("not opened", lambda guest: guest.frame(DATA, 1, b"x"))

    def test_lookups_are_no_connections(self):
        self.world.name("slow.example.com", silent=True)
        for kind, payload in ((DATA, b"x"), (EOF, b""), (CREDIT, struct.pack("<I", 1))):
            self.violate("lookup", lambda guest, kind=kind, payload=payload: (
                guest.frame(LOOKUP, 1, string("slow.example.com")), guest.frame(kind, 1, payload)))

    def test_bytes(self):
        def on_stream(*frames):
            def act(guest):
                stream = guest.open(ADDRESS, 19)
                for kind, payload in frames:
                    guest.frame(kind, stream, payload)
            return act
        self.violate("empty DATA", on_stream((DATA, b"")))
        self.violate("after EOF", on_stream((EOF, b""), (DATA, b"x")))
        self.violate("EOF twice", on_stream((EOF, b""), (EOF, b"")))
        self.violate("malformed EOF", on_stream((EOF, b"x")))
        self.violate("credit", on_stream((CREDIT, bytes(4))))
        self.violate("credit", on_stream((CREDIT, struct.pack("<I", 1))))
        self.violate("malformed CREDIT", on_stream((CREDIT, bytes(5))))
        self.violate("malformed RESET", on_stream((RESET, b"")))

    def test_window(self):
        """All of the window may be used, and not a byte more. The rules hold bytes back until the guest has greeted in TLS."""
        guest = self.guest(policy(allow=[f"{NAME}:443"]))
        stream = guest.open(NAME, 443)
        hello = b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc" + bytes(100)
        guest.send(stream, hello)
        self.assertTrue(guest.is_quiet())
        guest.reset(stream)

        def overrun(extra):
            def act(guest):
                stream = guest.open("slow.example.com", 7)
                guest.send(stream, bytes(WINDOW + extra))
            return act
        self.world.name("slow.example.com", silent=True)
        self.violate("more than its window", overrun(1))
        guest = self.egress.guest(self.sandbox, ANY)
        overrun(0)(guest)
        self.assert_echo(guest, ADDRESS)
        guest.close()

    def test_streams(self):
        """256 streams, and not one more."""
        self.world.name("slow.example.com", silent=True)

        def fill(guest):
            for _ in range(60):
                guest.last += 1
                guest.frame(LOOKUP, guest.last, string("slow.example.com"))
            for _ in range(196):
                guest.open(ADDRESS, 19)
        guest = self.guest(ANY)
        fill(guest)
        self.assertEqual(self.egress.traffic(self.sandbox)["open"], 196)
        self.violate("too many streams", lambda guest: (fill(guest), guest.open(ADDRESS, 19)))


class Ends(Case):
    def test_a_killed_worker(self):
        guest = self.guest(ANY)
        pid, = self.egress.workers()
        other = self.egress.guest("other", ANY)
        stream = self.assert_echo(other, NAME)
        os.kill(pid, signal.SIGKILL)
        self.assertIn("killed", self.egress.event(LOST, self.sandbox))
        self.assertRaises(EOFError, guest.receive)
        other.send(stream, b"still")
        self.assertEqual(other.read(stream, 5), b"still")
        self.egress.remove("other")
        other.close()

    def test_without_memory(self):
        """The kernel ends workers before all other processes."""
        self.guest(ANY)
        scores = {pid: int(pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text(encoding="ascii"))
                  for pid in (self.egress.process.pid, *descendants(self.egress.process.pid))}
        worker, = self.egress.workers()
        self.assertEqual(scores.pop(worker), 500)
        self.assertEqual(len(scores), 3)
        self.assertLess(max(scores.values()), 500)

    def test_a_crashed_worker(self):
        self.guest(ANY)
        os.kill(self.egress.workers()[0], signal.SIGUSR1)
        self.assertIn("crashed: signal 10 (USR1)", self.egress.event(LOST, self.sandbox))

    def test_a_killed_worker_that_was_asked(self):
        """A question in progress is answered before the loss is reported."""
        guest = self.guest(ANY)
        pid = self.egress.workers()[0]
        os.kill(pid, signal.SIGSTOP)
        serial = self.egress.send(5, self.sandbox)
        os.kill(pid, signal.SIGKILL)
        with self.assertRaisesRegex(Failed, "killed"):
            self.egress.answer(serial)
        self.egress.event(LOST, self.sandbox)
        guest.close()

    def test_a_worker_that_hangs_is_removed(self):
        self.guest(ANY)
        os.kill(self.egress.workers()[0], signal.SIGSTOP)
        self.egress.remove(self.sandbox)
        self.assertEqual(self.egress.workers(), [])

    def test_remove(self):
        guest = self.guest(ANY)
        self.assert_echo(guest, NAME)
        self.egress.remove(self.sandbox)
        with self.assertRaises(EOFError):
            while True:
                guest.receive()
        self.assertEqual(self.egress.list(), {})
        with self.assertRaises(Failed) as failed:
            self.egress.traffic(self.sandbox)
        self.assertEqual(failed.exception.args[0], "NoSuchSandbox")
        self.assert_echo(self.guest(ANY), NAME)

    def test_the_machine_ends(self):
        guest = self.guest(ANY)
        self.assert_echo(guest, NAME)
        guest.close()
        wait_until(lambda: self.egress.traffic(self.sandbox)["open"] == 0)
        self.assertEqual(self.egress.list(), {self.sandbox: 1})
        self.assert_echo(self.guest(ANY), NAME)

    def test_the_resolver_ends(self):
        guest = self.guest(ANY)
        self.assertEqual(guest.lookup(NAME), 0)
        child, = [pid for pid in descendants(self.egress.process.pid) if command(pid) == "egress-resolver"]
        os.kill(child, signal.SIGKILL)
        self.world.name("another.example.com", ADDRESS)
        wait_until(lambda: guest.lookup("another.example.com") == 0)

    def test_the_master_ends(self):
        """All other processes end with it, also by SIGKILL, and with the connection to cloched."""
        for end in (lambda egress: egress.process.kill(), lambda egress: egress.socket.close(),
                    lambda egress: os.kill(descendants(egress.process.pid)[0], signal.SIGKILL)):
            egress = Egress(PROGRAM)
            guest = egress.guest("one", ANY)
            stream = self.assert_echo(guest, NAME)
            pids = descendants(egress.process.pid)
            self.assertEqual(len(pids), 3)
            end(egress)
            self.assertRaises(EOFError, guest.read, stream)
            wait_until(lambda pids=pids: not any(command(pid) for pid in pids))
            egress.close()
            shutil.rmtree(egress.state)


class Users(Case):
    def test_another_user(self):
        """A child of root becomes another user, which keeps secrets in a folder that only root can make."""
        state = pathlib.Path(tempfile.mkdtemp(prefix="cloche-egress-"), "state")
        self.addCleanup(shutil.rmtree, state.parent)
        state.parent.chmod(0o711)
        egress = Egress(PROGRAM, "--user", "nobody", state=str(state))
        guest = egress.guest("one", policy(INTERNET, secrets=[SECRET]), values={0: b"value"})
        self.assert_echo(guest, NAME)
        for pid in (egress.process.pid, *descendants(egress.process.pid)):
            status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
            self.assertRegex(status, r"\nUid:\t65534\t65534\t65534\t65534\n")
            self.assertRegex(status, r"\nGroups:\t *\n")
            self.assertRegex(status, r"\nCapPrm:\t0+\n")
        self.assertEqual((stat.S_IMODE(state.stat().st_mode), state.stat().st_uid), (0o700, 65534))
        self.assertEqual(len(list((state / "secrets" / "one").iterdir())), 1)
        guest.close()
        self.assertEqual(egress.close(), 0)

    def test_no_such_user(self):
        self.assertRaises(EOFError, Egress, PROGRAM, "--user", "nobody-has-this-name", state="/nowhere")


class Restarts(Case):
    def setUp(self):
        super().setUp()
        self.service = Service(PROGRAM)
        self.addCleanup(shutil.rmtree, self.service.state)
        self.addCleanup(lambda: self.service.process.poll() is None and self.service.close())

    def test_cloched_restarts(self):
        guest = self.service.guest("one", ANY)
        stream = self.assert_echo(guest, NAME)
        self.service.socket.close()
        guest.send(stream, b"meanwhile")
        self.assertEqual(guest.read(stream, 9), b"meanwhile")
        self.service.connect()
        self.assertEqual(self.service.list(), {"one": 1})
        self.service.set("one", policy(allow=[f"{NAME}:7"]))  # the worker has the port
        guest.send(stream, b"still")
        self.assertEqual(guest.read(stream, 5), b"still")
        self.assertEqual(self.service.close(), 0)
        self.assertRaises(EOFError, guest.receive)

    def test_one_cloched_at_a_time(self):
        first = self.service.socket
        self.service.connect()
        first.settimeout(20)
        self.assertEqual(first.recv(10), b"")
        self.assertEqual(self.service.list(), {})
        first.close()

    def test_secrets_outlive_a_restart(self):
        secrets = policy(INTERNET, secrets=[SECRET])
        self.service.guest("one", secrets, values={0: b"value"}).close()
        folder = pathlib.Path(self.service.state, "secrets")
        file, = (folder / "one").iterdir()
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(folder.stat().st_mode) | stat.S_IMODE(file.parent.stat().st_mode), 0o700)
        self.assertEqual(file.read_bytes(), b"value")
        self.service.process.kill()
        self.service.process.wait()
        self.service.start(PROGRAM)
        self.assertEqual(self.service.list(), {"one": 0})
        guest = self.service.guest("one", policy(INTERNET, secrets=[{**SECRET, "host": "www.example.com"}, SECRET]), values={0: b"new"})
        answer = Tls(guest, SECRET["host"], SECRET["host"], guest.certificates).ask(
            b"GET /hello HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n", 1 << 20)
        self.assertTrue(answer.endswith(b"hello\n"))
        self.assertIn("\r\nAuthorization: Bearer value\r\n", self.world.requests(host="api.example.com")[0]["head"])
        self.assertEqual(len(list((folder / "one").iterdir())), 2)
        self.service.set("one", ANY)
        self.assertFalse((folder / "one").exists())
        guest.close()

    def test_secrets_are_removed(self):
        secrets = policy(INTERNET, secrets=[SECRET])
        self.service.guest("one", secrets, values={0: b"value"}).close()
        self.service.remove("one")
        self.assertEqual(list(pathlib.Path(self.service.state, "secrets").iterdir()), [])
        with self.assertRaisesRegex(Failed, "no value"):
            self.service.guest("one", secrets)


class Greeting(Case):
    """SET is answered when programs can connect: when the guest has greeted."""

    def setUp(self):
        super().setUp()
        self.ours, theirs = socket.socketpair()
        self.addCleanup(self.ours.close)
        self.serial = self.egress.ask_set(self.sandbox, ANY, port=theirs)
        theirs.close()

    def test_answer_follows_greeting(self):
        figures = self.egress.send(TRAFFIC, self.sandbox)
        self.egress.answer(figures)  # comes before that of SET
        Guest(self.ours)
        self.egress.answer(self.serial)

    def test_silent_guest(self):
        begin = time.monotonic()
        self.egress.answer(self.serial)
        self.assertGreaterEqual(time.monotonic() - begin, 2.9)

    def test_next_set_does_not_wait(self):
        later = self.egress.ask_set(self.sandbox, policy(OFF))
        self.egress.answer(self.serial)
        Guest(self.ours)
        self.egress.answer(later)

    def test_port_ends(self):
        self.ours.close()
        self.egress.answer(self.serial)


class Secrets(Case):
    def set_value(self, value):
        return self.guest(policy(INTERNET, secrets=[SECRET]), values={0: value})

    def refuse(self, value, why):
        with self.subTest(why):
            with self.assertRaises(Failed) as failed:
                self.set_value(value)
            self.assertEqual(failed.exception.args[0], "InvalidArgument")
            self.assertIn(why, failed.exception.args[1])
            self.egress.remove(self.sandbox)

    def test_values(self):
        for value in (b"x", b"x\n", b"x\r\n", b"x" * 8192, b"x" * 8192 + b"\n"):
            self.assertTrue(self.set_value(value).certificates.startswith(b"-----BEGIN CERTIFICATE-----"))
        self.refuse(b"", "empty")
        self.refuse(b"\n", "empty")
        self.refuse(b"x" * 8193, "longer than 8192")
        for value in (b"x\0", b"x\n\n", b"\rx", b"x\x7f"):
            self.refuse(value, "control characters")

    def test_a_secret_with_a_name(self):
        """It is in requests that ask for it."""
        guest = self.guest(policy(INTERNET, secrets=[{**SECRET, "name": "token"}]), values={0: b"value of the secret"})
        connection = Tls(guest, SECRET["host"], SECRET["host"], guest.certificates)
        for field in (b"", b"Authorization: Basic ${secret.token}\r\n"):
            connection.ask(b"GET /hello HTTP/1.1\r\nHost: api.example.com\r\n" + field + b"\r\n", 70)
        heads = [request["head"] for request in self.world.requests(host=SECRET["host"])]
        self.assertNotIn("Authorization", heads[0])
        self.assertIn("\r\nAuthorization: Basic value of the secret\r\n", heads[1])

    def test_certificates_of_this_host(self):
        """A new worker trusts what the file has now, also if the time of the file is the earlier one."""
        file = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
        trusted, status = file.read_bytes(), file.stat()
        self.addCleanup(file.write_bytes, trusted)
        for contents, answer in ((trusted, b"HTTP/1.1 200"), (trusted.partition(self.world.authority.encode())[0], b"HTTP/1.1 502"),
                                 (trusted, b"HTTP/1.1 200")):
            file.write_bytes(contents)
            os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
            guest = self.set_value(b"value")
            connection = Tls(guest, SECRET["host"], SECRET["host"], guest.certificates)
            found = connection.ask(b"GET /hello HTTP/1.1\r\nHost: api.example.com\r\n\r\n", 70)
            self.assertEqual(found[:12], answer)
            self.egress.remove(self.sandbox)

    def test_many_inspected_hosts(self):
        """The certificate has to fit into a message."""
        hosts = [f"{number}.{'a' * 20}.example.com" for number in range(200)]
        guest = self.guest(policy(allow=[f"{host}/inspect" for host in hosts]))
        self.assertLess(len(guest.certificates), 16 * 1024)
        self.assertEqual(self.egress.set(self.sandbox, policy(allow=[f"{hosts[0]}/inspect"])), guest.certificates)
        self.assertEqual(self.egress.set(self.sandbox, ANY), b"")
        hosts = [f"{number}.{'a' * 60}.{'b' * 60}.example.com" for number in range(200)]
        with self.assertRaisesRegex(Failed, "too long"):
            self.egress.set(self.sandbox, policy(allow=[f"{host}/inspect" for host in hosts]))
        self.assert_echo(guest, NAME)

    def test_files(self):
        with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
            file.write(b"x")
            file.flush()
            self.set_value(os.open(file.name, os.O_RDONLY))
            self.refuse(os.open(file.name, os.O_WRONLY), "cannot be read")
        read_end, write_end = os.pipe()
        self.refuse(read_end, "not in a memfd")
        os.close(write_end)
        with tempfile.NamedTemporaryFile(dir="/var/tmp") as file:
            if os.statvfs(file.name).f_fsid != os.statvfs("/dev/shm").f_fsid:
                self.refuse(os.open(file.name, os.O_RDONLY), "not in a memfd")
        self.refuse(os.open("/proc/self/status", os.O_RDONLY), "not in a memfd")

    def test_a_set_that_fails_forgets_the_port(self):
        """PORT, SECRET and SET take effect together, or not at all."""
        guest = self.guest(ANY)
        stream = self.assert_echo(guest, NAME)
        with self.assertRaises(Failed):
            self.set_value(b"")
        guest.send(stream, b"still")
        self.assertEqual(guest.read(stream, 5), b"still")
        self.egress.set(self.sandbox, ANY)
        guest.send(stream, b"again")
        self.assertEqual(guest.read(stream, 5), b"again")

    def test_a_new_value_ends_old_connections(self):
        guest = self.set_value(b"old")
        connection = Tls(guest, SECRET["host"], SECRET["host"], guest.certificates)
        request = b"GET /hello HTTP/1.1\r\nHost: api.example.com\r\n\r\n"
        connection.ask(request, 70)
        certificates = self.egress.set(self.sandbox, policy(INTERNET, secrets=[SECRET]), values={0: b"new"})
        self.assertEqual(certificates, guest.certificates)
        self.assertEqual(guest.status(connection.stream), errno.EACCES)
        Tls(guest, SECRET["host"], SECRET["host"], certificates).ask(request, 70)
        heads = [request["head"] for request in self.world.requests(host=SECRET["host"])]
        self.assertIn("Bearer old\r\n", heads[0])
        self.assertIn("Bearer new\r\n", heads[1])


tap.main()
