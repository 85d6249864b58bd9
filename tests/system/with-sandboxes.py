# SPDX-License-Identifier: LGPL-2.1-or-later
"""with-sandboxes: runs tests of tests/bus that need no fake machines on real machines of real images.

Usage: with-sandboxes.py BUILD STORE TEMPLATE TEST [ARGUMENT]... . STORE has an image named TEMPLATE. It exits with the test's
status.
"""
import os
import pathlib
import subprocess
import sys

from cloche_tests.service import PrivateService

BOOT_S = 300
PYTHON = pathlib.Path(__file__).resolve().parents[1] / "lib/python"


def main(build, store, name, *test):
    service = PrivateService(build, store)
    try:
        service.start()
        template = service.wait_for_template(name, BOOT_S)
        if template["state"] != "ready":
            sys.exit(f"with-sandboxes: {template}")
        environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": service.address, "BOX_TEMPLATE": name,
                       "CLOCHE_CLI": str(pathlib.Path(build, "src/cli/cloche").resolve())}
        status = subprocess.run([PYTHON, *test], env=environment).returncode
    finally:
        service.close()
    sys.exit(status)


main(*sys.argv[1:])
