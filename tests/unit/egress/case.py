# SPDX-License-Identifier: LGPL-2.1-or-later
"""case: tests of cloche-egress with a world outside. Tests run in network and mount namespaces of their own; their
first argument is the program.
"""
import contextlib
import errno
import itertools
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest

from cloche_tests.egress import Egress
from cloche_tests.world import World, client

PROGRAM = sys.argv[1]
NAME = "www.example.com"
ADDRESS = "93.184.216.30"
ADDRESS6 = "2606:2800:220::30"
PRIVATE = "10.9.9.9"

JOURNAL = "/run/systemd/journal/socket"

ids = itertools.count(1)


def start_world():
    """To be called by setUpModule()."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    pathlib.Path(JOURNAL).parent.mkdir(parents=True)
    Case.journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    Case.journal.bind(JOURNAL)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cloche-egress-test-"))
    unittest.addModuleCleanup(shutil.rmtree, folder)
    client.use_copies(folder)
    unittest.addModuleCleanup(client.stop_using_copies)
    Case.world = World().start()
    unittest.addModuleCleanup(lambda: Case.world.close())


class Case(unittest.TestCase):
    """Has its own cloche-egress (`egress`), and the id of a sandbox for each test (`sandbox`)."""

    @classmethod
    def setUpClass(cls):
        cls.egress = Egress(PROGRAM)

    @classmethod
    def tearDownClass(cls):
        status = cls.egress.close()
        shutil.rmtree(cls.egress.state)
        if status != 0:
            raise AssertionError(f"cloche-egress has ended with status {status}")

    def setUp(self):
        self.world.forget()
        self.sandbox = f"sandbox{next(ids)}"
        self.watcher = None
        self.addCleanup(lambda: self.egress.remove(self.sandbox))

    def guest(self, *layers, **options):
        guest = self.egress.guest(self.sandbox, *layers, **options)
        self.addCleanup(guest.close)
        return guest

    def answer_at(self, address):
        """Lets a silent address of the world answer: the next attempt of TCP arrives."""
        def run(verb):
            subprocess.run(["nsenter", "--net", f"--target={self.world.process.pid}",
                            "ip", "route", verb, "blackhole", address, "table", "local"], check=True)
        run("del")
        self.addCleanup(run, "add")

    def lines_of_journal(self):
        """Returns the fields of all messages that have arrived."""
        lines = []
        with contextlib.suppress(BlockingIOError):
            while True:
                text = self.journal.recv(65536, socket.MSG_DONTWAIT).decode("ascii")
                lines.append(dict(line.split("=", 1) for line in text.splitlines()))
        return lines

    def watch(self):
        watcher = self.egress.watch(self.sandbox)
        self.addCleanup(watcher.close)
        self.egress.traffic(self.sandbox)  # the worker has read both messages
        return watcher

    def assert_refused(self, guest, host, port=80, why="", status=errno.EACCES):
        """Asserts that the connection is refused for this reason, and that nothing of it has left."""
        self.world.forget()
        self.watcher = self.watcher or self.watch()
        with self.subTest(host, port=port):
            self.assertEqual(guest.status(guest.open(host, port)), status)
            while (event := self.watcher.next("refused"))["port"] != port:
                pass  # of a lookup
            self.assertEqual(event["host"], host)
            self.assertIn(why, event["reason"])
            self.assertEqual(self.world.connections(), [])

    def assert_echo(self, guest, host, port=7):
        """Asserts that the connection is made to a service that echoes. Returns its stream."""
        stream = guest.open(host, port)
        guest.send(stream, b"ping")
        self.assertEqual(guest.read(stream, 4), b"ping")
        return stream


class Tls:
    """A program in a guest that uses TLS. `authority`: PEM that it trusts; None: it trusts everything. `sni`: what it names;
    None: nothing."""

    def __init__(self, guest, host, sni, authority=None, port=443):
        context = ssl.create_default_context(cadata=authority.decode()) if authority else ssl._create_unverified_context()
        if not sni:
            context.check_hostname = False
        self.guest, self.stream = guest, guest.open(host, port)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=sni)

    def do(self, function, *arguments):
        while True:
            try:
                done, result = True, function(*arguments)
            except ssl.SSLWantReadError:
                done = False
            if data := self.outgoing.read():
                self.guest.send(self.stream, data)
            if done:
                return result
            if data := self.guest.recv(self.stream):
                self.incoming.write(data)
            else:
                self.incoming.write_eof()

    def ask(self, request, size):
        """Returns at least `size` bytes of the answer, or all of it."""
        self.do(self.tls.write, request)
        answer = b""
        while len(answer) < size and (piece := self.do(self.tls.read, 65536)):
            answer += piece
        return answer
