# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-limits: what a guest can make cloche-egress do and hold, just inside and just outside of each limit."""
import errno
import re
import subprocess
import threading
import time

from case import ADDRESS, NAME, Case, start_world
from cloche_tests import tap
from cloche_tests.egress import CREDIT, EXHAUSTED, INTERNET, RESET, WINDOW, Reset, policy, resident_kib, wait_until
from cloche_tests.world import link

setUpModule = start_world
ANY = policy(INTERNET)
GENERATE = 19  # sends without an end, and reads nothing
BURST = 200
MIB = 1 << 20


class Connections(Case):
    def test_connections_at_once(self):
        guest = self.guest(policy(INTERNET, connections=5))
        streams = [self.assert_echo(guest, ADDRESS) for _ in range(5)]
        self.assert_refused(guest, ADDRESS, 7, why="too many connections at once", status=errno.EMFILE)
        guest.reset(streams.pop())
        wait_until(lambda: self.egress.traffic(self.sandbox)["open"] == 4)
        streams.append(self.assert_echo(guest, ADDRESS))
        self.assert_refused(guest, ADDRESS, 7, why="too many connections at once", status=errno.EMFILE)

    def test_the_most_connections(self):
        """255 connections, and one stream for what is refused."""
        guest = self.guest(policy(INTERNET, connections=255))
        streams, opened = [], 0
        while opened < 255:
            stream = guest.open(ADDRESS, 7)
            guest.send(stream, b"x")
            kind, payload = guest.next(stream)
            if kind == RESET:
                self.assertEqual(payload[0], errno.EAGAIN)  # too many in a second
                continue
            streams.append(stream)
            opened += 1
        guest.credits = True
        self.assertEqual(self.egress.traffic(self.sandbox)["open"], 255)
        self.assertIn(guest.status(guest.open(ADDRESS, 7)), (errno.EMFILE, errno.EAGAIN))

    def test_new_connections_in_a_second(self):
        guest = self.guest(policy(allow=["0.0.0.0/0:81"]))
        begin = time.monotonic()
        statuses = [guest.status(guest.open(ADDRESS, 81)) for _ in range(600)]
        allowed, seconds = statuses.count(errno.ECONNREFUSED), time.monotonic() - begin
        self.assertEqual(set(statuses), {errno.ECONNREFUSED, errno.EAGAIN})
        self.assertEqual(set(statuses[:BURST]), {errno.ECONNREFUSED})
        self.assertLessEqual(allowed, BURST + 100 * seconds + 1)
        self.assertGreaterEqual(allowed, BURST + int(100 * seconds) - 2 if seconds < 4 else 600)
        self.assertEqual(len({packet["port"] for packet in self.world.packets(to=ADDRESS)}), 1)

    def test_lookups_in_a_second(self):
        guest = self.guest(ANY)
        begin = time.monotonic()
        statuses = [guest.lookup(NAME) for _ in range(400)]
        seconds = time.monotonic() - begin
        self.assertEqual(set(statuses[:100]), {0})
        self.assertEqual(set(statuses), {0, errno.EAGAIN})
        self.assertLessEqual(statuses.count(0), 100 + 50 * seconds + 1)

    def test_100000_opens(self):
        """Most are refused, and each gets its answer."""
        guest = self.guest(policy(allow=["1.1.1.1"]))
        before = resident_kib(self.egress.workers()[0])
        answered = 0

        def read():
            nonlocal answered
            while answered < 100000:
                stream = guest.receive()
                answered += sum(kind == RESET for kind, _ in guest.frames.pop(stream))
        reader = threading.Thread(target=read)
        reader.start()
        for _ in range(100000):
            guest.open(ADDRESS, 7)
        reader.join(60)
        self.assertEqual(answered, 100000)
        self.assertEqual(self.egress.traffic(self.sandbox)["refused"], 100000)
        self.assertLess(resident_kib(self.egress.workers()[0]) - before, 16384 * self.sanitizer())
        self.world.assert_untouched()

    def sanitizer(self):
        """AddressSanitizer keeps up to 256 MiB of freed memory."""
        with open(f"/proc/{self.egress.process.pid}/maps", encoding="utf-8") as file:
            return 24 if "libasan" in file.read() else 1

    # --- time ---

    def test_time_limits(self):
        """Ten seconds to connect, to greet in TLS, and for the head of a request."""
        guest = self.guest(policy(INTERNET, allow=[f"{NAME}:443", f"{NAME}:80", f"{link.SILENT4}:7"]))
        begin = time.monotonic()
        cases = {guest.open(link.SILENT4, 7): errno.ETIMEDOUT, guest.open(NAME, 443): errno.EACCES, guest.open(NAME, 80): errno.EACCES}
        slow = guest.open(NAME, 80)
        guest.send(slow, b"GET /hello HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
        self.assertTrue(guest.read(slow, 70).startswith(b"HTTP/1.1 200"))
        guest.send(slow, b"GET /hel")
        cases[slow] = errno.ETIMEDOUT
        for stream, status in cases.items():
            self.assertEqual(guest.status(stream), status)
            self.assertGreater(time.monotonic() - begin, 9.5)
            self.assertLess(time.monotonic() - begin, 20)


class Traffic(Case):
    def test_bandwidth(self):
        """Both directions, with pieces that are not tiny."""
        guest = self.guest(policy(INTERNET, bandwidth=1000000))
        begin = time.monotonic()
        stream = guest.open(ADDRESS, GENERATE)
        pieces = []
        while sum(pieces) < 1500000:
            pieces.append(len(guest.recv(stream)))
        self.assertBetween(time.monotonic() - begin, 1.2, 4)
        self.assertGreater(sum(pieces) / len(pieces), 8192)
        guest.reset(stream)
        begin = time.monotonic()
        stream, sent, window = guest.open(ADDRESS, 9), 0, WINDOW
        while sent < 1500000:
            if window >= 32768:
                guest.send(stream, bytes(32768))
                sent, window = sent + 32768, window - 32768
                continue
            kind, payload = guest.next(stream, ignored=())
            self.assertEqual(kind, CREDIT)
            window += int.from_bytes(payload, "little")
        self.assertBetween(time.monotonic() - begin, 0.9, 4)

    def assertBetween(self, value, least, most):
        self.assertGreaterEqual(value, least)
        self.assertLessEqual(value, most)

    def set_traffic(self, traffic):
        """Returns what the answer says: whether the traffic is used up already."""
        return self.egress.answer(self.egress.ask_set(self.sandbox, policy(INTERNET, traffic=traffic))).number

    def test_traffic(self):
        guest = self.guest(policy(INTERNET, traffic=100000))
        stream = guest.open(ADDRESS, 7)
        guest.send(stream, bytes(49000))
        self.assertEqual(len(guest.read(stream, 49000)), 49000)
        guest.send(stream, bytes(1000))
        with self.assertRaises(Reset):
            guest.read(stream)
        self.egress.event(EXHAUSTED, self.sandbox)
        figures = self.egress.traffic(self.sandbox)
        self.assertEqual(figures["bytes_up"] + figures["bytes_down"], 100000)
        self.assertEqual(guest.lookup(NAME), errno.EACCES)
        self.assert_refused(guest, ADDRESS, 7, why="used up")
        self.assertEqual(self.set_traffic(100000), 1)
        self.assert_refused(guest, ADDRESS, 7, why="used up")
        self.assertEqual(self.set_traffic(100001), 0)
        self.assertEqual(self.set_traffic(200000), 0)
        self.assert_echo(guest, ADDRESS)


class Memory(Case):
    sanitizer = Connections.sanitizer

    def grown(self, before):
        return resident_kib(self.egress.workers()[0]) - before

    def test_a_guest_that_gives_no_credit(self):
        guest = self.guest(ANY)
        before = resident_kib(self.egress.workers()[0])
        guest.credits = False
        streams = [guest.open(ADDRESS, GENERATE) for _ in range(100)]
        for stream in streams:
            self.assertEqual(len(guest.read(stream, WINDOW)), WINDOW)
        self.assertTrue(guest.is_quiet())
        self.assertLess(self.grown(before), 4096 * self.sanitizer())
        self.assertEqual(self.egress.traffic(self.sandbox)["bytes_down"], 100 * WINDOW)

    def test_a_guest_that_reads_nothing(self):
        guest = self.guest(ANY)
        before = resident_kib(self.egress.workers()[0])
        for _ in range(100):
            guest.open(ADDRESS, GENERATE)
        wait_until(lambda: self.egress.traffic(self.sandbox)["bytes_down"] > 0)
        down = -1
        while down != (down := self.egress.traffic(self.sandbox)["bytes_down"]):
            time.sleep(0.1)
        self.assertLess(down, MIB)
        self.assertLess(self.grown(before), 4096 * self.sanitizer())

    def test_buffers_of_the_kernel(self):
        """Buffers grow with what a connection moves, but only those of eight connections. 24 others have 128 KiB, counted twice,
        and the rest a quarter of that."""
        guest = self.guest(ANY)
        streams = [guest.open(ADDRESS, GENERATE) for _ in range(36)]
        for stream in streams[:12]:
            guest.read(stream, 8 * MIB)
        for stream in streams[12:]:
            guest.read(stream, MIB // 8)
        sockets = subprocess.run(["ss", "-tmnH"], check=True, stdout=subprocess.PIPE, text=True).stdout
        buffers = [(int(down), int(up)) for down, up in re.findall(r"skmem:\(r\d+,rb(\d+),t\d+,tb(\d+)", sockets)]
        self.assertEqual(len(buffers), 36)
        self.assertEqual(buffers.count((262144, 262144)), 24)
        self.assertEqual(buffers.count((65536, 65536)), 4)
        guest.reset(streams[0])
        wait_until(lambda: self.egress.traffic(self.sandbox)["open"] == 35)
        self.assert_echo(guest, ADDRESS)

    def test_servers_that_read_nothing(self):
        """What waits is bounded for all connections, and then the guest is not read. After ten seconds, connections with the
        most bytes end, so that the others can go on."""
        guest = self.guest(ANY)
        before = resident_kib(self.egress.workers()[0])
        guest.credits = False
        streams = [guest.open(ADDRESS, GENERATE) for _ in range(80)]
        windows = dict.fromkeys(streams, WINDOW)
        is_over = False

        def send():
            while not is_over:
                for stream in streams:
                    if windows[stream] >= 32768:
                        windows[stream] -= 32768
                        guest.send(stream, bytes(32768))
        sender = threading.Thread(target=send)
        sender.start()
        begin, resets = time.monotonic(), set()
        while len(resets) <= 10:
            stream = guest.receive()
            for kind, payload in guest.frames.pop(stream):
                if kind == CREDIT:
                    windows[stream] += int.from_bytes(payload, "little")
                elif kind == RESET:
                    self.assertEqual(payload[0], errno.ENOBUFS)
                    if not resets:
                        reset_at = time.monotonic()
                    windows[stream] = 0
                    resets.add(stream)
        self.assertGreater(reset_at - begin, 9)
        self.assertLess(self.grown(before), 14 * 1024 * self.sanitizer())
        is_over = True
        sender.join(60)
        wait_until(lambda: self.egress.traffic(self.sandbox)["open"] > 20)
        self.assert_echo(guest, ADDRESS)


tap.main()
