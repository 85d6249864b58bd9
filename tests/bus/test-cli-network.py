# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-cli-network: what the service gets from the options for a network, what 'cloche network' shows, and when a failed
command is explained by its network.

Usage: test-cli-network.py CLOCHE, started by fake-network, which describes the files in FAKE_NETWORK.
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from cloche_tests import tap

CLOCHE = os.path.abspath(sys.argv[1])
FOLDER = pathlib.Path(os.environ["FAKE_NETWORK"])
BOX = "abcdefghij234567"
WAIT_S = 60
ALL_SEALS = 15
SECRET = "hunter2hunter2"
LIMITED = "{'mode': <'restricted'>, 'state': <'on'>, 'allow': <['pypi.org']>}"


class NetworkTest(unittest.TestCase):
    def setUp(self):
        self.file = tempfile.NamedTemporaryFile("w")
        self.addCleanup(self.file.close)
        self.file.write(SECRET + "\n")
        self.file.flush()
        self.addCleanup(self.forget)

    def forget(self):
        for file in FOLDER.iterdir():
            file.unlink()

    def control(self, name, text):
        (FOLDER / name).write_text(text)

    def cloche(self, *arguments, status=0, stdin=""):
        done = subprocess.run([CLOCHE, *arguments], input=stdin, capture_output=True, text=True, timeout=WAIT_S, check=False)
        self.assertEqual(done.returncode, status, (arguments, done.stdout, done.stderr))
        self.assertNotIn(SECRET, done.stdout + done.stderr)
        return done

    def out(self, *arguments, **options):
        return self.cloche(*arguments, **options).stdout

    def err(self, *arguments, **options):
        return self.cloche(*arguments, **options).stderr

    def calls(self, method):
        """Returns the arguments of the calls of a method, each with the lines about its descriptors."""
        file = FOLDER / "calls"
        found = re.findall(r"^(\w+) (\(.*\))\n((?:fd .*\n)*)", file.read_text() if file.exists() else "", re.MULTILINE)
        return [(arguments, fds.splitlines()) for name, arguments, fds in found if name == method]

    def only_call(self, method):
        (call,) = self.calls(method)
        return call


class Options(NetworkTest):
    """Of verbs that create a sandbox."""

    VERBS = {"create": [], "run": ["--", "true"], "code": ["-c", '{"type": "end", "status": "ok"}']}

    def created(self, verb, *options):
        """Returns the option network of CreateSandbox(), and its descriptors."""
        self.forget()
        self.cloche(verb, *options, *self.VERBS[verb])
        arguments, fds = self.only_call("CreateSandbox")
        return arguments.partition("'network': <")[2], fds

    def test_each_verb(self):
        for verb in self.VERBS:
            with self.subTest(verb):
                self.assertEqual(self.created(verb), ("", []))
                network, fds = self.created(verb, "--network", "internet", "--deny", "a.example")
                self.assertIn("'mode': <'internet'>", network)
                self.assertIn("'deny': <['a.example']>", network)
                self.assertEqual(fds, [])

    def test_all_options(self):
        network, fds = self.created("create", "--allow", "pypi.org", "--allow=10.0.0.0/8:22", "--private", "--bandwidth", "10M", "--traffic",
                                    "2G", "--connections", "9", "--secret", f"api.example/v1:Authorization=Bearer @{self.file.name}")
        for part in ("'mode': <'restricted'>", "'allow': <['pypi.org', '10.0.0.0/8:22', 'api.example:443']>", "'private': <true>",
                     "'bandwidth': <uint64 10000000>", "'traffic': <uint64 2000000000>", "'connections': <uint32 9>",
                     "'host': <'api.example'>", "'port': <uint16 443>", "'header': <'Authorization'>", "'format': <'Bearer %s'>",
                     "'value': <handle 0>", "'paths': <['/v1']>"):
            self.assertIn(part, network)
        self.assertEqual(fds, [f"fd {ALL_SEALS} {SECRET}"])

    def test_secrets_are_nowhere_else(self):
        """The value is neither in arguments nor in the environment of the program, nor in a message."""
        self.control("hold", "")
        self.control("network", "{'mode': <'internet'>, 'state': <'on'>}")
        with subprocess.Popen([CLOCHE, "run", "--secret", "a:H=@-", "--", "sleep", "600"], stdin=subprocess.PIPE) as running:
            running.stdin.write(SECRET.encode())
            running.stdin.close()
            self.wait_until(lambda: self.calls("Wait"))
            for file in "cmdline", "environ":
                self.assertNotIn(SECRET.encode(), pathlib.Path(f"/proc/{running.pid}/{file}").read_bytes())
            running.terminate()
        arguments, fds = self.only_call("CreateSandbox")
        self.assertNotIn(SECRET, arguments)
        self.assertEqual(fds, [f"fd {ALL_SEALS} {SECRET}"])

    def wait_until(self, condition):
        end = time.monotonic() + WAIT_S
        while not condition():
            self.assertLess(time.monotonic(), end)

    def test_secrets_from_standard_input(self):
        self.cloche("create", "--secret", "a:H=@-", stdin=SECRET)
        self.assertEqual(self.only_call("CreateSandbox")[1], [f"fd {ALL_SEALS} {SECRET}"])
        for arguments, reader in ((["run", "-i", "--secret", "a:H=@-", "--", "cat"], "the command"), (["code", "--secret", "a:H=@-"], "the code"),
                                  (["code", "--secret", "a:H=@-", "-"], "the code"), (["shell", "--secret", "a:H=@-"], "the terminal"),
                                  (["create", "--secret", "a:H=@-", "--secret", "b:H=@-"], "another --secret")):
            self.assertIn(f"{reader} already reads standard input: give @FILE", self.err(*arguments, stdin=SECRET, status=2))

    def test_refusals(self):
        long = tempfile.NamedTemporaryFile("w")
        self.addCleanup(long.close)
        long.write("x" * 8193)
        long.flush()
        for options, status, said in (
                ([f"--secret=api.example:Authorization=Bearer {SECRET}"], 2, "--secret for Authorization of api.example: other users of this machine can "
                 "see the command line, so the value must be in a file; expected @FILE, or @- for standard input"),
                (["--secret", SECRET], 2, "expected HOST[:PORT][/PATH]:HEADER=[TEXT]@FILE"),
                (["--secret", "a:H=@/nonexistent"], 125, "cannot read '/nonexistent': No such file or directory"),
                (["--secret", f"a:H=@{long.name}"], 2, "is longer than 8 KiB"),
                (["--network", "none"], 2, "'none' is not a mode of the network: off, restricted or internet"),
                (["--network", "restricted"], 2, "add --allow"),
                (["--network", "off", "--allow", "a"], 2, "--allow cannot be given when the network is off"),
                (["--deny", "a"], 2, "--deny permits nothing by itself: add --network internet, or --allow"),
                (["--allow", "a", "--bandwidth", "1.5M"], 2, "--bandwidth: '1.5M' is not a size")):
            for verb, others in self.VERBS.items():
                with self.subTest(options=options, verb=verb):
                    self.assertIn(said, self.err(verb, *options, *others, status=status))
                    error = json.loads(self.out("--json", verb, *options, *others, status=status))["error"]
                    self.assertIn(said, error["message"])
        self.assertEqual(self.calls("CreateSandbox"), [])

    def test_sandboxes_that_exist(self):
        for arguments in (["code", "-s", BOX, "--network", "internet", "-c", "1"], ["shell", "--network", "internet", BOX]):
            self.assertIn(f"'cloche network {BOX}' changes its network", self.err(*arguments, status=2))
        self.assertIn("'cloche network ID' changes the network of a sandbox", self.err("exec", "--allow", "a", BOX, "--", "true", status=2))

    def test_errors_of_the_service(self):
        for name, text, hint in (
                ("Unsupported", "network: sandboxes of this host have none, because the program or the user cloche-egress is not installed", "cloche doctor"),
                ("NotPermitted", "network: a sandbox may not have one, because its template permits none", "cloched.conf(5)"),
                ("NotPermitted", "polkit does not permit it", "cloched(8)"),
                ("InvalidArgument", "network: allow: 'a b' is not a name", "see cloche create --help"),
                ("QuotaExceeded", "network: the traffic of users is limited, so a network needs the option traffic", "--traffic SIZE"),
                ("QuotaExceeded", "The limit connections of the user is reached", "--connections and --traffic ask for less")):
            self.control("fail-CreateSandbox", f"org.cloche1.Error.{name} {text}")
            err = self.err("create", "--allow", "a", status=125)
            self.assertIn(text, err)
            self.assertIn(hint, err)


class Verb(NetworkTest):
    POLICY = ("{'mode': <'restricted'>, 'state': <'on'>, 'allow': <['pypi.org', '*.example\\u202e']>, 'deny': <['x']>, 'private': <true>, "
              "'bandwidth': <uint64 10000000>, 'traffic': <uint64 2000000000>, 'connections': <uint32 9>, "
              "'secrets': <[{'host': <'api.example'>, 'port': <uint16 443>, 'header': <'Authorization'>, 'paths': <['/v1', '/v2']>}]>}")
    FIGURES = ("[{'bytes-up': uint64 1500, 'bytes-down': 2500000, 'connections': 14, 'open': 3, 'refused': 2, 'failed': 1, 'requests': 5, "
               "'lookups': 20}]")

    def test_off(self):
        self.assertEqual(self.out("network", BOX), f"{BOX}\n    Network: off\n")
        self.assertEqual(self.calls("GetTraffic"), [])

    def test_everything(self):
        self.control("network", self.POLICY)
        self.control("traffic", self.FIGURES)
        self.assertEqual(self.out("network", BOX).splitlines(), [
            BOX,
            "    Network: restricted",
            "      Allow: pypi.org",
            "             *.example\\u202e",
            "       Deny: x",
            "    Private: addresses of networks that are allowed",
            "     Secret: Authorization for api.example:443, paths /v1 /v2",
            "     Limits: at most 10.0 MB per second in each direction",
            "             at most 2.0 GB in all",
            "             at most 9 connections at once",
            "    Traffic: 2 KB sent, 2.5 MB received",
            "Connections: 3 open, 14 in all, 2 refused, 1 failed",
            "   Requests: 5 inspected"])
        answer = json.loads(self.out("network", "--json", BOX))
        self.assertEqual(answer["id"], BOX)
        self.assertEqual(answer["network"]["allow"], ["pypi.org", "*.example\u202e"])
        self.assertEqual(answer["network"]["secrets"][0]["header"], "Authorization")
        self.assertEqual(answer["traffic"]["bytes-down"], 2500000)

    def test_closed(self):
        self.control("network", "{'mode': <'internet'>, 'state': <'closed'>, 'reason': <'its traffic is used up'>}")
        self.assertEqual(self.out("network", BOX), f"{BOX}\n    Network: internet, closed: its traffic is used up\n")
        self.assertEqual(self.err("network", BOX, "--log", status=125),
                         f"cloche: the network of the sandbox is closed: its traffic is used up\ncloche: 'cloche network {BOX} MODE' sets it anew\n")

    def test_closed_in_the_meantime(self):
        self.control("network", LIMITED)
        self.control("fail-GetTraffic", "org.cloche1.Error.Busy cloche-egress is not running")
        self.assertEqual(self.out("network", BOX), f"{BOX}\n    Network: restricted\n      Allow: pypi.org\n")

    # --- changing it ---

    def set(self, *options):
        self.forget()
        self.assertEqual(self.out("network", BOX, *options), "")
        return self.only_call("SetNetwork")

    def test_mode(self):
        for options in ["internet"], ["--mode", "internet"]:
            self.assertEqual(self.set(*options), ("({'mode': <'internet'>},)", []))
        self.assertEqual(self.set("off"), ("({'mode': <'off'>},)", []))

    def test_policy(self):
        policy, fds = self.set("--allow", "a", "--deny", "b", "--secret", f"c:H=@{self.file.name}")
        for part in "'mode': <'restricted'>", "'allow': <['a', 'c:443']>", "'deny': <['b']>", "'value': <handle 0>":
            self.assertIn(part, policy)
        self.assertEqual(fds, [f"fd {ALL_SEALS} {SECRET}"])

    def test_answer(self):
        self.control("network", "{'mode': <'internet'>, 'state': <'on'>}")
        answer = json.loads(self.out("--json", "network", BOX, "internet"))
        self.assertEqual((answer["id"], answer["network"]), (BOX, {"mode": "internet", "state": "on"}))

    def test_refusals(self):
        for arguments, said in ((["internet", "--mode", "off"], "the mode is given twice: 'internet' and --mode off"),
                                (["everything"], "'everything' is not a mode of the network: off, restricted or internet"),
                                (["--deny", "a"], "--deny permits nothing by itself: add --mode internet, or --allow"),
                                (["off", "--log"], "--log cannot be given with options that change the network"),
                                (["--log", "--allow", "a"], "--log cannot be given with"),
                                (["off", "off"], "unexpected argument 'off'")):
            self.assertIn(said, self.err("network", BOX, *arguments, status=2))
        self.assertIn("too few arguments", self.err("network", status=2))
        self.assertEqual(self.calls("SetNetwork"), [])

    def test_errors(self):
        self.control("fail-SetNetwork", "org.cloche1.Error.Unsupported network: an earlier version of cloche has started the machine")
        self.assertIn("cloche create --network", self.err("network", BOX, "internet", status=125))
        self.control("fail-GetSandbox", "org.cloche1.Error.NoSuchSandbox there is no such sandbox")
        self.assertIn("cloche list", self.err("network", BOX, status=125))

    # --- following it ---

    EVENTS = [
        {"event": "open", "time": 1, "host": "pypi.org", "port": 443, "address": "192.0.2.7", "protocol": "tls", "rule": "allow pypi.org"},
        {"event": "close", "time": 1, "host": "pypi.org", "port": 443, "bytes_up": 1500, "bytes_down": 2500000, "duration_usec": 1250000},
        {"event": "close", "time": 1, "host": "pypi.org", "port": 443, "bytes_up": 1, "bytes_down": 0, "duration_usec": 0, "reason": "reset"},
        {"event": "refused", "time": 1, "host": "evil.example", "reason": "not in allow"},
        {"event": "refused", "time": 1, "host": "2001:db8::1", "port": 22, "rule": "deny *"},
        {"event": "close", "time": 1, "host": "api.example", "port": 443, "bytes_up": 10, "bytes_down": 20, "duration_usec": 100000,
         "reason": "the response contains a secret"},
        {"event": "failed", "time": 1, "host": "pypi.org", "port": 443, "reason": "Connection refused"},
        {"event": "request", "time": 1, "host": "api.example", "port": 443, "method": "GET", "path": "/v1/x", "status": 200},
        {"event": "dropped", "count": 12},
        {"event": "refused", "time": 1, "host": "\u001b[31m\u202e", "port": 1, "reason": "a\nb"},
    ]
    LINES = [
        "open    pypi.org:443 (192.0.2.7, tls, allow pypi.org)",
        "close   pypi.org:443, 2 KB sent, 2.5 MB received, after 1.2s",
        "close   pypi.org:443, 1 byte sent, 0 bytes received, after 0.0s: reset",
        "refused evil.example: not in allow",
        "refused [2001:db8::1]:22: deny *",
        "close   api.example:443, 10 bytes sent, 20 bytes received, after 0.1s: the response contains a secret",
        "failed  pypi.org:443: Connection refused",
        "request api.example:443 GET /v1/x, status 200",
        "12 lines are missing: they were not read in time",
        "refused \\x1b[31m\\u202e:1: a\\x0ab",
    ]

    def begin_log(self, events=()):
        self.control("network", LIMITED)
        self.control("events", "".join(json.dumps(event) + "\n" for event in events or self.EVENTS))

    def test_log(self):
        self.begin_log()
        done = self.cloche("network", BOX, "--log")
        self.assertEqual([re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in done.stdout.splitlines()], self.LINES)
        self.assertEqual(done.stderr, f"cloche: the network of {BOX} was switched off or closed, or the sandbox has ended\n")

    def test_log_as_json(self):
        self.begin_log()
        done = self.cloche("--json", "network", BOX, "--log")
        self.assertEqual([json.loads(line) for line in done.stdout.splitlines()], self.EVENTS)
        self.assertEqual(done.stderr, "")

    def test_log_without_network(self):
        self.assertEqual(self.err("network", BOX, "--log", status=125),
                         f"cloche: the sandbox has no network\ncloche: 'cloche network {BOX} --mode internet' gives it one\n")
        self.assertEqual(self.calls("WatchConnections"), [])

    def test_log_is_interrupted(self):
        self.begin_log()
        self.control("hold", "")
        with subprocess.Popen([CLOCHE, "network", BOX, "--log"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            for line in self.LINES:
                self.assertIn(line, running.stdout.readline())
            running.send_signal(signal.SIGINT)
            self.assertEqual(running.communicate(timeout=WAIT_S), ("", ""))
            self.assertEqual(running.returncode, 130)

    def test_reader_of_the_log_leaves(self):
        self.begin_log(self.EVENTS * 50)
        self.control("hold", "")
        with subprocess.Popen([CLOCHE, "network", BOX, "--log"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            running.stdout.close()
            self.assertEqual(running.wait(WAIT_S), 128 + signal.SIGPIPE)
            self.assertEqual(running.stderr.read(), b"")

    def test_what_is_no_event(self):
        self.begin_log()
        for text in "x\n", "[]\n", "{}x\n":
            self.control("events", text)
            self.assertIn("a line that is not an event", self.err("network", BOX, "--log", status=125))
        self.control("events", "x" * 65537)
        self.assertIn("too long", self.err("network", BOX, "--log", status=125))
        self.control("events", '{"event": [], "host": {}, "port": "x", "time": null}\n')
        self.assertRegex(self.out("network", BOX, "--log"), r"^\d\d:\d\d:\d\d +\n$")


class Hints(NetworkTest):
    """A failure is explained by the network of the sandbox only if the network is the reason."""

    OFF = f"cloche: the sandbox has no network: 'cloche network {BOX} --mode internet' gives it one, '--allow HOST' only one host\n"
    UNRESOLVED = "curl: (6) Could not resolve host: pypi.org\n"
    UNREACHABLE = "curl: (7) Failed to connect to 93.184.216.34 port 80 after 0 ms: Couldn't connect to server\n"
    RESET = "curl: (56) Recv failure: Connection reset by peer\n"

    def command(self, error, status):
        self.file.seek(0)
        self.file.truncate()
        self.file.write(error)
        self.file.flush()
        return "sh", "-c", f"cat {self.file.name} >&2; exit {status}"

    def exec(self, error, status=1, **options):
        """Runs a command that writes the text to standard error, and returns what follows it there."""
        err = self.err("exec", BOX, "--", *self.command(error, status), status=status, **options)
        self.assertTrue(err.startswith(error), err)
        return err.removeprefix(error)

    def run_(self, error):
        err = self.err("run", "--allow", "pypi.org", "--", *self.command(error, 1), status=1)
        return err.removeprefix(error)

    def code(self, *events, status=1, options=("-s", BOX)):
        end = {"type": "end", "status": "ok" if status == 0 else "error"}
        return self.err("code", *options, "-c", "\n".join(json.dumps(event) for event in [*events, end]), status=status)

    def test_off(self):
        self.assertEqual(self.exec(self.UNRESOLVED), self.OFF)
        self.assertEqual(self.exec(self.UNREACHABLE), self.OFF)
        self.assertEqual(self.exec("x" * 100000 + "\n" + self.UNRESOLVED + "x" * 60000), self.OFF)

    def test_off_in_a_new_sandbox(self):
        for arguments in ["run", "--", "sh", "-c", "echo 'Could not resolve host: a' >&2; exit 6"],:
            self.assertEqual(self.err(*arguments, status=6), "Could not resolve host: a\ncloche: the sandbox has no network: '--network internet' gives it "
                                                             "one, '--allow HOST' only one host\n")

    def test_off_in_code(self):
        traceback = {"type": "error", "name": "URLError", "value": "x", "traceback":
                     "Traceback (most recent call last):\nurllib.error.URLError: <urlopen error [Errno -2] Name or service not known>\n"}
        self.assertTrue(self.code(traceback).endswith(self.OFF))
        self.assertTrue(self.code({"type": "stderr", "text": self.UNRESOLVED}).endswith(self.OFF))
        self.assertIn("'--network internet' gives it one", self.code(traceback, options=()))
        self.assertEqual(self.code({"type": "stderr", "text": self.UNRESOLVED}, status=0), self.UNRESOLVED)
        self.assertEqual(self.code({"type": "error", "name": "E", "value": "x", "traceback": "E: x\n"}), "E: x\n")

    def test_no_hint(self):
        self.assertEqual(self.exec(self.UNRESOLVED, status=0), "")
        for text in ("", "cp: cannot stat 'x': No such file or directory\n", self.RESET, "sudo: unable to resolve host abc: Name or service not known\n",
                     "curl: (6) Could not resolve host: localhost\n", self.UNRESOLVED + "x" * 200000):
            with self.subTest(text[:50]):
                self.assertEqual(self.exec(text), "")
        self.assertEqual(self.calls("WatchConnections"), [])

    def test_no_hint_about_a_network_that_refuses_nothing(self):
        self.control("network", LIMITED)
        self.control("traffic", "[{'refused': uint64 7}]")
        self.assertEqual(self.exec(self.UNRESOLVED), "")

    def test_no_hint_for_programs(self):
        """Standard output with --json is the whole answer."""
        done = self.cloche("--json", "exec", BOX, "--", "true", status=1)
        self.assertIn("Could not resolve host", json.loads(done.stdout)["stderr"])
        self.assertEqual(done.stderr, "")
        self.assertEqual(self.calls("GetTraffic"), [])

    def test_killed(self):
        err = self.err("exec", BOX, "--", "sh", "-c", "echo 'Could not resolve host: a' >&2; kill $$", status=128 + signal.SIGTERM)
        self.assertNotIn("network", err)

    def test_closed(self):
        self.control("network", "{'mode': <'internet'>, 'state': <'closed'>, 'reason': <'its traffic is used up'>}")
        self.assertEqual(self.exec(self.RESET), "cloche: the network of the sandbox is closed: its traffic is used up\n")

    def test_refused_in_the_meantime(self):
        self.control("network", LIMITED)
        for traffic, said in (("[{'refused': uint64 7}, {'refused': 8}]", "1 connection"), ("[{'refused': uint64 0}, {'refused': 3}]", "3 connections")):
            for text in self.UNRESOLVED, self.RESET:
                self.control("traffic", traffic)
                self.assertEqual(self.exec(text), f"cloche: the network of the sandbox refused {said} in the meantime: 'cloche network {BOX}' shows what "
                                                  "it permits, with --log what it refuses\n")

    def test_service_that_does_not_say(self):
        self.control("network", LIMITED)
        self.control("fail-GetTraffic", "org.cloche1.Error.Busy cloche-egress is not running")
        self.assertEqual(self.exec(self.UNRESOLVED), "")
        self.control("fail-GetTraffic", "org.freedesktop.DBus.Error.UnknownMethod no such method")
        self.assertEqual(self.exec(self.UNRESOLVED), "")

    def test_refused_in_a_new_sandbox(self):
        self.control("network", LIMITED)
        self.control("traffic", "[{'refused': uint64 2}]")
        for hold in False, True:
            for event, said in (({"event": "refused", "host": "evil.example", "port": 443, "reason": "not in allow"},
                                 "evil.example:443: '--allow evil.example:443' permits it"),
                                ({"event": "refused", "host": "evil.example", "reason": "not in allow"}, "evil.example: '--allow evil.example' permits it"),
                                ({"event": "refused", "host": "10.0.0.1", "port": 1, "reason": "a private\naddress"}, "10.0.0.1:1: a private\n  address")):
                others = [{"event": "refused", "host": "first", "port": 1, "reason": "x"}, event, {"event": "open", "host": "pypi.org", "port": 443}] * 500
                self.control("events", "".join(json.dumps(each) + "\n" for each in others))
                if hold:
                    self.control("hold", "")
                self.assertEqual(self.run_(self.UNRESOLVED), f"cloche: the network of the sandbox refused {said}\n")
        self.control("traffic", "[{'refused': uint64 0}]")
        self.control("events", json.dumps({"event": "close", "host": "api.example", "port": 443, "reason": "the response contains a secret"}) + "\n")
        self.assertEqual(self.run_(self.RESET), "cloche: a response of api.example:443 was cut off, because it contains the value of a secret\n")
        self.control("events", json.dumps({"event": "close", "host": "api.example", "port": 443, "reason": "idle for too long"}) + "\n")
        self.assertEqual(self.run_(self.RESET), "")
        self.control("traffic", "[{'refused': uint64 2}]")
        order = re.findall(r"^(Start|WatchConnections) ", (FOLDER / "calls").read_text(), re.MULTILINE)
        self.assertEqual(order[:2], ["Start", "WatchConnections"])  # it must not take the place of the command
        self.control("fail-WatchConnections", "org.cloche1.Error.QuotaExceeded too many")
        self.assertEqual(self.run_(self.UNRESOLVED), "cloche: the network of the sandbox refused 2 connections in the meantime: '--allow HOST' permits them\n")


tap.main()
