# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-network-hostile-guest: root in a guest speaks to cloche-egress itself, by valid and invalid frames.

Run by in-service.sh. hostile-net.py is the program in the guest. It may lose the network of its sandbox. Nothing else may happen: no crash, no
more memory than a worker may have, and no effect on another sandbox, cloched or the other workers.
"""
import json
import pathlib
import random
import re
import time
import unittest

from cloche_tests import network, tap
from cloche_tests.network import create
from cloche_tests.service import USERS, SystemService, output, text, wait_until
from cloche_tests.world import World

PROGRAM = pathlib.Path(__file__).with_name("hostile-net.py").read_text()
ALLOW = ["www.example.com", "*.wild.example.com"]
MEMORY_KIB = 48 << 10  # of a worker; its bytes that wait have a bound of about 17 MiB
ALL_FRAMES = 100_000
EACCES, EAGAIN, ENOENT = 13, 11, 2


def setUpModule():
    global world, service, a, b, box, bystander, seed
    world = World().start()
    unittest.addModuleCleanup(world.close)
    world.name("*.wild.example.com", "93.184.216.230")
    world.name("slow.wild.example.com", silent=True)
    service = SystemService()
    a, b = (service.client(user) for user in USERS)
    before = network.processes("egress-worker")
    bystander = create(b, "restricted", allow=ALLOW)
    unittest.addModuleCleanup(bystander.kill)
    bystander.worker, = network.processes("egress-worker") - before
    bystander.guest("1")
    box = create(a)
    unittest.addModuleCleanup(box.kill)
    seed = random.randrange(2**32)
    print(f"# seed {seed}", flush=True)


class HostileGuest(unittest.TestCase):
    def setUp(self):
        """Each test has a worker of its own; those that kill the agent's child, which does not come back, also a sandbox."""
        self.begin(box)
        bystander.guest('begin_get("during", "www.example.com", "/gate/never/2000000") or received("during", 1000000)')
        self.before = service.pid, network.main_pid()
        world.forget()

    def begin(self, sandbox):
        self.box = sandbox
        sandbox.set_network("off")
        wait_until(lambda: network.processes("egress-worker") == {bystander.worker}, 30, "the end of other workers")
        sandbox.set_network("restricted", allow=ALLOW)
        self.worker, = network.processes("egress-worker") - {bystander.worker}
        self.assertIn("www.example.com", sandbox.sh("getent hosts www.example.com"))

    def begin_with_another_sandbox(self):
        box.set_network("off")
        sandbox = create(a)
        self.addCleanup(sandbox.kill)
        self.begin(sandbox)

    def tearDown(self):
        """The other sandbox still has the connection that it had before, and makes others."""
        self.assertEqual((service.pid, network.main_pid()), self.before)
        self.assertEqual(bystander.guest('exchange("www.example.com", 7)'), "x")
        self.assertEqual(bystander.guest('received("during", 1000000)')[1], None)
        self.assertIn(bystander.worker, network.processes("egress-worker"))
        crashes = output("journalctl", "-q", "-b", "-u", network.UNIT, "-g", "dumped|SEGV|ABRT|Assertion|ERROR", check=False)
        self.assertEqual(crashes, "")

    def attack(self, name, how="steal"):
        """Returns what has come of it, and the worker's largest memory in KiB (None: it has ended)."""
        status, out, err, _ = self.box.run("python3", "-c", PROGRAM, name, str(seed), how, user=text("root"))
        self.assertTrue(out.startswith("attacking\n"), (status, out, err))
        self.assertEqual(status, 0, err)
        peak = self.peak_kib()
        if peak:
            self.assertLess(peak, MEMORY_KIB)
        print(f"# {name}: {out.splitlines()[1]}, worker {peak} KiB", flush=True)
        return json.loads(out.splitlines()[1])

    def timed_attack(self, name):
        """Returns also for how many seconds it can have lasted: what is permitted in a second may happen in each of them."""
        begin = time.monotonic()
        return self.attack(name), time.monotonic() - begin

    def peak_kib(self):
        try:
            status = pathlib.Path(f"/proc/{self.worker}/status").read_text()
        except OSError:
            return None
        found = re.search(r"^VmHWM:\s*(\d+)", status, re.MULTILINE)
        return int(found[1]) if found else None

    def assert_lost(self, pattern):
        """The network is closed and the sandbox lives."""
        wait_until(lambda: self.box.network()["state"] == "closed", 30, "a closed network")
        self.assertRegex(self.box.network()["reason"], pattern)
        self.assertNotIn(self.worker, network.processes("egress-worker"))
        self.assertEqual(self.box.run("echo", "alive")[1], "alive\n")

    def assert_on(self):
        self.assertEqual(self.box.network()["state"], "on")
        self.assertIn(self.worker, network.processes("egress-worker"))

    # --- what is permitted, too often ---

    def test_names(self):
        """No parser of addresses sees them."""
        got = self.attack("names")
        self.assertEqual({key for key in got if ":" in key}, {"4:13", "16:13", "16:2"})
        self.assert_on()
        world.assert_untouched()

    def test_opens(self):
        got, seconds = self.timed_attack("opens")
        self.assertEqual(got["end"], "done")
        self.assert_on()
        self.assertLess(len(world.packets(protocol="tcp")), 2 * (200 + 100 * seconds))  # 2: a SYN may be sent again
        figures = self.box.traffic()
        self.assertEqual(figures["open"], 0)
        self.assertGreater(figures["refused"], ALL_FRAMES * 0.8)
        lines = service.journal(f"SANDBOX_ID={self.box.id}", "SYSLOG_IDENTIFIER=cloche-egress")
        self.assertLess(len(lines), 300)

    def test_lookups(self):
        """Of them, 50 in a second are asked outside."""
        _, seconds = self.timed_attack("lookups")
        self.assert_on()
        self.assertLessEqual(len({query["name"] for query in world.queries()}), 101 + 50 * seconds)

    def test_never_reads(self):
        self.attack("never_reads")
        self.assert_on()

    def test_never_credits(self):
        """Each connection gets one window."""
        self.attack("never_credits")
        self.assert_on()
        self.assertLessEqual(self.box.traffic()["bytes-down"], 200 * (256 << 10))

    def test_fills_windows(self):
        self.attack("fills_windows")
        self.assert_on()

    def test_fills_window(self):
        """Of a connection whose server is not known yet."""
        self.attack("fills_window")
        self.assert_on()

    # --- what violates the protocol ---

    def test_overruns_window(self):
        """By one byte."""
        self.attack("overruns_window")
        self.assert_lost("more than its window")

    def test_too_many_streams(self):
        self.attack("too_many")
        self.assert_lost("too many streams")

    def test_number_twice(self):
        self.attack("twice")
        self.assert_lost("twice")

    def test_unknown_type(self):
        self.attack("unknown")
        self.assert_lost("unknown type")

    def test_length(self):
        self.attack("length")
        self.assert_lost(".")

    def test_long_name(self):
        self.attack("long_name")
        self.assert_lost("malformed")

    def test_noise(self):
        self.attack("noise")
        self.assert_lost(".")

    def test_random_frames(self):
        self.begin_with_another_sandbox()
        self.attack("random_frames", "open")
        self.assert_lost(".")

    def test_opened_again(self):
        """SetNetwork() makes another worker, to which the agent's child answers."""
        self.attack("unknown")
        self.assert_lost("unknown type")
        self.box.set_network("restricted", allow=ALLOW)
        self.assertIn("www.example.com", self.box.sh("getent hosts www.example.com"))


if __name__ == "__main__":
    tap.main()
