# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Python runner's wait for the agent ends with the agent, and does not spin while the agent is idle.

usage: test_channel.py RUN, where RUN is the runner's entry
"""

import os
import socket
import termios
import unittest
from unittest import mock

from cloche_runner import channel
from cloche_tests.tap import main

RESTS = 50  # pauses before the agent reads


class Waiting(unittest.TestCase):
    def pauses(self, fd, request, on_pause):
        """Returns the pauses that the wait made; calls on_pause(number) in each."""
        pauses = []

        def sleep(seconds):
            pauses.append(seconds)
            on_pause(len(pauses))
        with mock.patch.object(channel.time, "sleep", sleep):
            channel.wait_until_taken(fd, request)
        return pauses

    def pipe(self):
        return tuple(open(fd, mode, buffering=0) for fd, mode in zip(os.pipe(), ("rb", "wb")))

    def sockets(self):
        return tuple(open(one.detach(), "r+b", buffering=0) for one in socket.socketpair())

    def kinds(self):
        return ((self.pipe, termios.FIONREAD), (self.sockets, termios.TIOCOUTQ))

    def test_agent_that_rests(self):
        for make, request in self.kinds():
            with self.subTest(make.__name__):
                reader, writer = make()
                with reader, writer:
                    writer.write(b"x" * 100)
                    pauses = self.pauses(writer.fileno(), request, lambda n: n == RESTS and reader.read(100))
                self.assertEqual(len(pauses), RESTS)
                self.assertEqual(pauses, sorted(pauses))
                self.assertLess(pauses[0], 0.001)
                self.assertGreaterEqual(pauses[-1], 0.01)

    def test_agent_that_has_gone(self):
        for make, request in self.kinds():
            with self.subTest(make.__name__):
                reader, writer = make()
                with reader, writer:
                    writer.write(b"x" * 100)
                    self.assertEqual(len(self.pauses(writer.fileno(), request, lambda n: reader.close())), 1)
                    self.assertEqual(self.pauses(writer.fileno(), request, self.fail), [])

    def test_nothing_to_wait_for(self):
        for make, request in self.kinds():
            reader, writer = make()
            with reader, writer:
                self.assertEqual(self.pauses(writer.fileno(), request, self.fail), [])


if __name__ == "__main__":
    main()
