# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-resolver: how many queries workers, users and all users can have in progress. The test is the master and the workers.

Names whose servers do not answer keep their queries in progress, until the gate opens.
"""
import array
import errno
import fcntl
import itertools
import socket
import struct
import subprocess
import termios
import time
import unittest

from case import ADDRESS, NAME, PROGRAM, Case, start_world
from cloche_tests import tap
from cloche_tests.egress import TIMEOUT_S, wait_until

QUESTIONS, USER_QUERIES, ALL_QUERIES = 64, 128, 512  # src/egress/resolver-protocol.h
NAME_MAX = 253
ANSWER = struct.Struct("<IIII256s")

setUpModule = start_world
numbers = itertools.count(1)


class Worker:
    """Asks for names. `names` are those that it has asked for, by serial."""

    def __init__(self, parent, owner):
        self.number = next(numbers)
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.send(struct.pack("<I", owner))
        parent.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [theirs.fileno()]))])
        theirs.close()
        self.serials = itertools.count(1)

    def ask(self, name):
        serial = next(self.serials)
        self.socket.send(struct.pack("<I", serial) + name.encode().ljust(NAME_MAX + 1, b"\0") + bytes(2))
        return serial

    def flood(self, count=QUESTIONS):
        for i in range(count):
            self.ask(f"n{i}.w{self.number}.slow.example.com")
        return self

    def was_read(self):
        """Returns whether the resolver has read all questions."""
        return fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4)) == bytes(4)

    def answer(self):
        """Returns the serial and the status of the next answer."""
        return ANSWER.unpack(self.socket.recv(1024))[:2]

    def statuses(self, count=QUESTIONS):
        return {self.answer()[1] for _ in range(count)}


class Queries(unittest.TestCase):
    def setUp(self):
        self.gate = f"gate{next(numbers)}"
        self.world = Case.world
        self.world.name("*.slow.example.com", ADDRESS, gate=self.gate)
        self.addCleanup(self.world.open, self.gate)
        self.world.forget()
        self.parent, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = subprocess.Popen([PROGRAM, "--resolver", "--child", str(theirs.fileno())], pass_fds=[theirs.fileno()])
        theirs.close()
        self.addCleanup(self.end)
        self.workers = []
        self.begin = time.monotonic()

    def end(self):
        self.parent.close()
        self.assertEqual(self.process.wait(TIMEOUT_S), 0)
        for worker in self.workers:
            worker.socket.close()

    def worker(self, owner):
        worker = Worker(self.parent, owner)
        self.workers.append(worker)
        return worker

    def asked(self):
        """Returns the slow names that have reached the name server."""
        return {query["name"] for query in self.world.queries() if "slow" in query["name"]}

    def rounds(self):
        """Returns how often a query may have ended without an answer, and another one begun in its place: not before four seconds."""
        return 1 + int((time.monotonic() - self.begin) / 4)

    def assert_asked(self, count):
        """Waits until so many queries are in progress, and asserts that there are no more."""
        wait_until(lambda: len(self.asked()) >= count)
        asked = len(self.asked())
        self.assertLessEqual(asked, count * self.rounds())

    def assert_answered(self, workers):
        """All answers at once may be too many for the socket of the resolver, so that some of them are lost."""
        for worker in workers:
            self.assertLessEqual(worker.statuses(), {0, errno.EAGAIN})

    def test_a_worker(self):
        worker = self.worker(1000).flood(QUESTIONS)
        serial = worker.ask(NAME)
        self.assertEqual(worker.answer(), (serial, errno.EAGAIN))
        self.assert_asked(QUESTIONS)
        self.world.open(self.gate)
        self.assertEqual(worker.statuses(), {0})
        serial = worker.ask(NAME)
        self.assertEqual(worker.answer(), (serial, 0))

    def test_a_user(self):
        """Another user does not wait, a third worker of the same user does."""
        workers = [self.worker(1000).flood() for _ in range(USER_QUERIES // QUESTIONS)]
        self.assert_asked(USER_QUERIES)
        waiting = self.worker(1000)
        waiting.ask("waiting.slow.example.com")
        other = self.worker(1001)
        other.ask(NAME)
        self.assertEqual(other.answer()[1], 0)
        self.assert_asked(USER_QUERIES)
        self.world.open(self.gate)
        self.assertEqual(waiting.answer()[1], 0)
        self.assert_answered(workers)

    def test_all_users(self):
        """Users take turns: a user's first query waits for the end of one, and not for all those that a flood has before it."""
        workers = [self.worker(1000 + i // 3).flood() for i in range(ALL_QUERIES // QUESTIONS * 3 // 2)]
        self.assert_asked(ALL_QUERIES)
        other = self.worker(2000)
        other.ask("other.slow.example.com")
        wait_until(other.was_read)
        self.assert_asked(ALL_QUERIES)
        self.world.open(self.gate)
        self.assertEqual(other.answer()[1], 0)
        names = [query["name"] for query in self.world.queries()]
        self.assertLess(len(set(names[:names.index("other.slow.example.com")])), ALL_QUERIES * self.rounds() + 2 * len(workers))
        self.assert_answered(workers)

    def test_waiting_too_long(self):
        """The question fails, and no name server sees it. A query ends after four to six seconds without an answer."""
        self.world.name("*.slow.example.com", silent=True)
        for _ in range(3 * USER_QUERIES // QUESTIONS):
            self.worker(1000).flood()
        waiting, begin = self.worker(1000), time.monotonic()
        serial = waiting.ask("waiting.slow.example.com")
        self.assertEqual(waiting.answer(), (serial, errno.EAGAIN))
        self.assertGreater(time.monotonic() - begin, 9)
        self.assertFalse(self.world.queries(name="waiting.slow.example.com"))

    def test_a_worker_that_ends(self):
        """What waits for it is not asked. What is in progress keeps its place until it ends."""
        for worker in [self.worker(1000).flood() for _ in range(USER_QUERIES // QUESTIONS)]:
            worker.socket.close()
        self.assert_asked(USER_QUERIES)
        ended, other, waiting = self.worker(1000), self.worker(1001), self.worker(1000)
        ended.flood(QUESTIONS + 1).answer()  # one is too many: the others were read
        ended.socket.close()
        other.ask(NAME)
        other.answer()
        waiting.ask(NAME)
        self.world.open(self.gate)
        self.assertEqual(waiting.answer()[1], 0)
        if self.rounds() == 1:
            self.assertFalse([name for name in self.asked() if f".w{ended.number}." in name])

    def test_no_greeting(self):
        """The first packet must say whose worker it is."""
        worker = self.worker(1000)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.parent.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [theirs.fileno()]))])
        theirs.close()
        worker.socket.close()
        worker.socket = ours
        worker.ask(NAME)
        ours.settimeout(TIMEOUT_S)
        self.assertEqual(ours.recv(1024), b"")


tap.main()
