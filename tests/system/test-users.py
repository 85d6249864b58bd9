# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-users: polkitd and the rules that cloche ships decide what users may do.

Run by in-service.sh. The tests copy cloche-example.rules to where an administrator would copy it.
"""
import pathlib
import subprocess
import sys
import unittest
import xml.etree.ElementTree

from gi.repository import GLib

from cloche_tests import tap
from cloche_tests.service import MANAGER, PROCESS, SANDBOX, TOP, USERS, Failure, Sandbox, SystemService, number, output, systemctl, text, wait_until

SILENT_AGENT = pathlib.Path(__file__).with_name("silent-polkit-agent.py")
EXAMPLE = pathlib.Path("/usr/local/share/doc/cloche/cloche-example.rules")
RULES = pathlib.Path("/etc/polkit-1/rules.d/60-cloche.rules")
ACTIONS = ("create", "use", "manage-others", "network", "network-private", "manage-templates", "manage-pool")
ALL = {"all_users": GLib.Variant("b", True)}
VALUES = {"s": "1", "as": ["true"], "a{sv}": {}, "t": 60, "u": 60, "q": 60, "i": 10, "h": 0}


def setUpModule():
    global service, a, b
    service = SystemService()
    a, b = (service.client(user) for user in USERS)
    for group in ("data-science", "sandbox-admins"):
        output("groupadd", group)


def tearDownModule():
    RULES.unlink(missing_ok=True)
    for sandbox in service.sandboxes(**ALL):
        sandbox.kill()
    service.settled()


def failure(client, path, interface, method, signature, *values):
    """Returns the name and message of the error, or None if the call succeeds."""
    try:
        client.call(path, interface, method, signature, *values)
    except Failure as error:
        return str(error)
    return None


def methods_of(sandbox):
    """Yields every method of the API that concerns one sandbox, with arguments. Methods that end it are last."""
    paths = {SANDBOX: f"/org/cloche1/sandbox/{sandbox}", PROCESS: f"/org/cloche1/process/{sandbox}_1", MANAGER: "/org/cloche1"}
    for interface, name in ((SANDBOX, "Id"), (PROCESS, "Pid")):
        properties = paths[interface], "org.freedesktop.DBus.Properties"
        yield *properties, "Get", "(ss)", interface, name
        yield *properties, "GetAll", "(s)", interface
    calls = []
    for interface in xml.etree.ElementTree.parse(TOP / "dbus/org.cloche1.xml").iter("interface"):
        for method in interface.iter("method"):
            arguments = [arg for arg in method.iter("arg") if arg.get("direction") == "in"]
            is_named = interface.get("name") == MANAGER and bool(arguments) and arguments[0].get("name") == "id"
            if interface.get("name") == MANAGER and not is_named:
                continue
            values = [VALUES[arg.get("type")] for arg in arguments]
            calls.append((paths[interface.get("name")], interface.get("name"),
                          method.get("name"), f"({''.join(arg.get('type') for arg in arguments)})",
                          *([sandbox] if is_named else []), *values[is_named:]))
    yield from sorted(calls, key=lambda call: (call[1] != PROCESS and "Kill" in call[2], call[2] == "Kill"))


def refusal(client, template="minimal", **options):
    """Returns the error of CreateSandbox, or None if it succeeds."""
    try:
        client.create(template, **options).kill()
    except Failure as error:
        return str(error)
    return None


class Strangers(unittest.TestCase):
    def test_every_method(self):
        sandbox = a.create("minimal", timeout=number(600))
        nobody = "a" * len(sandbox.id)
        calls = list(zip(methods_of(sandbox.id), methods_of(nobody)))
        self.assertGreaterEqual(len(calls), 8)
        for call, of_nobody in calls:
            with self.subTest(method=call[2]):
                found = failure(b, *call)
                self.assertRegex(found, "NoSuchSandbox: there is no sandbox")
                self.assertEqual(found.replace(sandbox.id, nobody), failure(b, *of_nobody))
        self.assertEqual(sandbox.run("true")[0], 0)
        sandbox.kill()
        self.assertIn("there is no sandbox", failure(b, *next(methods_of(sandbox.id))))
        self.assertNotIn(sandbox.id, b.ends)

    def test_what_is_listed(self):
        sandbox = a.create("minimal", timeout=number(600))
        self.assertIn(sandbox.id, [s.id for s in a.sandboxes()])
        self.assertEqual(b.sandboxes(), [])
        with self.assertRaisesRegex(Failure, "NotPermitted: .*org.cloche1.manage-others"):
            b.sandboxes(**ALL)
        for client, count in ((a, 1), (b, 0)):
            objects, = client.call("/org/cloche1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "()")
            self.assertEqual(list(objects).count(sandbox.path), count)
            tree = output("runuser", "-u", client.user.pw_name, "--", "busctl", "tree", "--list", "org.cloche1")
            self.assertEqual(tree.count(sandbox.id), count)
        sandbox.kill()


class Example(unittest.TestCase):
    """Each test starts without rules."""

    def setUp(self):
        self.assertFalse(RULES.exists())

    def tearDown(self):
        RULES.unlink()
        wait_until(lambda: refusal(b, "python") is None, 30, "the end of the rules")

    def install(self, **changes):
        """Installs the example with these changes, such as a lower limit that templates reach. polkitd has read it when
        b may not use the template."""
        rules = EXAMPLE.read_text()
        for old, new in changes.items():
            self.assertIn(old.removeprefix("_"), rules)
            rules = rules.replace(old.removeprefix("_"), new)
        self.write(rules)
        wait_until(lambda: refusal(b, "python") is not None, 30, "new rules")

    def write(self, rules):
        """Replaces all rules in one step, because polkitd reads each file and then drops its earlier answers."""
        fresh = RULES.parents[1] / "fresh"
        fresh.write_text(rules)
        fresh.rename(RULES)

    def test_template(self):
        output("gpasswd", "-a", USERS[0], "data-science")
        self.install()
        self.assertRegex(refusal(b, "python"), "NotPermitted: .*org.cloche1.create.*polkit's rules do not permit it")
        self.assertIsNone(refusal(b, "minimal"))
        self.assertIsNone(refusal(a, "python"))
        with self.assertRaisesRegex(Failure, "NotPermitted"):
            b.manager("RunCode", "(ssa{sv})", "python", "1", {"template": text("python")})

    def test_time(self):
        self.install()
        self.assertIsNone(refusal(b, timeout=number(3600)))
        self.assertRegex(refusal(b, timeout=number(3601)), "NotPermitted: .*password")

    def test_memory(self):
        memory = b.template("minimal")["memory-mib"]
        self.install(_2048=str(memory))
        self.assertIsNone(refusal(b))
        self.write(RULES.read_text().replace(f"> {memory}", f"> {memory - 1}"))
        wait_until(lambda: refusal(b) is not None, 30, "new rules")
        self.assertRegex(refusal(b), "NotPermitted: .*password")

    def test_sandbox_admins(self):
        sandbox = a.create("minimal", timeout=number(600))
        self.install()
        with self.assertRaisesRegex(Failure, "NoSuchSandbox"):
            Sandbox(b, sandbox.path).run("true")
        output("gpasswd", "-a", USERS[1], "sandbox-admins")
        self.assertEqual(Sandbox(b, sandbox.path).run("true")[0], 0)
        self.assertIn(sandbox.id, [s.id for s in b.sandboxes(**ALL)])
        for call in methods_of(sandbox.id):
            with self.subTest(method=call[2]):
                if call[2] == "KillSandbox": # b gets signals about others' sandboxes after it lists them, until rules change
                    b.sandboxes(**ALL)
                found = failure(b, *call)
                if call[1:3] == (SANDBOX, "Kill"): # KillSandbox has ended the sandbox before
                    self.assertRegex(found, f"sandbox '{sandbox.id}' has ended: killed")
                else: # a caller that may call the method gets errors about its arguments
                    self.assertNotRegex(found or "", "NoSuchSandbox|NotPermitted|UnknownMethod")
        self.assertEqual(wait_until(lambda: b.ends.get(sandbox.id), 10, "the signal"), "killed")
        output("gpasswd", "-d", USERS[1], "sandbox-admins")


def scope_of(sandbox):
    """Returns the systemd unit of the sandbox's machine."""
    units = systemctl("list-units", "--plain", "--no-legend", "--full", "machine-qemu*").split()
    return next(unit for unit in units if sandbox.id in unit)


class Polkit(unittest.TestCase):
    def test_actions(self):
        for action in ACTIONS:
            found = output("pkaction", "--verbose", "--action-id", f"org.cloche1.{action}")
            self.assertRegex(found, r"description:\s+\S")
            self.assertRegex(found, r"message:\s+Authentication is required")
        self.assertEqual(output("pkaction").count("org.cloche1."), len(ACTIONS))

    def test_dialogs_of_callers_that_leave(self):
        found = subprocess.run(["runuser", "-u", USERS[0], "--", sys.executable, SILENT_AGENT], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, timeout=120)
        self.assertEqual((found.returncode, found.stdout), (0, "done\n"))

    def test_root_needs_none(self):
        """Without polkitd, only root's calls work, and others are told to try again. Users' calls work again when polkitd is running."""
        own = a.create("minimal", timeout=number(600))
        self.assertEqual(own.run("true")[0], 0)
        service.settled() # without polkit, no machine can be limited, so only those that wait can be used
        systemctl("mask", "--runtime", "--now", "polkit.service")
        try:
            wait_until(lambda: refusal(a) is not None, 30, "polkit's end")
            self.assertRegex(refusal(a), "Busy: .*polkit could not be asked")
            self.assertRegex(failure(a, own.path, SANDBOX, "Kill", "()"), "Busy: .*polkit could not be asked")
            self.assertIsNone(refusal(service))
        finally:
            systemctl("unmask", "--runtime", "polkit.service")
        self.assertEqual(own.run("true")[0], 0)
        own.kill()
        # systemd consults polkit, too: a machine that could not be bounded meanwhile was ended.
        for _ in range(3):
            self.assertTrue(self.has_bounds())

    def has_bounds(self):
        """Claims and ends the next machine of the pool; returns whether it has limits."""
        sandbox = a.create("minimal", timeout=number(600))
        weight = systemctl("show", "-P", "CPUWeight", scope_of(sandbox))
        sandbox.kill()
        return weight == "100"


class ServicesOwn(unittest.TestCase):
    """cloche.rules decides what the user cloche-vm may do."""

    def as_service(self, *argv):
        return subprocess.run(["runuser", "-u", "cloche-vm", "--", *argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, text=True, timeout=60)

    def test_scopes_of_machines(self):
        sandbox = a.create("minimal", timeout=number(600))
        scope = scope_of(sandbox)
        self.assertRegex(systemctl("show", "-P", "MemoryMax", scope), r"^\d+$")
        self.assertEqual(self.as_service("systemctl", "--no-ask-password", "set-property", "--runtime", scope,
                                         "CPUWeight=99").returncode, 0)
        self.assertEqual(systemctl("show", "-P", "CPUWeight", scope), "99")
        for verb in ("freeze", "restart"):
            found = self.as_service("systemctl", "--no-ask-password", verb, scope)
            self.assertNotEqual(found.returncode, 0)
            self.assertRegex(found.stdout, "authentication required|Access denied")
        self.assertEqual(sandbox.run("true")[0], 0)
        sandbox.kill()

    def may_bound(self, unit):
        """Makes a scope of this name; returns whether the service may set its properties."""
        with subprocess.Popen(["systemd-run", "--quiet", "--scope", f"--unit={unit}", "cat"], stdin=subprocess.PIPE) as held:
            wait_until(lambda: systemctl("show", "-P", "ActiveState", unit) == "active", 30, unit)
            found = self.as_service("systemctl", "--no-ask-password", "set-property", "--runtime", unit, "CPUWeight=99")
            held.stdin.close()
        if found.returncode:
            self.assertRegex(found.stdout, "authentication required|Access denied")
        return found.returncode == 0

    def test_names_of_scopes(self):
        """With KVM, the first machine of a service is the probe, and no other machine has its name."""
        begin = "machine-qemu\\x2d900\\x2dcloche"
        for unit in (f"{begin}\\x2dprobe\\x2d900.scope", f"{begin}\\x2dabcdefgh.scope"):
            self.assertTrue(self.may_bound(unit), unit)
        for unit in (f"{begin}\\x2dother\\x2d900.scope", f"{begin}\\x2dprobe\\x2d9\\x2d0.scope", f"{begin}.scope",
                     "machine-qemu\\x2d900\\x2dprobe\\x2d900.scope"):
            self.assertFalse(self.may_bound(unit), unit)

    def test_nothing_else(self):
        for arguments in (("set-property", "--runtime", "polkit.service", "CPUWeight=99"), ("kill", "polkit.service"),
                          ("set-property", "--runtime", "machine.slice", "CPUWeight=99"),
                          ("stop", "polkit.service"), ("restart", "cloched.service"), ("reboot",)):
            with self.subTest(arguments=arguments):
                found = self.as_service("systemctl", "--no-ask-password", *arguments)
                self.assertNotEqual(found.returncode, 0)
                self.assertRegex(found.stdout, "authentication required|Access denied")
        with self.assertRaises(subprocess.CalledProcessError):
            output("runuser", "-u", USERS[0], "--", "systemctl", "--no-ask-password", "set-property", "--runtime",
                   "cloched.service", "CPUWeight=99")


if __name__ == "__main__":
    tap.main()
