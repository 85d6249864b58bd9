# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-limits: systemd enforces the limits of each machine, and claims work beside another user's busy machines.

Run by in-service.sh. The time of a claim is printed and not checked, because the machines of this test may share
their processors with other suites.
"""
import os
import pathlib
import re
import statistics
import time
import unittest

from cloche_tests import tap
from cloche_tests.service import USERS, SystemService, number, systemctl, wait_until

ROUNDS = 8
ALLOWANCE_MIB = 1024  # more than QEMU needs beside its guest
TASKS = 97  # for one processor, and QEMU's other threads


def setUpModule():
    global service, a, b
    service = SystemService()
    a, b = (service.client(user) for user in USERS)


class Scopes(unittest.TestCase):
    def setUp(self):
        self.sandboxes = [a.create("minimal", timeout=number(600)), b.create("python", timeout=number(600))]
        service.settled()

    def tearDown(self):
        for sandbox in self.sandboxes:
            sandbox.kill()
        service.settled()

    def scope(self, pid):
        """Returns the unit of a process, and the slice in the path of its cgroup."""
        path = next(line.split(":", 2)[2] for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines()
                    if line.startswith(("0::", "1:name=systemd:")))
        slice_name, unit = re.search(r"([^/]+\.slice)/(machine-qemu[^/]+\.scope)", path).groups()
        return unit, slice_name

    def test_each_machine_is_bounded(self):
        templates = {sandbox.id: sandbox.properties() for sandbox in self.sandboxes}
        for machine, pid in service.qemus().items():
            unit, slice_name = self.scope(pid)
            shown = dict(line.split("=", 1) for line in systemctl(
                "show", unit, "-p", "Slice,MemoryMax,CPUWeight,TasksMax").splitlines())
            self.assertEqual((slice_name, shown["Slice"]), ("cloche.slice", "cloche.slice"))
            self.assertEqual((shown["CPUWeight"], shown["TasksMax"]), ("100", str(TASKS)))
            self.assertRegex(shown["MemoryMax"], r"^\d+$")
            if machine in templates:
                memory_mib = templates[machine]["MemoryMiB"]
                self.assertGreater(int(shown["MemoryMax"]), 2 * memory_mib << 20)
                self.assertLess(int(shown["MemoryMax"]), 2 * memory_mib + ALLOWANCE_MIB << 20)
            self.assertLess(len(list(pathlib.Path(f"/proc/{pid}/task").iterdir())), TASKS)

    def test_the_slice_ends_all(self):
        """An administrator kills the slice: the sandboxes are gone, and the service reports it."""
        systemctl("stop", "cloche.slice")
        for sandbox, user in zip(self.sandboxes, (a, b)):
            wait_until(lambda: sandbox.id not in [s.id for s in user.sandboxes()], 10, "the end of a sandbox")
        self.sandboxes = [a.create("minimal", timeout=number(600))]
        self.assertEqual(self.sandboxes[0].run("echo", "again")[1], "again\n")


class Neighbours(unittest.TestCase):
    def claim_ms(self):
        """Returns the median time of claims from a full pool."""
        taken = []
        for _ in range(ROUNDS):
            service.settled()
            begin = time.monotonic()
            sandbox = b.create("minimal", timeout=number(600))
            taken.append((time.monotonic() - begin) * 1000)
            self.assertEqual(sandbox.run("echo", "here")[1], "here\n")
            sandbox.kill()
        return statistics.median(taken)

    def processor_s(self, sandboxes):
        """Returns the processor time of the sandboxes' machines."""
        qemus, tick = service.qemus(), os.sysconf("SC_CLK_TCK")
        fields = (pathlib.Path(f"/proc/{qemus[s.id]}/stat").read_text().rpartition(")")[2].split() for s in sandboxes)
        return sum(int(field[11]) + int(field[12]) for field in fields) / tick

    def test_one_user_burns_all_processors(self):
        idle_ms = self.claim_ms()
        burners = [a.create("minimal", timeout=number(600)) for _ in range(3)]
        for sandbox in burners:
            sandbox.run("sh", "-c", "for i in 1 2 3 4; do (while :; do :; done) >/dev/null 2>&1 & done")
        begin, worked = time.monotonic(), self.processor_s(burners)
        busy_ms = self.claim_ms()
        self.assertGreater((self.processor_s(burners) - worked) / (time.monotonic() - begin), 0.5)
        print(f"# claim: {idle_ms:.1f} ms idle, {busy_ms:.1f} ms beside {len(burners)} burning guests, "
              f"ratio {busy_ms / idle_ms:.1f}", flush=True)
        for sandbox in burners:
            sandbox.kill()
        service.settled()


if __name__ == "__main__":
    tap.main()
