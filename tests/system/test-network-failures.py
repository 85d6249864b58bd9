# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-network-failures: each process that the network needs is killed or restarted, at each step.

Run by in-service.sh. Meanwhile the network is closed or as it was, never wider. Afterwards it is as its owner has set it, sandboxes have lived on, and nothing
is left of what was in progress.
"""
import os
import random
import threading
import unittest

from cloche_tests import network, tap
from cloche_tests.network import REFUSED, UNIT, create
from cloche_tests.service import KILL, USERS, Failure, SystemService, systemctl, wait_until
from cloche_tests.world import World

ALLOW = ["www.example.com:80", "www.example.com:7", "api.example.com"]
SECRET = {"host": "api.example.com", "header": "Authorization", "value": b"a-secret-of-this-test"}
RESOLVER = "cloche-resolver.service"
ROUNDS = 4  # of each kill at a random moment of a call
# What a call that was interrupted may return.
INTERRUPTED = {"NoReply", "NameHasNoOwner", "ServiceUnknown", "ServiceStopping", "Busy", "Failed", "TimedOut", "Unsupported", "GuestLost"}


def setUpModule():
    global world, service, user, box, chance
    world = World().start()
    unittest.addModuleCleanup(world.close)
    service = SystemService()
    user = service.client(USERS[0])
    chance = random.Random(1)
    box = create(user, "restricted", allow=ALLOW, secrets=[SECRET])
    unittest.addModuleCleanup(box.kill)
    box.guest("1")


def kill_unit(unit):
    """Kills the main process, and waits for another one."""
    pid = network.main_pid(unit)
    os.kill(pid, KILL)
    wait_until(lambda: network.main_pid(unit) not in (0, pid), 30, f"another process of {unit}")


def restart(unit):
    systemctl("restart", unit)


class FailureTest(unittest.TestCase):
    def setUp(self):
        box.set_network("restricted", allow=ALLOW, secrets=[SECRET])
        world.forget()
        self.key = self.id().rpartition(".")[2]

    def tearDown(self):
        """The network works as it was set, and there is one worker for each sandbox that has one."""
        self.check()
        for sandbox in user.sandboxes():
            if sandbox.id != box.id:
                sandbox.kill()
        wait_until(lambda: len(network.processes("egress-worker")) == 1, 30, "the end of other workers")
        self.assertEqual(len(network.processes("egress-spawner")), 1)

    def check(self):
        service.wait_for_answer()
        box.wait_for_state("on")
        wait_until(lambda: box.guest('exchange("www.example.com", 7)') == "x", 30, "a connection")
        world.forget()
        self.assertEqual(box.guest('fetch("https://api.example.com/hello")'), "hello\n")
        self.assertIn("Authorization: a-secret-of-this-test", world.requests(host="api.example.com")[-1]["head"])
        self.assertIn(box.guest('exchange("www.example.com", 9)'), REFUSED)
        self.assertEqual(world.packets(port=9), [])

    def begin_download(self):
        box.guest(f'begin_get("{self.key}", "www.example.com", "/gate/{self.key}/1000000")')
        self.assertIsNone(box.guest(f'received("{self.key}", 500000)')[1])

    def assert_goes_on(self):
        world.open(self.key)
        self.assertEqual(box.guest(f'end("{self.key}")'), "EOF")

    def assert_reset(self):
        self.assertIn(box.guest(f'end("{self.key}")'), REFUSED)


class Download(FailureTest):
    """One is in progress."""

    def test_worker_is_killed(self):
        """Its network remains closed until its owner sets it again."""
        self.begin_download()
        worker, = network.processes("egress-worker")
        os.kill(worker, KILL)
        self.assert_reset()
        box.wait_for_state("closed")
        self.assertTrue(box.network()["reason"])
        world.forget()
        self.assertEqual(box.guest('lookup("www.example.com")'), "NONAME")
        self.assertEqual(box.guest('exchange("93.184.216.30", 80)'), network.UNCONNECTED)
        world.assert_untouched()
        box.set_network("restricted", allow=ALLOW, secrets=[SECRET])

    def test_master_is_killed(self):
        self.begin_download()
        kill_unit(UNIT)
        self.assert_reset()

    def test_master_is_restarted(self):
        self.begin_download()
        restart(UNIT)
        self.assert_reset()

    def test_master_is_stopped(self):
        """The network is closed until it is back."""
        self.begin_download()
        systemctl("stop", "cloche-egress.socket", UNIT)
        self.assert_reset()
        box.wait_for_state("closed")
        world.forget()
        self.assertEqual(box.guest('lookup("www.example.com")'), "NONAME")
        with self.assertRaises(Failure) as caught:
            create(user, "restricted", allow=ALLOW, template="minimal")
        self.assertIn(caught.exception.name, ("Unsupported", "Busy"))
        world.assert_untouched()
        systemctl("start", "cloche-egress.socket")

    def test_spawner_is_killed(self):
        self.begin_download()
        spawner, = network.processes("egress-spawner")
        os.kill(spawner, KILL)
        self.assert_reset()

    def test_resolver_is_killed(self):
        """Connections go on; names that are new are found again afterwards."""
        self.begin_download()
        kill_unit(RESOLVER)
        self.assert_goes_on()

    def test_resolver_is_restarted(self):
        self.begin_download()
        restart(RESOLVER)
        self.assert_goes_on()

    def test_daemon_is_killed(self):
        self.begin_download()
        kill_unit("cloched.service")
        self.assert_goes_on()

    def test_daemon_is_restarted(self):
        self.begin_download()
        restart("cloched.service")
        service.wait_for_answer()
        self.assert_goes_on()

    def test_libvirt_is_killed(self):
        self.begin_download()
        kill_unit("libvirtd.service")
        self.assert_goes_on()

    def test_all_at_once(self):
        self.begin_download()
        for unit in (UNIT, RESOLVER, "cloched.service"):
            os.kill(network.main_pid(unit), KILL)
        service.wait_for_answer()
        self.assert_reset()


# A worker asks for a new connection to the resolver at most once a second, so a lookup may fail for now.
RESOLVES = "for try in 1 2 3 4 5 6 7 8 9; do getent hosts www.example.com && exit; sleep 1; done; exit 2"


class Calls(FailureTest):
    """One is in progress, at a random moment."""

    def interrupt(self, call, kill):
        """Returns what the call has returned, or the name of its error."""
        results = []

        def run():
            try:
                results.append(call(service.client(USERS[0])))
            except Failure as failure:
                results.append(failure.name)
        caller = threading.Thread(target=run, daemon=True)
        caller.start()
        caller.join(chance.uniform(0, 0.15))
        kill()
        caller.join(60)
        self.assertEqual(len(results), 1, "the call hangs")
        return results[0]

    def creations(self, kill):
        for _ in range(ROUNDS):
            result = self.interrupt(lambda client: create(client, "restricted", template="minimal", allow=ALLOW), kill)
            service.wait_for_answer()
            if isinstance(result, str):
                self.assertIn(result, INTERRUPTED)
            else:
                wait_until(lambda: result.network()["state"] == "on", 30, "the network of the new sandbox")
                self.assertIn("www.example.com", result.sh(RESOLVES))
            for sandbox in user.sandboxes():
                if sandbox.id != box.id:
                    sandbox.kill()

    def changes(self, kill):
        """The earlier policy or the new one is in force."""
        for _ in range(ROUNDS):
            box.set_network("restricted", allow=["www.example.com:7"])
            result = self.interrupt(lambda client: network.Networked(client, box.path).set_network("restricted", allow=["www.example.com:80"]), kill)
            service.wait_for_answer()
            self.assertIn(result, INTERRUPTED | {None})
            box.wait_for_state("on")
            allowed, = box.network()["allow"]
            if result is None:
                self.assertEqual(allowed, "www.example.com:80")
            self.assertEqual(box.guest('exchange("www.example.com", 7)') == "x", allowed.endswith(":7"))
        box.set_network("restricted", allow=ALLOW, secrets=[SECRET])

    def test_create_and_master(self):
        self.creations(lambda: kill_unit(UNIT))

    def test_create_and_resolver(self):
        self.creations(lambda: kill_unit(RESOLVER))

    def test_create_and_daemon(self):
        self.creations(lambda: kill_unit("cloched.service"))

    def test_change_and_master(self):
        self.changes(lambda: kill_unit(UNIT))

    def test_change_and_daemon(self):
        self.changes(lambda: kill_unit("cloched.service"))


if __name__ == "__main__":
    tap.main()
