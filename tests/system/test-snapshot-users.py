# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-snapshot-users: snapshots of an installed service, of users who may not have each other's.

in-service.sh runs it. The daemon has no capability, machines run as users of their own, and cloche-vm reads memory.
"""
import os
import stat
import unittest

from cloche_tests import tap
from cloche_tests.service import USERS, Failure, Sandbox, SystemService, text, wait_until

ACL = "system.posix_acl_access"


def setUpModule():
    global service, owner, other
    service = SystemService()
    owner, other = (service.client(user) for user in USERS)


class SnapshotUsers(unittest.TestCase):
    def tearDown(self):
        for sandbox in owner.sandboxes():
            sandbox.kill()
        for snapshot in owner.manager("ListSnapshots", "(a{sv})", {})[0]:
            owner.manager("RemoveSnapshot", "(s)", snapshot["id"])
        wait_until(lambda: not os.listdir(service.store / "snapshots"), 60, "the end of all snapshots")

    def test_access(self):
        parent = owner.create()
        parent.code("x = 42")
        snapshot, = parent.call("Snapshot", "(a{sv})", {})
        path, = owner.manager("CreateSandbox", "(a{sv})", {"snapshot": text(snapshot)})
        child = Sandbox(owner, path)
        self.assertEqual(child.code("print(x)")["stdout"], "42\n")

        for method, signature, value in (("CreateSandbox", "(a{sv})", {"snapshot": text(snapshot)}),
                                         ("RemoveSnapshot", "(s)", snapshot)):
            with self.assertRaisesRegex(Failure, "NoSuchSnapshot"):
                other.manager(method, signature, value)
        self.assertEqual(other.manager("ListSnapshots", "(a{sv})", {})[0], [])

        # Of all users of machines, only that of the child may read the disk, and only as long as it runs.
        folder = service.store / "snapshots" / snapshot
        self.assertEqual(stat.S_IMODE((folder / "state").stat().st_mode), 0o600)
        self.assertNotIn(ACL, os.listxattr(folder / "state"))
        self.assertIn(ACL, os.listxattr(folder / "disk.qcow2"))
        child.kill()
        wait_until(lambda: not stat.S_IMODE((folder / "disk.qcow2").stat().st_mode) & 0o077, 60, "the end of the access")

    def test_fork(self):
        parent = owner.create()
        parent.code("x = 42")
        paths, errors = parent.call("Fork", "(ua{sv})", 2, {})
        self.assertEqual((len(paths), errors), (2, []))
        for path in paths:
            self.assertEqual(Sandbox(owner, path).code("print(x)")["stdout"], "42\n")


if __name__ == "__main__":
    tap.main()
