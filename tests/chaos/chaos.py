# SPDX-License-Identifier: LGPL-2.1-or-later
"""chaos: nothing is lost, whatever is killed.

Run by in-service.sh. Callers of two users create, use and end sandboxes, and write into ledgers what they asked for. Most sandboxes have
a network, by which they download from a World. Meanwhile a random one of the service, cloche-vm, cloche-egress and its processes, libvirtd,
QEMUs, polkitd and the callers is killed, stopped or restarted, on average every 0.6 s. Every 30 seconds the killing pauses: then the sandboxes
are compared with the ledgers, inside and outside, and the host with the sandboxes.

    CHAOS_SECONDS=120   how long it lasts: two minutes in each test run, hours by hand
    CHAOS_SEED=N        the same kills in the same order; the moments differ
    CHAOS_BUS=1         D-Bus is restarted as well: libvirt may then end machines that it reconnects to
"""
import collections
import os
import pathlib
import pwd
import random
import re
import signal
import subprocess
import time
import unittest

from caller import SITE, network_of, read_digest
from ledger import Ledger, boottime

from cloche_tests import network, tap
from cloche_tests.service import KILL, LIBVIRT, TOP, USERS, Failure, GLib, Sandbox, SystemService, journal_names, output, systemctl, wait_until
from cloche_tests.world import World

SECONDS = int(os.environ.get("CHAOS_SECONDS", "120"))
SEED = int(os.environ.get("CHAOS_SEED", random.randrange(2**32)))
ROUND_S = 30
CALLERS = 3
LATE_S = 2 # beyond which a deadline is reported
FOLDER = pathlib.Path("/run/chaos")
PAUSE = FOLDER / "pause"
ENDED = next(id for id, name in journal_names().items() if name == "ENDED")
REFUSED_PORT = 9
# Prints what a service that echoes answers. A worker asks for a new connection to the resolver at most once a second.
ECHO = f"""for try in 1 2 3 4 5; do getent hosts {SITE} >/dev/null && break; sleep 1; done
exec 3<>/dev/tcp/{SITE}/$0 && printf x >&3 && timeout 20 head -c 1 <&3"""


class Killer:
    """Hurts something, and remembers which machines it hurt."""

    def __init__(self, service, chance):
        self.service, self.chance = service, chance
        self.counts = collections.Counter()
        self.killed, self.frozen = set(), {} # ids of machines; frozen: until when, by pid
        self.back = None                     # when libvirtd comes back
        self.callers = []
        self.common = [self.kill_service] * 50 + [self.kill_caller] * 28 + [self.kill_libvirtd] * 11 + \
            [self.kill_machine_service] * 11 + [self.kill_machine] * 4 + [self.terminate_service] * 5 + [self.restart_service] * 3 + \
            [self.kill_egress] * 8 + [self.kill_resolver] * 8 + [self.kill_worker] * 8 + [self.kill_spawner] * 3
        self.rare = [self.kill_polkit, self.restart_polkit, self.stop_libvirtd, self.freeze_machine]
        if os.environ.get("CHAOS_BUS"):
            self.rare.append(self.restart_bus)

    def hurt(self, seconds):
        end = time.monotonic() + seconds
        rare = time.monotonic() + self.chance.uniform(4, 9)
        while time.monotonic() < end:
            time.sleep(self.chance.expovariate(1 / 0.6))
            self.restore(only_due=True)
            if time.monotonic() > rare:
                rare = time.monotonic() + self.chance.uniform(4, 9)
                self.do(self.chance.choice(self.rare))
            else:
                self.do(self.chance.choice(self.common))

    def do(self, action):
        try:
            done = action()
        except (ProcessLookupError, subprocess.SubprocessError):
            done = False
        self.counts[action.__name__] += done is not False

    def restore(self, only_due=False):
        now = time.monotonic()
        for pid, until in list(self.frozen.items()):
            if not only_due or now > until:
                del self.frozen[pid]
                try:
                    os.kill(pid, signal.SIGCONT)
                except ProcessLookupError:
                    pass
        if self.back and (not only_due or now > self.back):
            self.back = None
            # A socket cannot be started while its service runs. A caller may start it meanwhile.
            wait_until(self.start_libvirt, 30, "libvirtd")

    def start_libvirt(self):
        output("systemctl", "stop", *LIBVIRT, check=False)
        output("systemctl", "start", *LIBVIRT, check=False)
        return output("systemctl", "is-active", "libvirtd.socket", check=False).strip() == "active"

    def main_pid(self, unit):
        pid = int(systemctl("show", "-P", "MainPID", unit))
        if not pid:
            raise ProcessLookupError
        return pid

    # --- actions ---

    def kill_service(self):
        os.kill(self.main_pid("cloched.service"), KILL)

    def terminate_service(self):
        os.kill(self.main_pid("cloched.service"), signal.SIGTERM)

    def restart_service(self):
        systemctl("restart", "--no-block", "cloched.service")

    def kill_machine_service(self):
        os.kill(self.main_pid("cloche-vm.service"), KILL)

    def kill_egress(self):
        os.kill(self.main_pid(network.UNIT), KILL)

    def kill_resolver(self):
        os.kill(self.main_pid("cloche-resolver.service"), KILL)

    def kill_worker(self):
        self.kill_one_of("egress-worker")

    def kill_spawner(self):
        self.kill_one_of("egress-spawner")

    def kill_one_of(self, name):
        pids = sorted(network.processes(name))
        if not pids:
            raise ProcessLookupError
        os.kill(self.chance.choice(pids), KILL)

    def kill_libvirtd(self):
        os.kill(self.main_pid("libvirtd.service"), KILL)

    def stop_libvirtd(self):
        if self.back:
            return False
        systemctl("stop", "--no-block", *LIBVIRT)
        self.back = time.monotonic() + self.chance.uniform(3, 20)

    def kill_polkit(self):
        os.kill(self.main_pid("polkit.service"), KILL)

    def restart_polkit(self):
        systemctl("restart", "--no-block", "polkit.service")

    def restart_bus(self):
        systemctl("restart", "dbus.service")

    def kill_caller(self):
        self.chance.choice(self.callers).kill()

    def machine(self):
        qemus = sorted(self.service.qemus().items())
        if not qemus:
            raise ProcessLookupError
        return self.chance.choice(qemus)

    def kill_machine(self):
        id, pid = self.machine()
        self.killed.add(id)
        os.kill(pid, KILL)

    def freeze_machine(self):
        """For less than the time after which a guest counts as hung."""
        _, pid = self.machine()
        os.kill(pid, signal.SIGSTOP)
        self.frozen[pid] = time.monotonic() + self.chance.uniform(2, 12)


class Caller:
    """A process with a ledger, which is started again when it has ended."""

    def __init__(self, n):
        self.user = USERS[n % len(USERS)]
        self.path = FOLDER / f"{n}.ledger"
        self.n = n
        self.start()

    def start(self):
        self.path.with_suffix(".idle").unlink(missing_ok=True)
        self.log = open(FOLDER / f"{self.n}.log", "ab")
        self.process = subprocess.Popen(
            [TOP / "tests/lib/python", TOP / "tests/chaos/caller.py", self.path, self.user, f"{SEED}-{self.n}", PAUSE],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.start()

    def count_sandboxes(self):
        return len(Ledger(self.path).usable())

    def is_idle(self):
        if self.process.poll() is not None:
            self.start() # it could not connect to the bus
        return self.path.with_suffix(".idle").exists()


def setUpModule():
    global service, callers, killer, world
    FOLDER.mkdir()
    world = World().start()
    unittest.addModuleCleanup(world.close)
    service = SystemService()
    killer = Killer(service, random.Random(SEED))
    callers = killer.callers
    callers += [Caller(n) for n in range(CALLERS)]
    print(f"# seed {SEED}, {SECONDS} s", flush=True)


def tearDownModule():
    for caller in callers:
        caller.process.kill()
    killer.restore()


class Chaos(unittest.TestCase):
    late, looked, reasons, states = [], 0, collections.Counter(), collections.Counter()
    compared = set() # ids of sandboxes whose end was compared

    def test_nothing_is_lost(self):
        for n, begin in enumerate(range(0, SECONDS, ROUND_S)):
            with self.subTest(comparison=n):
                self.wait_for_sandboxes()
                killer.hurt(min(ROUND_S, SECONDS - begin))
                self.compare()
            PAUSE.unlink(missing_ok=True)
        before = self.downloads()[True]
        wait_until(lambda: self.downloads()[True] > before, 120, "a download that nobody disturbs")
        self.report()

    def downloads(self):
        """Returns their numbers: True: complete, False: broken off."""
        return sum((Ledger(caller.path).downloads for caller in callers), collections.Counter())

    def wait_for_sandboxes(self):
        """There is something to lose, at least for most callers: they go on creating and killing."""
        wait_until(lambda: sum(caller.count_sandboxes() for caller in callers) >= CALLERS, 180, "sandboxes")

    # --- comparisons ---

    def settle(self):
        """Returns everything that exists. The last blow may act late: a service that was asked to end answers for a while."""
        try:
            return service.settled(90)
        except Failure as failure:
            if failure.name != "NoReply":
                raise
        service.wait_for_answer()
        return service.settled(90)

    def compare(self):
        PAUSE.touch()
        killer.restore()
        wait_until(lambda: all(caller.is_idle() for caller in callers), 200, "callers at rest")
        if service.bus.is_closed():
            service.reconnect()
        service.wait_for_answer()
        killer.counts["domains without a QEMU"] += service.remove_stuck_domains()
        self.remove_empty_scopes()
        things = self.settle()
        listed = {path.rpartition("/")[2]: properties for path, properties in service.manager(
            "ListSandboxes", "(a{sv})", {"limit": GLib.Variant("u", 1000), "all-users": GLib.Variant("b", True)})[0]}
        tags = {}
        for caller in callers:
            ledger = Ledger(caller.path)
            for expected in ledger.sandboxes.values():
                tags[expected.tag] = expected
                with self.subTest(sandbox=expected.id, tag=expected.tag):
                    self.compare_sandbox(expected, caller, listed)
            self.assertNotIn('"right": false', caller.path.read_text())
            if not os.environ.get("CHAOS_BUS"):
                self.assertNotIn("Traceback", (FOLDER / f"{caller.n}.log").read_text())
        self.compare_workers(listed)
        for id, properties in listed.items():
            self.assertIn(properties["Metadata"].get("chaos"), tags, f"nobody asked for {id}")
        self.compare_host(things, set(listed))

    def compare_sandbox(self, expected, caller, listed):
        if not expected.id:
            return # it may exist or not
        if expected.id in listed:
            self.assertNotEqual(expected.kill, "done", "it was killed, and lives")
            self.look_inside(expected, caller, listed[expected.id])
        elif expected.id not in self.compared:
            self.compared.add(expected.id)
            self.compare_end(expected)

    def compare_end(self, expected):
        ends = service.journal(f"SANDBOX_ID={expected.id}", f"MESSAGE_ID={ENDED}")
        self.assertEqual(len(ends), 1, "one end")
        reason, when = ends[0]["REASON"], int(ends[0]["__MONOTONIC_TIMESTAMP"]) / 1e6
        self.reasons[reason] += 1
        if reason == "killed":
            self.assertTrue(expected.kill, "nobody has killed it")
        elif reason == "timed-out":
            self.assertTrue(expected.may_expire(when), "its deadline was not reached")
            latest = max(last for _, last in expected.deadlines)
            if LATE_S < when - latest < float("inf"):
                self.late.append(round(when - latest, 1))
        elif reason == "machine-lost":
            self.assertIn(expected.id, killer.killed, "nobody has killed its machine")
        else:
            self.fail(f"it ended: {reason}: {ends[0]['MESSAGE']}")

    def look_inside(self, expected, caller, properties):
        sandbox = Sandbox(service, f"/org/cloche1/sandbox/{expected.id}")
        self.assertEqual(properties["Owner"], pwd.getpwnam(caller.user).pw_uid)
        self.assertEqual((properties["Name"], properties["Template"]), (expected.name, expected.template))
        expires = properties["Expires"] / 1e6 - time.time() + boottime()
        self.assertTrue(any(first - 1 <= expires <= last + 1 for first, last in expected.deadlines),
                        f"it expires at {expires}, not in {expected.deadlines}")
        try:
            self.look_at_network(network.Networked(service, sandbox.path), expected)
            self.assertIn(read_digest(service, expected.id), expected.files)
            if expected.template == "python":
                result = sandbox.code("globals().get('chaos')")["results"]
                value = int(result[0]["data"]["text/plain"]) if result else None
                self.assertIn(value, expected.values)
            running = [p.get("tag") for p in sandbox.call("ListProcesses", "()")[0] if p["state"] != "ended"]
            for counter in expected.counters:
                self.assertIn(counter, running)
        except Failure as failure: # its deadline may come now
            if failure.name not in ("NoSuchSandbox", "GuestLost") or not expected.may_expire(boottime()):
                raise
        self.__class__.looked += 1

    def look_at_network(self, box, expected):
        """It has a policy that its owner has set. Only a network whose worker was killed stays closed, until it is set again."""
        if expected.networks == {None}:
            self.assertEqual(box.network()["mode"], "off")
            return
        allow = " ".join(box.network()["allow"])
        self.assertIn(allow, expected.networks)
        try:
            box.wait_for_state("on", 10)
            self.states["on"] += 1
        except AssertionError:
            found = box.network()
            self.states[f"{found['state']}: {found['reason']}"] += 1
            self.assertTrue(killer.counts["kill_worker"], found)
            self.assertIn("the worker was killed", found["reason"])
            self.assertEqual(self.echo(box, 7), "")
            box.call("SetNetwork", "(a{sv})", network_of(allow))
            box.wait_for_state("on")
        self.assertEqual(self.echo(box, 7), "x" if f"{SITE}:7" in allow.split() else "")
        self.assertEqual(self.echo(box, REFUSED_PORT), "")

    def echo(self, box, port):
        return box.run("bash", "-c", ECHO, str(port))[1]

    def compare_workers(self, listed):
        """One for each network, and nothing has passed that no policy permits."""
        boxes = [network.Networked(service, f"/org/cloche1/sandbox/{id}") for id in listed]

        def count():
            try:
                return sum(box.network()["state"] == "on" for box in boxes)
            except Failure: # its deadline has come
                return -1
        wait_until(lambda: len(network.processes("egress-worker")) == count() or count() < 0, 30, "a worker for each network")
        self.assertEqual(world.packets(port=REFUSED_PORT), [])

    def remove_empty_scopes(self):
        """libvirtd and systemd leave them if libvirtd is stopped while it starts a machine."""
        for scope in re.findall(r"machine-qemu\S+cloche\S+\.scope", systemctl("list-units", "--plain", "--no-legend", "*.scope")):
            group = systemctl("show", "-P", "ControlGroup", scope)
            events = [path for base in ("", "/unified")
                      if (path := pathlib.Path(f"/sys/fs/cgroup{base}{group}/cgroup.events")).exists()]
            if group and events and "populated 0" in events[0].read_text():
                killer.counts["empty scopes"] += 1
                systemctl("stop", scope)

    def compare_host(self, things, listed):
        """Nothing is left that belongs to no sandbox and no machine of the pool."""
        self.assertLessEqual(listed, set(things["qemu"]))
        uids = {output("stat", "-c", "%u", f"/proc/{pid}").strip() for pid in service.qemus().values()}
        for path in service.ram.iterdir():
            users = set(re.findall(r"^user:(\d+):", output("getfacl", "-ncp", path), re.MULTILINE))
            self.assertLessEqual(users, uids, f"entries of the access list of {path}")
        status = pathlib.Path(f"/proc/{service.pid}/status").read_text()
        rss = int(re.search(r"VmRSS:\s*(\d+)", status)[1])
        print(f"# {len(listed)} sandboxes, {service.descriptors()} descriptors, {rss} KiB, {sum(killer.counts.values())} blows",
              flush=True)
        self.assertLess(service.descriptors(), 100 + 10 * len(things["qemu"]))

    def report(self):
        for what, count in sorted(killer.counts.items()):
            print(f"# {what}: {count}", flush=True)
        print(f"# looked into sandboxes {self.looked} times; ends: {dict(self.reasons)}", flush=True)
        downloads = self.downloads()
        print(f"# networks: {dict(self.states)}; downloads: {downloads[True]} complete, {downloads[False]} broken off", flush=True)
        print(f"# deadlines more than {LATE_S} s late: {self.late}", flush=True)


if __name__ == "__main__":
    tap.main()
