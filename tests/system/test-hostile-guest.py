# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-hostile-guest: root in a guest sends the service frames in random order, also while the service is restarted.

Run by in-service.sh. hostile-root.py is the program in the guest. It may lose its own sandbox, and nothing else.
"""
import contextlib
import os
import pathlib
import random
import re
import unittest

from gi.repository import GLib

from cloche_tests import tap
from cloche_tests.service import KILL, USERS, Failure, SystemService, number, systemctl, wait_until

PROGRAM = pathlib.Path(__file__).with_name("hostile-root.py").read_text()
ROUNDS = 3
CRASH = r"Main process exited.*(dumped|ABRT|SEGV|TRAP|BUS)"  # of systemd


def setUpModule():
    global service, attacker, user, seed
    service = SystemService()
    attacker, user = (service.client(name) for name in USERS)
    seed = random.randrange(2**32)
    print(f"# seed {seed}", flush=True)


def tearDownModule():
    service.settled()


class HostileGuest(unittest.TestCase):
    def setUp(self):
        self.bystander = user.create("python", timeout=number(600))
        self.bystander.code("kept = 42")

    def tearDown(self):
        self.check_bystander()
        self.bystander.kill()
        for sandbox in attacker.sandboxes():
            sandbox.kill()
        service.settled()
        crashes = [line["MESSAGE"] for line in service.journal("-u", "cloched.service", "-b") if re.search(CRASH, line["MESSAGE"])]
        self.assertEqual(crashes, [])

    def check_bystander(self):
        self.assertEqual(self.bystander.code("kept")["results"][0]["data"]["text/plain"], "42")

    def attack(self, number_of_round):
        sandbox = attacker.create("python", timeout=number(300))
        sandbox.code("1")
        with self.assertRaises(Failure) as caught:
            sandbox.run("sudo", "python3", "-c", PROGRAM, "at-once", str(seed + number_of_round), timeout=number(20))
        self.assertIn(caught.exception.name, ("GuestLost", "TimedOut", "Failed"))
        return sandbox

    def test_frames_in_random_order(self):
        pid = service.pid
        for n in range(ROUNDS):
            self.attack(n)
            self.check_bystander()
        self.assertEqual(service.pid, pid)


    def test_while_the_service_is_restarted(self):
        """Each new instance adopts machines whose agents lie. Half of them are killed while it still waits for their answers."""
        for n in range(ROUNDS):
            sandboxes = [self.begin_attack(ROUNDS * n + m) for m in range(2)]
            systemctl("restart", "cloched.service")
            service.wait_for_answer()
            for sandbox in sandboxes[n % 2:]:
                with contextlib.suppress(Failure): # it may have ended
                    sandbox.kill()
            self.check_bystander()
            os.kill(pid := service.pid, KILL)
            wait_until(lambda: service.pid not in (0, pid), 30, "another instance")
            service.wait_for_answer()
            self.check_bystander()

    def begin_attack(self, seed_offset):
        sandbox = attacker.create("python", timeout=number(300))
        sandbox.code("1")
        sandbox.call("Start", "(asa{sv})", ["sudo", "python3", "-c", PROGRAM, "adoption", str(seed + seed_offset)],
                     {"keep": flag(True), "detached": flag(True)})
        return sandbox


def flag(value):
    return GLib.Variant("b", value)


if __name__ == "__main__":
    tap.main()
