# SPDX-License-Identifier: LGPL-2.1-or-later
"""with-sandboxes: runs tests of tests/bus that need no fake, against real machines of real images.

Usage: with-sandboxes.py BUILD STORE TEST... . STORE has an image named python. The tests' exit statuses become one.
"""
import os
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "unit/runner-python"))

from service import PrivateService  # noqa: E402

BOOT_S = 300


def main(build, store, *tests):
    service = PrivateService(build, store)
    try:
        service.start()
        template = service.wait_for_template("python", BOOT_S)
        if template["state"] != "ready":
            sys.exit(f"with-sandboxes: {template}")
        environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": service.address, "BOX_TEMPLATE": "python"}
        statuses = [subprocess.run([sys.executable, "-B", test], env=environment).returncode for test in tests]
    finally:
        service.close()
    sys.exit(max(statuses))


main(*sys.argv[1:])
