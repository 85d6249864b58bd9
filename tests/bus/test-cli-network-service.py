# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-cli-network-service: the service accepts what the command line makes of the options for a network.

Usage: test-cli-network-service.py CLOCHE, in an environment whose system bus has the service (with-service, with
FIXTURE_EGRESS), so that fake-egress.c shows what would be in force. test-cli-network.py has the details.
"""
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile

from cloche_tests import tap
from cloche_tests.console import WAIT_S, CliTest

CONTROL = pathlib.Path(os.environ["FIXTURE_CONTROL"])
SECRET = "hunter2hunter2"
UNRESOLVED = "echo 'Could not resolve host: a' >&2; exit 6"


class Network(CliTest):
    def setUp(self):
        super().setUp()
        file = tempfile.NamedTemporaryFile("w")
        self.addCleanup(file.close)
        file.write(SECRET)
        file.flush()
        self.secret = f"--secret=api.example:Authorization=Bearer @{file.name}"

    def create(self, *arguments):
        return self.out("create", "--template", self.template, *arguments).strip()

    def command(self, text):
        """Sends a command to fake-egress, and waits until it was carried out."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
            control.connect(str(CONTROL / "egress.control"))
            control.send(text.encode())
            self.assertEqual(len(control.recv(1)), 1)

    def asked(self, box):
        """Returns what fake-egress was asked about a sandbox, without the id."""
        lines = (CONTROL / "egress.log").read_text().splitlines()
        return [line.replace(f" {box}", "") for line in lines if box in line]

    def test_creation(self):
        box = self.create("--allow", "pypi.org", "--allow", "*.example:8000-8100/tcp", self.secret)
        self.assertEqual(self.asked(box), ["port", f"secret 0 {SECRET}", "set 0 internet, restricted: pypi.org *.example:8000-8100/tcp api.example:443"])
        self.assertEqual(self.out("network", box).splitlines()[:6], [
            box, "    Network: restricted", "      Allow: pypi.org", "             *.example:8000-8100/tcp", "             api.example:443",
            "     Secret: Authorization for api.example:443"])
        self.assertIn("    Traffic: 10 bytes sent, 20 bytes received\nConnections: 0 open, 3 in all, 0 refused, 0 failed\n", self.out("network", box))
        answer = self.out("network", "--json", box)
        self.assertEqual(json.loads(answer)["network"]["state"], "on")
        self.assertNotIn(SECRET, answer)

    def test_change(self):
        self.assertEqual(self.out("network", self.box), f"{self.box}\n    Network: off\n")
        self.assertEqual(self.out("network", self.box, "internet", "--deny", "a.example", "--bandwidth", "10M"), "")
        self.assertIn("set 0 internet, internet", self.asked(self.box)[-1])
        self.assertIn("       Deny: a.example\n     Limits: at most 10.0 MB per second", self.out("network", self.box))
        self.cloche("network", self.box, "--allow", "b.example")
        self.assertEqual(self.asked(self.box)[-1], "set 0 internet, restricted: b.example")
        self.assertIn("\n  Network: restricted\n", self.out("status", self.box))
        self.cloche("network", self.box, "off")
        self.assertEqual(self.out("network", self.box), f"{self.box}\n    Network: off\n")
        self.assertNotIn("Network", self.out("status", self.box))

    def test_one_command(self):
        self.assertEqual(self.out("run", "--template", self.template, "--allow", "pypi.org", self.secret, "--", "echo", "x"), "x\n")

    def test_refusals(self):
        for options, said in ((["--allow", "a b"], "allow: "), (["--allow", "a:99999"], "allow: "),
                              (["--network", "internet", "--deny", "api.example", self.secret], "secrets: 'api.example', port 443, is not allowed"),
                              (["--allow", "a", "--connections", "257"], "connections: ")):
            with self.subTest(options=options):
                err = self.err("create", "--template", self.template, *options, status=125)
                self.assertIn(said, err)
                self.assertIn("see cloche create --help", err)
                self.assertNotIn(SECRET, err)

    def test_hint(self):
        hint = self.err("exec", self.box, "--", "sh", "-c", UNRESOLVED, status=6).splitlines()[1]
        self.assertEqual(hint, f"cloche: the sandbox has no network: 'cloche network {self.box} --mode internet' gives it one, '--allow HOST' only one host")
        self.cloche("network", self.box, "--mode", "internet")
        self.assertEqual(self.err("exec", self.box, "--", "sh", "-c", UNRESOLVED, status=6), "Could not resolve host: a\n")
        self.command(f"exhausted {self.box}")
        self.wait_until(lambda: "closed" in self.out("network", self.box))
        self.assertIn("cloche: the network of the sandbox is closed: ", self.err("exec", self.box, "--", "sh", "-c", UNRESOLVED, status=6))

    def test_log(self):
        self.cloche("network", self.box, "internet")
        log = self.popen("network", self.box, "--log", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        other = self.popen("--json", "network", self.box, "--log", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.wait_until(lambda: self.watches() == 2)
        event = {"event": "refused", "time": 1, "host": "a.example", "port": 22, "reason": "deny a.example"}
        self.command(f"write {self.box} {json.dumps(event)}")
        self.assertIn(" refused a.example:22: deny a.example\n", log.stdout.readline())
        self.assertEqual(json.loads(other.stdout.readline()), event)
        other.send_signal(signal.SIGINT)
        self.assertEqual((other.wait(WAIT_S), other.stderr.read()), (130, ""))
        self.cloche("network", self.box, "off")
        self.assertEqual(log.wait(WAIT_S), 0)
        self.assertIn("was switched off or closed", log.stderr.read())

    def watches(self):
        """A stream of connections counts as a process of its owner."""
        return json.loads(self.out("status", "--json"))["Quota"]["processes"][0]

    def test_end_of_the_sandbox(self):
        self.cloche("network", self.box, "internet")
        log = self.popen("network", self.box, "--log", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.wait_until(lambda: self.watches() == 1)
        self.cloche("kill", self.box)
        self.assertEqual(log.wait(WAIT_S), 0)


tap.main()
