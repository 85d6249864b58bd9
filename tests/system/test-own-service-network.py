# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-own-service-network: cloched --user of root, whose child cloche-egress gives sandboxes a network.

Usage: test-own-service-network.py BUILD STORE, in a container. STORE has an image named python.
"""
import pathlib
import pwd
import subprocess
import sys
import unittest

from cloche_tests import tap
from cloche_tests.network import create, processes
from cloche_tests.service import Failure, PrivateService, wait_until
from cloche_tests.world import World, link

BUILD, STORE = sys.argv[1:3]
BOOT_S = 300
USER = "cloche-egress"
SECRET = {"host": "api.example.com", "header": "Authorization", "value": b"hunter2hunter2"}
PROCESSES = ("cloche-egress", "egress-spawner", "egress-worker", "egress-resolver")


def setUpModule():
    global world, service
    link.enter_own_network()
    subprocess.run(["userdel", USER], check=False, stderr=subprocess.DEVNULL)  # this machine may have it
    world = World().start()
    unittest.addModuleCleanup(world.close)
    service = PrivateService(BUILD, STORE)
    unittest.addModuleCleanup(service.close)
    service.start()


def tearDownModule():
    service.stop()
    wait_until(lambda: not found(), 10, "the end of cloche-egress")


def found():
    """Returns the uids of the processes of cloche-egress, by name."""
    return {name: {uid_of(pid) for pid in pids} for name in PROCESSES if (pids := processes(name))}


def uid_of(pid):
    return int(pathlib.Path(f"/proc/{pid}/status").read_text().partition("\nUid:")[2].split()[0])


def restart():
    """Sandboxes continue."""
    service.shell('end_process "$1" cloched 60')
    service.start()
    service.wait_for_template("python", BOOT_S)


class Network(unittest.TestCase):
    def test_1_no_user(self):
        self.assertEqual(service.wait_for_template("python", BOOT_S)["state"], "ready")
        with self.assertRaises(Failure) as caught:
            create(service, "internet")
        self.assertEqual(caught.exception.name, "Unsupported")
        self.assertIn("user cloche-egress is not installed", str(caught.exception))
        self.assertEqual(found(), {})

    def test_2_sandbox(self):
        subprocess.run(["useradd", "--system", USER], check=True)
        restart()
        box = create(service, "internet", secrets=[SECRET])
        self.assertEqual(box.sh("curl -sS http://www.example.com/bytes/1000 | wc -c"), "1000\n")
        self.check_secret(box)
        self.assertEqual(found(), dict.fromkeys(PROCESSES, {pwd.getpwnam(USER).pw_uid}))
        restart()
        box.wait_for_state("on")
        self.check_secret(box)
        box.kill()
        wait_until(lambda: "egress-worker" not in found(), 10, "the end of the worker")
        self.assertEqual(list(pathlib.Path(service.run, "egress/secrets").iterdir()), [])

    def check_secret(self, box):
        world.forget()
        box.sh("curl -sS https://api.example.com/bytes/1")
        request, = world.requests(host="api.example.com")
        self.assertIn("Authorization: hunter2hunter2", request["head"])


if __name__ == "__main__":
    tap.main()
