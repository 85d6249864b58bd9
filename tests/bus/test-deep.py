# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-deep: the deepest tree that is dealt with.

In an environment whose system bus has the service (with-service).
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "unit" / "runner-python"))
import tap  # noqa: E402
from box import InScratch  # noqa: E402


class Deep(InScratch):
    def test_too_deep(self):
        self.deep(8192)
        self.assert_fails("InvalidArgument", "too long", self.box.call, "Remove", "(sa{sv})", self.at("deep"), recursive=True)
        self.box.sh(f"rm -r {self.at('deep')}")
        self.deep(8191)
        self.box.call("Remove", "(sa{sv})", self.at("deep"), recursive=True)


tap.main()
