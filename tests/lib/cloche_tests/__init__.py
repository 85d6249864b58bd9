# SPDX-License-Identifier: LGPL-2.1-or-later
"""cloche_tests: modules that tests of several folders share. tests/lib/python runs a test that imports them.

Programs that a test starts must not find this package, so its folder is removed from the environment here.
"""
import os

os.environ.pop("PYTHONPATH", None)
