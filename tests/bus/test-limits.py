# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-limits: the depth of a tree and the number of kept ended processes are limited. These limits take long to reach.

In an environment whose system bus has the service (with-service).
"""
import os

from cloche_tests import tap
from cloche_tests.box import BoxTest, InScratch


class Deep(InScratch):
    def test_too_deep(self):
        self.deep(8192)
        self.assert_fails("InvalidArgument", "too long", self.box.call, "Remove", "(sa{sv})", self.at("deep"), recursive=True)
        self.box.sh(f"rm -r {self.at('deep')}")
        self.deep(8191)
        self.box.call("Chown", "(ssa{sv})", self.at("deep"), "nobody", recursive=True)
        self.box.call("Remove", "(sa{sv})", self.at("deep"), recursive=True)


class Ended(BoxTest):
    def test_remembered(self):
        first, *fds = self.box.start("true")
        first.wait()
        for fd in fds:
            os.close(fd)
        for _ in range(256):
            self.assertEqual(first.properties()["State"], "ended")
            process, *fds = self.box.start("true")
            process.wait()
            for fd in fds:
                os.close(fd)
        self.box.run("true")
        self.assert_fails("NoSuchProcess", "ended long ago", first.properties)
        self.assertEqual(process.properties()["ExitHow"], "exited")


tap.main()
