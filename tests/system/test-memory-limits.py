# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-memory-limits: a guest can use all of its memory, and no machine can use more than its limit.

Run by in-service.sh, where the kernel enforces MemoryMax=, on a new template. Its RAM file has holes: each page that
the guest writes fills a hole and makes a copy, and both are charged to the machine. The guests are so large
that QEMU's own memory cannot be mistaken for the difference.
"""
import pathlib
import re
import unittest

from cloche_tests import tap
from cloche_tests.service import USERS, SystemService, number, systemctl

CGROUPS = pathlib.Path("/sys/fs/cgroup")
USED_PERCENT = 90


def setUpModule():
    global service, user
    service = SystemService()
    user = service.client(USERS[0])


class Scope:
    """The unit and the memory cgroup of a machine, of cgroup v1 or v2."""

    def __init__(self, sandbox):
        memberships = pathlib.Path(f"/proc/{service.qemus()[sandbox.id]}/cgroup").read_text()
        v1 = re.search(r"^\d+:memory:(.*)$", memberships, re.MULTILINE)
        path = v1.group(1) if v1 else re.search(r"^0::(.*)$", memberships, re.MULTILINE).group(1)
        self.unit = re.search(r"machine-qemu[^/]+\.scope", path).group()
        self.folder = CGROUPS / ("memory" if v1 else ".") / path[1:path.index(self.unit)] / self.unit
        self.limit_file, self.peak_file = (
            ("memory.limit_in_bytes", "memory.max_usage_in_bytes") if v1 else ("memory.max", "memory.peak"))

    def limit(self):
        return int((self.folder / self.limit_file).read_text())

    def peak(self):
        return int((self.folder / self.peak_file).read_text())


class Memory(unittest.TestCase):
    def setUp(self):
        service.settled()
        self.sandbox = user.create("minimal", timeout=number(600))
        self.scope = Scope(self.sandbox)
        self.memory_mib = self.sandbox.properties()["MemoryMiB"]
        self.assertGreaterEqual(self.memory_mib, 1024)

    def fill(self):
        """Fills most of the memory that the guest's kernel leaves to programs: dd fills a buffer of the size of its block."""
        total_kib = int(self.sandbox.run("grep", "MemTotal", "/proc/meminfo")[1].split()[1])
        self.filled_mib = total_kib * USED_PERCENT // 100 >> 10
        return self.sandbox.run("dd", "if=/dev/zero", "of=/dev/null", f"bs={self.filled_mib}M", "count=1")

    def test_a_fresh_template_is_filled(self):
        self.assertGreater(self.scope.limit(), 2 * self.memory_mib << 20)
        status, _, errors, details = self.fill()
        self.assertEqual((status, details["how"]), (0, "exited"), errors)
        self.assertEqual(self.sandbox.run("echo", "here")[1], "here\n")
        charged = self.scope.peak() >> 20
        print(f"# charged: {charged} MiB for {self.filled_mib} MiB in a guest of {self.memory_mib} MiB", flush=True)
        self.assertGreater(charged, 2 * self.filled_mib)
        self.sandbox.kill()

    def test_the_limit_is_enforced(self):
        systemctl("set-property", "--runtime", self.scope.unit, f"MemoryMax={self.memory_mib // 2}M")
        with self.assertRaisesRegex(Exception, "machine-lost"):
            self.fill()
        self.assertEqual(self.sandbox.end(10), "machine-lost")


if __name__ == "__main__":
    tap.main()
