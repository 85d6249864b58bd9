# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-hostile-user: while one user attacks the service in every known way, another user works.

Run by in-service.sh. Each attack is a process of the attacker (hostile-user.py). It must neither end the service, nor make it deaf for the
other user, nor leave descriptors, threads or memory in use. Times are printed and not judged.
"""
import pathlib
import statistics
import subprocess
import sys
import time
import unittest

from cloche_tests import tap
from cloche_tests.service import USERS, SystemService, number, strings, systemctl, wait_until

ATTACKER = pathlib.Path(__file__).with_name("hostile-user.py")
CALLS = 40
PATIENCE_S = 60  # for one call of the other user: a hang fails
THREADS_MAX = 700  # LimitNOFILE= and TasksMax= are larger


def setUpModule():
    global service, attacker, user
    service = SystemService()
    attacker, user = (service.client(name) for name in USERS)


def tearDownModule():
    service.settled()


def seconds(function, *arguments):
    begin = time.monotonic()
    function(*arguments)
    return time.monotonic() - begin


def status_of(pid, field):
    line = next(line for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(field + ":"))
    return int(line.split()[1])


class HostileUser(unittest.TestCase):
    def setUp(self):
        metadata = {f"key{n}": "x" * 4000 for n in range(64)}
        self.sandbox = attacker.create("python", timeout=number(600), metadata=strings(**metadata))
        service.settled()
        self.pid, self.restarts = service.pid, systemctl("show", "-P", "NRestarts", "cloched.service")
        self.descriptors, self.threads = service.descriptors(), status_of(self.pid, "Threads")

    def tearDown(self):
        self.sandbox.kill()
        self.assertEqual((service.pid, systemctl("show", "-P", "NRestarts", "cloched.service")), (self.pid, self.restarts))
        wait_until(lambda: service.descriptors() <= self.descriptors + 4, 60, "the end of all descriptors")
        wait_until(lambda: status_of(self.pid, "Threads") <= self.threads + 8, 60, "the end of all threads")
        service.settled()

    def work(self):
        """The other user's calls: their seconds by name. Each call is of a new connection, whose uid the service has to look up."""
        quota, create = [], []
        for n in range(CALLS):
            quota.append(seconds(user.call, "/org/cloche1", "org.cloche1.Manager", "GetQuota", "()"))
            if n % 20 == 0:
                create.append(seconds(self.use_sandbox))
        return {"GetQuota": quota, "CreateSandbox and Run": create}

    def use_sandbox(self):
        sandbox = user.create("python", timeout=number(60))
        self.assertEqual(sandbox.run("echo", "works")[1], "works\n")
        sandbox.kill()

    def attack(self, name, threads_max=THREADS_MAX):
        idle = self.work()
        process = subprocess.Popen(["runuser", "-u", USERS[0], "--", sys.executable, ATTACKER, name, self.sandbox.path],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            self.assertEqual(process.stdout.readline(), b"attacking\n")
            busy = self.work()
            self.assertLess(status_of(service.pid, "Threads"), threads_max)
            memory = status_of(service.pid, "VmRSS") // 1024
        finally:
            process.stdin.close()
            process.wait()
        for call in idle:
            print(f"# {name}: {call}: idle median {statistics.median(idle[call]) * 1000:.1f} ms, under attack "
                  f"{statistics.median(busy[call]) * 1000:.1f} ms, at most {max(busy[call]) * 1000:.0f} ms; {memory} MiB", flush=True)
        self.assertEqual(service.pid, self.pid)

    def test_unread_descriptors(self):
        self.attack("unread_descriptors")

    def test_unread_bytes(self):
        self.attack("unread_bytes")

    def test_flood(self):
        self.attack("flood")

    def test_flood_of_timeouts(self):
        self.attack("flood_of_timeouts")

    def test_creations(self):
        self.attack("creations")

    def test_large_inputs(self):
        self.attack("large_inputs")

    def test_many_strings(self):
        self.attack("many_strings")

    def test_large_messages(self):
        self.attack("large_messages")

    def test_ended_processes(self):
        self.attack("ended_processes")

    def test_blocking_descriptors(self):
        self.attack("blocking_descriptors")

    def test_lingering_descriptors(self):
        self.attack("lingering_descriptors")


if __name__ == "__main__":
    tap.main()
