# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-service-memory: one user who does everything at once that makes the service hold memory does not reach its limits.

Run by in-service.sh, where the kernel counts the memory of units. The attacks are those of hostile-user.py, and each one is at its bound:
unread answers and descriptors, input, messages, records, arguments of processes that live and that have ended, calls that wait.
"""
import pathlib
import subprocess
import sys
import unittest

from cloche_tests import tap
from cloche_tests.service import USERS, SystemService, number, strings, systemctl

ATTACKER = pathlib.Path(__file__).with_name("hostile-user.py")
# Those that wait for answers come before those that fill the user's turns.
ATTACKS = ("living_processes", "ended_processes", "unread_descriptors", "unread_bytes", "large_inputs", "large_messages", "flood_of_timeouts",
           "flood")
SANDBOXES = 4
ROUNDS = 60
# What one user can make the service hold, with what malloc() keeps: see "Bounds" of docs/ARCHITECTURE.md.
MOST_MIB = 400


def setUpModule():
    global service, attacker, user
    service = SystemService()
    attacker, user = (service.client(name) for name in USERS)


class Cgroup:
    """The memory of the service's unit, by cgroup v1 or v2."""

    def __init__(self):
        path = systemctl("show", "-P", "ControlGroup", "cloched.service")
        v1 = pathlib.Path("/sys/fs/cgroup/memory")
        self.folder = (v1 if v1.is_dir() else pathlib.Path("/sys/fs/cgroup")) / path.lstrip("/")
        self.current_file, self.peak_file = (
            ("memory.usage_in_bytes", "memory.max_usage_in_bytes") if v1.is_dir() else ("memory.current", "memory.peak"))

    def current_mib(self):
        return int((self.folder / self.current_file).read_text()) >> 20

    def peak_mib(self):
        return int((self.folder / self.peak_file).read_text()) >> 20


def resident_mib(pid, field):
    line = next(line for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(field + ":"))
    return int(line.split()[1]) >> 10


class Memory(unittest.TestCase):
    def setUp(self):
        metadata = {f"key{n}": "x" * 4000 for n in range(64)}
        service.settled()
        self.sandboxes = [attacker.create("minimal", timeout=number(900), metadata=strings(**metadata)) for _ in range(SANDBOXES)]
        self.attackers = []

    def tearDown(self):
        for process in self.attackers:
            process.stdin.close()
            process.wait()
        for sandbox in self.sandboxes:
            sandbox.kill()
        service.settled()

    def start(self, attack, sandbox):
        process = subprocess.Popen(["runuser", "-u", USERS[0], "--", sys.executable, ATTACKER, attack, sandbox.path],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.attackers.append(process)
        self.assertEqual(process.stdout.readline(), b"attacking\n")

    def test_one_user_at_every_bound(self):
        pid, cgroup = service.pid, Cgroup()
        before, idle = cgroup.current_mib(), resident_mib(pid, "VmRSS")
        for n, attack in enumerate(ATTACKS):
            self.start(attack, self.sandboxes[n % SANDBOXES])
        for _ in range(ROUNDS):  # the attacks go on meanwhile
            user.call("/org/cloche1", "org.cloche1.Manager", "GetQuota", "()")
        high = int(systemctl("show", "-P", "MemoryHigh", "cloched.service")) >> 20
        peak, resident = cgroup.peak_mib(), resident_mib(pid, "VmHWM")
        print(f"# the unit: {before} MiB, at most {peak} MiB of {high} MiB; the service: {idle} MiB, at most {resident} MiB", flush=True)
        self.assertLess(peak, high)
        self.assertLess(resident, MOST_MIB)
        self.assertEqual(service.pid, pid)


if __name__ == "__main__":
    tap.main()
