# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-cli: each verb of the command line works with a service, and has the documented exit statuses.

Usage: test-cli.py CLOCHE, in an environment whose buses have the service (with-service), with a default template
whose first language is Python.
"""
import base64
import contextlib
import json
import os
import pathlib
import pty
import pwd
import re
import signal
import subprocess
import sys
import tempfile
import unittest

from cloche_tests import tap

CLOCHE = os.path.abspath(sys.argv[1])
USER = pwd.getpwuid(os.getuid()).pw_name
OTHER = "nobody"
VERBS = ["run", "code", "repl", "create", "exec", "shell", "attach", "ps", "signal", "list", "kill", "extend", "pause", "resume", "snapshot",
         "snapshots", "rm-snapshot", "fork", "status", "context",
         "network", "journal", "ls", "cat", "write", "cp", "forward", "ports", "doctor", "help", "version"]
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
                       "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
FIGURE = f"from IPython.display import Image, display; display(Image(data={PNG!r}))"


class CliTest(unittest.TestCase):
    def tearDown(self):
        left = [box["Id"] for box in self.json("list")["sandboxes"]]
        if left:
            self.cloche("kill", *left)

    def popen(self, *arguments, environment=None, **options):
        return subprocess.Popen([CLOCHE, *arguments], env=environment, **options)

    def cloche(self, *arguments, status=0, stdin=b""):
        done = subprocess.run([CLOCHE, *arguments], input=stdin,
                              capture_output=True, timeout=120)
        self.assertEqual(done.returncode, status, (arguments, done.stdout, done.stderr))
        return done

    def out(self, *arguments, **options):
        return self.cloche(*arguments, **options).stdout.decode()

    def err(self, *arguments, **options):
        return self.cloche(*arguments, **options).stderr.decode()

    def json(self, *arguments, **options):
        return json.loads(self.out("--json", *arguments, **options))

    def create(self, *arguments):
        return self.out("create", *arguments).strip()

    def ids(self, *arguments):
        return [box["Id"] for box in self.json("list", *arguments)["sandboxes"]]

    # --- run and exec ---

    def test_run_passes_output_and_status_on(self):
        done = self.cloche("run", "--", "sh", "-c", "echo out; echo err >&2; exit 7", status=7)
        self.assertEqual((done.stdout, done.stderr), (b"out\n", b"err\n"))
        self.assertEqual(self.ids(), [])

    def test_run_tells_signals_as_a_shell_does(self):
        self.cloche("run", "--", "sh", "-c", "kill -9 $$", status=137)

    def test_run_timeout(self):
        done = self.cloche("run", "--timeout", "1", "--", "sleep", "60", status=124)
        self.assertIn(b"--timeout", done.stderr)

    def test_run_stdin_only_when_asked_for(self):
        self.assertEqual(self.out("run", "--", "cat", stdin=b"ignored"), "")
        self.assertEqual(self.out("run", "-i", "--", "cat", stdin=b"given"), "given")

    def test_run_stdin_bound(self):
        done = self.cloche("run", "--json", "-i", "--", "cat", stdin=bytes(1024 * 1024 + 1), status=2)
        self.assertIn(b"1 MiB", done.stdout)

    def test_words_behind_dashes_are_the_command(self):
        self.assertEqual(self.out("run", "--", "echo", "--json", "--", "-h"), "--json -- -h\n")

    def test_run_json(self):
        answer = self.json("run", "--", "sh", "-c", "echo ö; exit 3", status=3)
        self.assertEqual((answer["exit_status"], answer["stdout"], answer["stderr"]), (3, "ö\n", ""))
        self.assertEqual(answer["details"]["how"], "exited")

    def test_command_that_is_not_there(self):
        self.assertIn("no-such-program", self.err("run", "--", "no-such-program", status=127))
        error = self.json("run", "--", "no-such-program", status=127)["error"]
        self.assertEqual(error["name"], "NoSuchProgram")

    def test_command_that_may_not_be_run(self):
        self.cloche("run", "--", "/etc/passwd", status=126)

    def test_exec_options(self):
        box = self.create("--env", "A=1")
        self.assertEqual(self.out("exec", box, "--env", "B=2", "--cwd", "/", "--",
                                  "sh", "-c", "echo $A$B; pwd"), "12\n/\n")
        self.assertEqual(self.ids(), [box])

    def test_exec_in_nothing(self):
        self.assertIn("cloche list", self.err("exec", "nothing", "--", "true", status=125))
        self.assertEqual(self.json("exec", "nothing", "--", "true", status=125)["error"]["name"],
                         "NoSuchSandbox")

    def test_interrupt_kills_the_sandbox_of_run(self):
        for number in signal.SIGINT, signal.SIGTERM:
            with self.watch_calls() as monitor, self.popen("run", "--", "sleep", "600") as running:
                self.assertTrue(any("member=Start" in line for line in monitor.stdout))
                running.send_signal(number)
                self.assertEqual(running.wait(), 128 + number)
                monitor.terminate()
            self.assertEqual(self.ids(), [])

    def watch_calls(self):
        monitor = subprocess.Popen(["dbus-monitor", "--session", "interface='org.cloche1.Sandbox'"],
                                   stdout=subprocess.PIPE, text=True)
        # A monitor loses its name when it begins to receive other clients' messages.
        self.assertTrue(any("member=NameLost" in line for line in monitor.stdout))
        return monitor

    # --- code ---

    def test_code_value_and_output(self):
        done = self.cloche("code", "-c", "print('x'); 6 * 7")
        self.assertEqual((done.stdout, done.stderr), (b"x\n42\n", b""))
        self.assertEqual(self.ids(), [])

    def test_code_from_stdin_and_file(self):
        self.assertEqual(self.out("code", stdin=b"1 + 1"), "2\n")
        self.assertEqual(self.out("code", "-", stdin=b"1 + 1"), "2\n")
        with tempfile.NamedTemporaryFile(suffix=".py") as file:
            file.write("'ä'".encode())
            file.flush()
            self.assertEqual(self.out("code", file.name), "'ä'\n")

    def test_code_error(self):
        done = self.cloche("code", "-c", "print('before'); 1/0", status=1)
        self.assertEqual(done.stdout, b"before\n")
        self.assertIn(b"ZeroDivisionError: division by zero", done.stderr)
        answer = self.json("code", "-c", "1/0", status=1)
        self.assertEqual((answer["status"], answer["error"]["name"]), ("error", "ZeroDivisionError"))

    def test_code_keeps_state_in_a_sandbox(self):
        box = self.create()
        self.assertEqual(self.out("code", "-s", box, "-c", "x = 6"), "")
        self.assertEqual(self.out("code", "-s", box, "-c", "x * 7"), "42\n")

    def test_code_saves_pictures(self):
        with tempfile.TemporaryDirectory() as folder:
            charts = os.path.join(folder, "new", "charts")
            for number in 1, 2:
                path = os.path.join(charts, f"{number:03}.png")
                self.assertIn(f"[image/png 1x1, 70 bytes] saved to {path}",
                              self.err("code", "--save", charts, "-c", FIGURE))
                with open(path, "rb") as file:
                    self.assertEqual(file.read(), PNG)
        self.assertIn("--save", self.err("code", "-c", FIGURE))

    def test_code_json_has_bytes_as_base64(self):
        result = self.json("code", "-c", FIGURE)["results"][0]
        self.assertEqual(base64.b64decode(result["data"]["image/png"]), PNG)

    def test_code_that_cannot_be_read(self):
        self.assertIn("no-such-file", self.err("code", "/no-such-file", status=125))
        self.assertIn("UTF-8", self.err("code", stdin=b"\xff", status=2))
        self.assertIn("1 MiB", self.err("code", stdin=b" " * (1024 * 1024 + 1), status=2))

    def test_code_in_an_unknown_language(self):
        error = self.json("code", "-l", "cobol", "-c", "1", status=125)["error"]
        self.assertIn("cobol", error["message"])

    # --- create, list, extend, kill ---

    def test_create_prints_the_id_alone(self):
        self.assertRegex(self.out("create"), r"\A[a-z0-9]+\n\Z")
        answer = self.json("create")
        self.assertEqual(answer["sandbox"], "/org/cloche1/sandbox/" + answer["id"])

    def test_idempotency_key(self):
        self.assertEqual(self.create("--idempotency-key", "k"), self.create("--idempotency-key", "k"))
        self.assertEqual(len(self.ids()), 1)

    def test_list_filters(self):
        one = self.create("--name", "one", "--metadata", "k=1")
        two = self.create("--name", "two", "--metadata", "k=2")
        self.assertEqual(self.ids(), [one, two])
        self.assertEqual(self.ids("--metadata", "k=2"), [two])
        self.assertEqual(self.ids("--metadata", "k=3"), [])
        table = self.out("list").splitlines()
        self.assertRegex(table[0], r"^ID +NAME +TEMPLATE +STATE +AGE +ENDS IN +OWNER +METADATA$")
        self.assertRegex(table[1], rf"^{one} +one +\S+ +running +\d+s +4m \d+s +{USER} +k=1$")

    def test_list_does_not_obey_metadata(self):
        self.create("--metadata", "k=\033]0;title\a\u202e")
        self.assertIn("k=\\x1b]0;title\\x07\\u202e", self.out("list"))

    def test_pause(self):
        box = self.create("--name", "paused", "--timeout", "1000", "--on-timeout", "pause")
        self.assertRegex(self.out("status", box), r"Pauses: .* in 16m")
        self.assertEqual(self.out("pause", "paused"), "")
        self.assertRegex(self.out("list"), rf"{box} +paused +python +paused ")
        status = self.out("status", box)
        self.assertIn("State: paused", status)
        self.assertRegex(status, r"Ends: .* in 23h")
        self.assertIn("'cloche resume ID' continues it", self.err("exec", box, "true", status=125))
        self.assertEqual(json.loads(self.out("--json", "pause", box)), {"id": box})
        self.assertEqual(self.out("resume", "--timeout", "2h", box), "")
        self.assertRegex(self.out("status", box), r"Pauses: .* in 1h 59m")
        self.assertEqual(json.loads(self.out("--json", "resume", box)), {"id": box})
        self.assertRegex(self.out("status", box), r"Pauses: .* in 1h 59m")
        self.out("kill", box)

    def test_auto_resume(self):
        box = self.create("--auto-resume")
        self.out("pause", box)
        self.assertIn("State: paused", self.out("status", box))
        self.assertEqual(self.out("exec", box, "--", "echo", "works"), "works\n")
        self.assertIn("State: running", self.out("status", box))
        self.out("kill", box)

    def test_bad_on_timeout(self):
        self.assertIn("on-timeout: it must be 'kill' or 'pause'", self.err("create", "--on-timeout", "sleep", status=125))

    def test_extend(self):
        box = self.create("--timeout", "60")
        before = self.json("list")["sandboxes"][0]["Expires"]
        self.assertEqual(self.out("extend", box, "1h"), "")
        after = self.json("list")["sandboxes"][0]["Expires"]
        self.assertAlmostEqual((after - before) / 1e6, 3540, delta=60)

    def test_snapshots(self):
        box = self.create()
        snapshot = self.out("snapshot", box, "--name", "mine", "--description", "what for").strip()
        entry = self.json("snapshots")["snapshots"][0]
        self.assertEqual((entry["id"], entry["name"], entry["description"], entry["sandbox"], entry["parent"]),
                         (snapshot, "mine", "what for", box, ""))
        table = self.out("snapshots").splitlines()
        self.assertRegex(table[0], r"^ID +NAME +TEMPLATE +OF +PARENT +AGE +SIZE +SANDBOXES +CHILDREN$")
        self.assertRegex(table[1], rf"^{snapshot} +mine +\S+ +{box} +\d+s +\S+ \S+ +0 +0$")
        for word in snapshot, snapshot[:8], "mine":  # an id, a prefix, a name
            child = self.out("create", "--snapshot", word).strip()
            self.assertEqual(self.out("exec", child, "--", "hostname"), child + "\n")
            self.out("kill", child)
        self.assertEqual(self.json("snapshot", box)["id"], self.json("snapshots")["snapshots"][1]["id"])
        self.assertIn("there is no snapshot 'none'", self.err("create", "--snapshot", "none", status=125))
        self.assertIn("not from both", self.err("create", "--snapshot", snapshot, "--template", "minimal", status=125))
        answer = self.json("rm-snapshot", "mine", "none", status=125)
        self.assertEqual((answer["removed"], answer["error"]["name"]), ([snapshot], "NoSuchSnapshot"))
        self.out("rm-snapshot", *(entry["id"] for entry in self.json("snapshots")["snapshots"]))
        self.assertEqual(self.json("snapshots"), {"snapshots": []})
        self.out("kill", box)

    def test_fork(self):
        box = self.create()
        children = self.out("fork", box, "--count", "2", "--name", "try", "--env", "A=b", "--timeout", "1h").split()
        self.assertEqual(len(children), 2)
        self.assertEqual(sorted(each["Name"] for each in self.json("list")["sandboxes"] if each["Id"] in children), ["try-1", "try-2"])
        for child in children:
            self.assertEqual(self.out("exec", child, "--", "sh", "-c", "hostname; echo $A"), f"{child}\nb\n")
        single = self.json("fork", box, "--name", "single")
        self.assertEqual((len(single["children"]), single["errors"]), (1, []))
        self.assertEqual(self.out("exec", "single", "--", "hostname"), single["children"][0] + "\n")
        for count in "0", "65":
            self.assertIn(f"it must be from 1 to 64, not {count}", self.err("fork", box, "--count", count, status=2))
        self.out("kill", box, *children, *single["children"])

    def test_kill_goes_on_behind_an_error(self):
        one, two = self.create(), self.create()
        answer = self.json("kill", one, "nothing", two, status=125)
        self.assertEqual((answer["killed"], answer["failed"]), ([one, two], ["nothing"]))
        self.assertEqual(answer["error"]["name"], "NoSuchSandbox")
        self.assertEqual(self.ids(), [])

    def test_unknown_template(self):
        for verb in ["create"], ["run", "--", "true"], ["code", "-c", "1"]:
            arguments = [verb[0], "--template", "none", *verb[1:]]
            self.assertIn("installed are: ", self.err(*arguments, status=125))
            self.assertEqual(self.json(*arguments, status=125)["error"]["name"], "NoSuchTemplate")

    # --- status, help, mistakes ---

    def test_kill_all(self):
        boxes = [self.create(), self.create()]
        other = self.out_of_other("create").strip()
        self.assertEqual(self.json("kill", "--all"), {"killed": boxes, "failed": []})
        self.assertEqual(self.json("kill", "--all"), {"killed": [], "failed": []})
        owners = {line.split()[0]: line.split()[-1] for line in self.out("list", "--all").splitlines()}
        self.assertEqual(owners[other], OTHER)
        self.assertEqual(self.json("kill", "--all", "--all-users")["killed"], [other])
        self.assertIn("--all-users", self.err("kill", "--all-users", status=2))
        self.assertIn("cannot be given with --all", self.err("kill", "--all", "x", status=2))

    def test_others_need_permission(self):
        box = self.create()
        self.assertEqual(self.of_other("--json", "list").returncode, 0)
        refused = self.of_other("list", "--all")
        self.assertEqual(refused.returncode, 125)
        self.assertIn(b"org.cloche1.manage-others", refused.stderr)
        self.assertIn(b"cloched(8)", refused.stderr)
        self.assertIn(b"there is no sandbox", self.of_other("exec", box, "--", "id").stderr)

    def of_other(self, *arguments, **options):
        return subprocess.run(["setpriv", "--reuid", OTHER, "--clear-groups", CLOCHE, *arguments],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=120, **options)

    def out_of_other(self, *arguments):
        return self.of_other(*arguments).stdout.decode()

    def test_journal_wants_an_id(self):
        self.assertIn("no sandbox '../x'", self.err("journal", "../x", status=125))
        self.assertIn("is not a number", self.err("journal", "--lines", "x", "abc", status=2))

    def test_journal_is_journalctl(self):
        with fake_program("journalctl", 'echo "$@"') as path:
            done = subprocess.run([CLOCHE, "--json", "journal", "-f", "-n", "5", "abcdefghij234567"],
                                  env={**os.environ, "PATH": path}, capture_output=True, text=True)
        if os.path.exists("/run/systemd/journal/socket"):
            self.assertEqual(done.stdout, "SANDBOX_ID=abcdefghij234567 _SYSTEMD_UNIT=cloched.service "
                                          "_SYSTEMD_UNIT=cloche-egress.service --output=json --follow --lines 5\n")
        else:
            self.assertEqual((done.returncode, done.stdout), (125, ""))
            self.assertIn("standard error", done.stderr)

    # --- polkit's agent ---

    AGENT = 'echo "agent $*" >>"$0.log"; exec 3>&-; exec sleep 1000'

    def agents(self, *arguments, user=OTHER):
        with fake_program("pkttyagent", self.AGENT) as path:
            log = pathlib.Path(path.partition(":")[0]) / "pkttyagent.log"
            self.on_terminal("dumb", *arguments, prefix=["setpriv", "--reuid", user, "--clear-groups"],
                             PATH=path)
            return log.read_text() if log.exists() else ""

    def test_agent_asks_on_a_terminal(self):
        self.assertEqual(self.agents("list"), "agent --fallback --notify-fd=3\n")

    def test_nobody_is_asked_elsewhere(self):
        self.assertEqual(self.agents("--no-ask-password", "list"), "")
        self.assertEqual(self.agents("--json", "list"), "")
        self.assertEqual(self.agents("--user", "list"), "")
        self.assertEqual(self.agents("list", user="root"), "")

    def test_agent_is_not_needed(self):
        with tempfile.TemporaryDirectory() as empty:
            shown = self.on_terminal("dumb", "list", prefix=["/usr/bin/setpriv", "--reuid", OTHER,
                                                             "--clear-groups"], PATH=empty)
        self.assertIn(b"METADATA", shown)

    def test_status(self):
        status = self.json("status")
        self.assertIn(status["DefaultTemplate"], [each["name"] for each in status["Templates"]])
        self.assertEqual(status["Limits"]["lifetime"], 86400)
        self.assertEqual(status["Quota"]["sandboxes"][0], 0)
        box = self.create()
        self.assertEqual(self.json("status")["Quota"]["sandboxes"][0], 1)
        text = self.out("status")
        self.assertRegex(text, r"(?m)^LIMIT +USED +OF +BY ALL +OF$")
        self.assertRegex(text, r"(?m)^sandboxes +1 +\d+ +1 +100$")
        self.out("kill", box)
        self.assertIn(status["DefaultTemplate"] + " (default)", text)
        self.assertEqual("emulated" in text, status["Emulated"])
        self.assertEqual("KVM does not work" in text, status["AccelerationError"] != "")

    def test_help_has_an_example_for_each_verb(self):
        table = self.out("--help").partition("Verbs:")[2].partition("Options:")[0]
        verbs = re.findall(r"^  ([a-z-]+) ", table, re.MULTILINE)
        self.assertEqual(verbs, VERBS)
        for verb in verbs:
            self.assertRegex(self.out(verb, "--help"), rf"Examples?:\n(.*\n)*.*cloche {verb}")
        self.assertRegex(self.out("--version"), r"\Acloche \d")

    def test_wrong_words(self):
        for arguments in ([], ["bogus"], ["--bogus"], ["run"], ["run", "ls"], ["run", "--"],
                          ["run", "--bogus", "--", "ls"], ["run", "--env", "=X", "--", "ls"],
                          ["run", "--timeout", "0", "--", "ls"], ["exec", "--", "ls"],
                          ["exec", "a", "b", "--", "ls"], ["create", "extra"], ["create", "--name"],
                          ["create", "--metadata", "a=1", "--metadata", "a=2"], ["kill"], ["extend", "a"],
                          ["extend", "a", "5x"], ["list", "extra"], ["code", "a", "b"],
                          ["code", "-c", "1", "file"], ["code", "-s", "a", "--template", "b"]):
            with self.subTest(arguments=arguments):
                self.assertIn("--help", self.err(*arguments, status=2))
                self.assertEqual(self.json(*arguments, status=2)["error"]["name"], "Usage")

    def test_terminal_gets_colours_and_pipes_do_not(self):
        self.assertIn(b"\033[31m", self.on_terminal("xterm", "exec", "nothing", "--", "true"))
        self.assertNotIn(b"\033", self.on_terminal("dumb", "exec", "nothing", "--", "true"))
        self.assertNotIn("\033", self.err("exec", "nothing", "--", "true", status=125))

    def test_guests_do_not_control_the_terminal(self):
        box, text = self.create(), r"\033[31mred\033[m \033]0;title\007\033[6n"
        shown = b"\033[31mred\033[m \\x1b]0;title\a\\x1b[6n"
        for arguments in (["exec", box, "--", "printf", text], ["exec", box, "--", "sh", "-c", f"printf '{text}' >&2"],
                          ["run", "--", "printf", text], ["code", "-c", f"print('{text}')"],
                          ["code", "-c", f"import sys; sys.stderr.write('{text}')"],
                          ["code", "-c", f"class Text:\n def __repr__(self): return '{text}'\nText()"]):
            with self.subTest(arguments=arguments):
                self.assertIn(shown.replace(b"\a", b"\\x07") if "__repr__" in arguments[-1] else shown, self.on_terminal("xterm", *arguments))
        self.out("exec", box, "--", "sh", "-c", f"printf '{text}' >/tmp/text")
        self.assertIn(shown, self.on_terminal("xterm", "cat", f"{box}:/tmp/text"))
        self.assertEqual(self.out("cat", f"{box}:/tmp/text"), text.encode().decode("unicode_escape"))
        self.assertIn(b"\033]0;title\a", self.on_terminal("xterm", "exec", "--tty", box, "--", "printf", text))

    def test_names_in_errors_forge_no_lines(self):
        box = self.create()
        self.assertIn("\n  cloche: done", self.err("cat", f"{box}:/tmp/x\ncloche: done", status=125))

    def on_terminal(self, name, *arguments, prefix=(), **variables):
        ours, theirs = pty.openpty()
        environment = {**os.environ, "TERM": name, "NO_COLOR": "", **variables}
        with subprocess.Popen([*prefix, CLOCHE, *arguments], env=environment, stdin=theirs,
                              stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            shown = b""
            while chunk := read_terminal(ours):
                shown += chunk
            process.wait()
        os.close(ours)
        return shown


@contextlib.contextmanager
def fake_program(name, script):
    """Yields a PATH whose first folder has that program. Every user may run it and write to its folder."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        path = pathlib.Path(folder) / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        yield f"{folder}:{os.environ['PATH']}"


def read_terminal(fd):
    try:
        return os.read(fd, 65536)
    except OSError:  # EIO: the other end is closed
        return b""


class NoServiceTest(unittest.TestCase):
    """The bus has no service."""

    def setUp(self):
        self.daemon = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--print-address"],
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        address = self.daemon.stdout.readline().strip()
        self.buses = {"DBUS_SYSTEM_BUS_ADDRESS": address, "DBUS_SESSION_BUS_ADDRESS": address}

    def tearDown(self):
        self.daemon.terminate()
        self.daemon.wait()
        self.daemon.stdout.close()

    def cloche(self, *arguments, **environment):
        return subprocess.run([CLOCHE, *arguments], env={**os.environ, **self.buses, **environment},
                              capture_output=True, text=True, timeout=120)

    def test_service_is_not_there(self):
        for bus, hint in ([], "systemctl start"), (["--user"], "cloched --user"):
            done = self.cloche(*bus, "list")
            self.assertEqual(done.returncode, 125)
            self.assertIn(hint, done.stderr)
            done = self.cloche(*bus, "--json", "list")
            self.assertEqual(done.returncode, 125)
            self.assertEqual(json.loads(done.stdout)["error"]["name"], "ServiceNotRunning")

    def test_bus_is_not_there(self):
        done = self.cloche("list", DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent")
        self.assertEqual(done.returncode, 125)
        self.assertIn("cannot reach the system bus", done.stderr)


tap.main()
