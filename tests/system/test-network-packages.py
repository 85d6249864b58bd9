# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-network-packages: pip, apt and git install from their usual sites, without any configuration.

npm is in the largest image only, so test-languages.py tests it. Run by in-service.sh, with the sites of a World. The guest is told to trust
the World's authority, as it trusts those of real sites, and apt that the World's archive is not signed.
"""
import unittest

from cloche_tests import tap
from cloche_tests.network import create
from cloche_tests.service import USERS, SystemService
from cloche_tests.world import World

HELLO = "hello from the world\n"
SITES = ["pypi.org:443", "files.pythonhosted.org:443", "deb.debian.org:80", "git.example.com:443"]


def setUpModule():
    global world, service, box
    world = World().start()
    unittest.addModuleCleanup(world.close)
    service = SystemService()
    box = create(service.client(USERS[0]), "restricted", allow=SITES)
    unittest.addModuleCleanup(box.kill)
    box.trust(world.authority)


class Packages(unittest.TestCase):
    def tearDown(self):
        """Nothing was refused, so nothing that the programs want was missing."""
        self.assertEqual(box.traffic()["refused"], 0)

    def test_pip(self):
        self.assertEqual(box.sh("python3 -m venv --without-pip --system-site-packages v && . v/bin/activate && "
                                "python3 -m pip install --quiet --disable-pip-version-check world-greeting && world-greeting"), HELLO)

    def test_apt(self):
        box.root("apt-get -qq -o Acquire::AllowInsecureRepositories=true update 2>&1 && "
                 "apt-get -qq --yes --allow-unauthenticated install world-greeting 2>&1")
        self.assertEqual(box.sh("world-greeting"), HELLO)

    def test_git(self):
        self.assertEqual(box.sh("git clone --quiet https://git.example.com/hello.git && cat hello/README && git -C hello log --oneline | wc -l"),
                         HELLO + "2\n")


if __name__ == "__main__":
    tap.main()
