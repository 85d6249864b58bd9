# SPDX-License-Identifier: LGPL-2.1-or-later
"""A restarted host can continue with the Python runner, whatever the runner was doing.

usage: test_sync.py RUN, where RUN is the runner's entry
"""

import itertools
import socket
import struct
import unittest

from case import Case

from cloche_runner.channel import Channel
from cloche_tests.runner_client import (
    EXECUTE,
    RESEED,
    SYNC,
    SYNC_MARK,
    Execution,
    frame,
    text,
    texts,
)
from cloche_tests.tap import main

NONCE = bytes(range(240, 256))
MARKED = 'import pathlib; pathlib.Path("executed").touch()'


class Syncing(Case):
    def setUp(self):
        self.run_ok("kept = ['a']")

    def tearDown(self):
        self.assertEqual(self.value("kept"), "['a']")
        self.assertEqual(self.value("import os; os.path.exists('executed')"), "False")
        super().tearDown()

    def sync(self, before=b""):
        self.runner.socket.sendall(before + self.runner.sync_bytes(NONCE))
        return self.runner.finish_sync(NONCE)[0]

    def test_idle(self):
        self.assertEqual(self.sync(), b"")
        self.runner.interrupt()
        self.assertEqual(self.sync(), b"")

    def test_count_goes_on(self):
        before = self.run_ok("1").count
        self.sync()
        self.assertEqual(self.run_ok("2").count, before + 1)

    def test_busy(self):
        for code in ("print('now'); import time; time.sleep(100)", "print('now')\nwhile True: pass"):
            self.runner.begin(code)
            self.runner.wait_for_output(Execution(), b"now\n")
            self.runner.interrupt()
            said = self.sync()
            self.assertIn(b"KeyboardInterrupt", said)

    def test_in_the_middle_of_an_answer(self):
        """The previous host read the beginning of the answer; nothing reads the rest before the sync."""
        self.runner.begin("print('now'); display('x' * 4_000_000); display('never' + ' shown')")
        self.runner.wait_for_output(Execution(), b"now\n")
        self.assertEqual(len(self.runner.socket.recv(1000)), 1000)
        self.runner.interrupt()
        said = self.sync()
        self.assertGreater(len(said), 3_900_000)
        self.assertNotIn(b"never shown", said)

    def test_cut_request(self):
        """A request of the previous host is dropped, wherever it was cut off."""
        request = self.runner.execute_frame(MARKED, environment=["CLOCHE_S=1"])
        for size in range(1, len(request)):
            self.assertEqual(self.sync(request[:size]), b"", size)

    def test_cut_request_that_is_large(self):
        request = self.runner.execute_frame(MARKED + "\n" * 3_000_000)
        for size in (65535, 65536, 65536 + 8, 1 << 20, 3_000_000):
            self.assertEqual(self.sync(request[:size]), b"", size)

    def test_request_that_nobody_began(self):
        """A complete request that the runner has not begun is dropped, too."""
        self.assertEqual(self.sync(self.runner.execute_frame(MARKED)), b"")

    def test_two_restarts(self):
        cut = self.runner.sync_bytes(b"1" * 16)
        for size in (3, 16, 20, len(cut)):
            self.assertEqual(self.sync(cut[:size]), b"", size)


class Reading(unittest.TestCase):
    """Tests the runner's end of the socket, where each send is one read."""

    def setUp(self):
        self.host, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel = Channel(theirs.detach())

    def tearDown(self):
        self.host.close()
        self.channel._close()

    def receive(self, *parts):
        for part in parts:
            self.host.send(part)
        kind, fields = self.channel.receive()
        return kind, fields.data()

    def test_every_cut(self):
        """The request is cut off at each byte, and the mark arrives in two parts."""
        sync = SYNC_MARK + frame(SYNC, 9, text(NONCE))
        for request in (
            frame(EXECUTE, 7, struct.pack("<I", 0) + text("") + text("1") + texts([])),
            frame(EXECUTE, 7, struct.pack("<I", 0) + text("") + text("1") + texts(["A=1"])),
            frame(RESEED, 7, text(b"\xff\xfe" * 16) + texts([]) + text("")),
        ):
            for lacking, first in itertools.product(range(1, len(request)), range(17)):
                parts = (request[:-lacking], sync[:first], sync[first:])
                self.assertEqual(
                    self.receive(*filter(None, parts)), (SYNC, NONCE), (lacking, first)
                )

    def test_every_cut_of_a_sync(self):
        """The mark may complete the nonce of a sync that was cut off; the host ignores the answer to that."""
        former, sync = (SYNC_MARK + frame(SYNC, 9, text(nonce)) for nonce in (b"f" * 16, NONCE))
        for size, first in itertools.product(range(1, len(former)), range(17)):
            self.host.send(former[:size])
            answer = self.receive(*filter(None, (sync[:first], sync[first:])))
            if answer[1] != NONCE:
                self.assertGreaterEqual(size + first, len(former))
                answer = self.receive()
            self.assertEqual(answer, (SYNC, NONCE), (size, first))

    def test_usual_requests(self):
        """A request that contains the beginning of a mark is handled without delay."""
        entropy = (SYNC_MARK[:15] + b"x") * 2
        self.assertEqual(
            self.receive(frame(RESEED, 1, text(entropy) + texts([]) + text(""))), (RESEED, entropy)
        )
        nonce = b"n" * 8 + SYNC_MARK[:8]
        self.assertEqual(self.receive(frame(SYNC, 1, text(nonce))), (SYNC, nonce))


if __name__ == "__main__":
    main()
