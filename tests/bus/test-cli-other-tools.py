# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-cli-other-tools: commands that users of docker, podman, machinectl and ssh know work, or fail with an error that
names the right one.

Usage: test-cli-other-tools.py CLOCHE, in an environment whose system bus has the service.
"""
import json
import os
import re

from cloche_tests import tap
from cloche_tests.console import CliTest

IS_TTY = "tty -s && echo tty || echo none"
FOREIGN_VERBS = """stop terminate start restart suspend thaw logs images pull build login ssh python eval top stats port wait
rename export copy diff info enable disable poweroff renew prune contexts interrupt mkdir monitor config firewall""".split()


class Habits(CliTest):
    def answer(self, *arguments, **options):
        return json.loads(self.out("--json", *arguments, **options))

    def usage(self, *arguments):
        """Returns the message of a usage error, which --json contains, too."""
        answer = self.answer(*arguments, status=2)
        self.assertEqual(answer["error"]["name"], "Usage")
        text = self.err(*arguments, status=2)
        self.assertIn(answer["error"]["message"], text)
        self.assertIn("--help", text)
        return answer["error"]["message"]

    # --- a terminal and standard input, as docker exec has them ---

    def test_terminal_options(self):
        for arguments in ["-it"], ["-ti"], ["-i", "-t"], ["-t", "-i"], ["-t"], ["--interactive", "--tty"]:
            with self.subTest(arguments=arguments):
                self.assertEqual(self.out("exec", *arguments, self.box, "sh", "-c", IS_TTY), "tty\r\n")
                self.assertEqual(self.out("exec", self.box, *arguments, "--", "sh", "-c", IS_TTY), "tty\r\n")
        self.assertEqual(self.out("exec", "-i", self.box, "sh", "-c", IS_TTY), "none\n")
        self.assertEqual(self.out("run", "--rm", "-it", "--template", "minimal", "--", "sh", "-c", IS_TTY), "tty\r\n")
        self.assertEqual(self.out("shell", "-it", self.box, "sh", "-c", IS_TTY), "tty\r\n")

    def test_t_with_a_duration_is_a_timeout(self):
        for arguments in ["-t", "1"], ["-t1"], ["-t", "1s"], ["-t", "1000ms"]:
            with self.subTest(arguments=arguments):
                self.assertIn("--timeout", self.err("exec", *arguments, self.box, "--", "sleep", "60", status=124))
        self.assertEqual(self.out("exec", "-t", "inf", self.box, "sh", "-c", IS_TTY), "none\n")
        self.assertIn("unknown unit 'x'", self.usage("exec", "-t", "5x", self.box, "--", "true"))

    def test_command_without_dashes(self):
        self.assertEqual(self.out("exec", self.box, "echo", "-n", "--json", "-t"), "--json -t")
        self.assertEqual(self.answer("exec", self.box, "sh", "-c", "echo $0", "--help")["stdout"], "--help\n")
        self.assertEqual(self.out("exec", self.box, "-w", "/", "pwd"), "/\n")
        self.assertEqual(self.out("shell", self.box, "echo", "-n", "x"), "x")
        self.assertIn("before '--'", self.usage("exec", self.box, "echo", "--", "x"))
        self.assertIn("the command is missing", self.usage("exec", self.box))
        self.assertIn("cloche run -- debian; --template names a template", self.usage("run", "-it", "debian", "sh"))

    def test_options_of_docker(self):
        self.assertEqual(self.out("exec", "-e", "A=1", "-w", "/tmp", "-uroot", self.box, "sh", "-c", "echo $A; pwd; id -u"),
                         "1\n/tmp\n0\n")
        self.assertEqual(self.out("exec", "--workdir", "/tmp", self.box, "pwd"), "/tmp\n")
        for option in "-d", "--detach":
            number = self.out("exec", option, self.box, "echo", "kept").strip()
            self.assertEqual(self.out("attach", self.box, number), "kept\n")
        for option, hint in {"-v": "cloche cp", "--volume": "cloche cp", "-p": "cloche forward", "--dns": "--network and --allow",
                             "-d": "cloche create", "--name": "--name NAME", "--memory": "the template determines",
                             "--privileged": "--user root"}.items():
            with self.subTest(option=option):
                self.assertIn(hint, self.usage("run", option, "x", "--", "true"))
        self.assertIn("did you mean '--timeout'?", self.usage("run", "--timout", "5", "--", "true"))

    # --- verbs ---

    def verbs(self):
        table = self.out("help").partition("Verbs:")[2].partition("Options:")[0]
        return re.findall(r"^  ([a-z-]+) ", table, re.MULTILINE)

    def test_verbs_of_others_name_ours(self):
        verbs = self.verbs()
        for foreign in FOREIGN_VERBS:
            with self.subTest(verb=foreign):
                self.assertNotIn(foreign, verbs)
                message = self.usage(foreign, self.box)
                self.assertRegex(message, rf"\Aunknown verb '{foreign}': .* ")
                for named in re.findall(r"'cloche ([a-z]+)", message):
                    self.assertIn(named, verbs)

    def test_misspelt_verbs(self):
        for typed, meant in {"exce": "exec", "crate": "create", "kil": "kill", "stauts": "status", "ext": "extend"}.items():
            self.assertIn(f"did you mean '{meant}'?", self.usage(typed))
        self.assertEqual(self.usage("frobnicate"), "unknown verb 'frobnicate'")
        self.assertIn(f"'cloche shell {self.box}'", self.usage(self.box))
        self.assertIn("'cloche list'", self.usage("ps"))
        self.assertIn("'cloche list'", self.usage("ls"))
        self.assertIn("'cloche ps ID'", self.usage("attach", self.box))

    def test_help_and_version(self):
        self.assertEqual(self.out("help"), self.out("--help"))
        for verb in self.verbs():
            self.assertEqual(self.out("help", verb), self.out(verb, "--help"))
            self.assertEqual(self.out(verb, "-h"), self.out(verb, "--help"))
        self.assertEqual(self.out("help", "rm"), self.out("kill", "--help"))
        self.assertIn("did you mean 'exec'?", self.usage("help", "exce"))
        self.assertIn("unexpected argument", self.usage("help", "exec", "run"))
        self.assertEqual(self.out("version"), self.out("--version"))
        self.assertIn(self.answer("version")["version"], self.out("version"))

    # --- rm, status ID, list -q ---

    def test_rm_is_kill(self):
        self.assertEqual(self.answer("rm", "-f", self.box), {"killed": [self.box], "failed": []})
        self.assertIn(f"sandbox '{self.box}' has ended: killed", self.err("status", self.box, status=125))

    def test_status_of_a_sandbox(self):
        named = self.out("create", "--template", "python", "--name", "mine", "-m", "k=1", "-t", "1.5h").strip()
        self.wait_until(lambda: "(idle)" in self.out("status", named))  # the claim keeps it busy for a moment
        text = self.out("status", named)
        self.assertRegex(text, rf"\A{named}\n +Name: mine\n +State: running\n +Created: \d{{4}}-\d\d-\d\d .*, \d+s ago\n"
                               r" +Ends: .*, in 1h 29m\n +Template: python, 1 vCPU, 64 MiB\n +Owner: \w+\n"
                               r" +Metadata: k=1\n +Contexts: python \(idle\)\n\Z")
        for other in "show", "inspect":
            self.assertIn(f"{named}\n     Name: mine\n", self.out(other, "mine"))
        shown = self.answer("status", named, self.box)["sandboxes"]
        self.assertEqual([(box["Id"], box["Name"]) for box in shown], [(named, "mine"), (self.box, "")])
        both = self.cloche("status", "nothing", self.box, status=125)
        self.assertIn(self.box.encode(), both.stdout)
        self.assertIn(b"no sandbox 'nothing'", both.stderr)
        self.assertEqual(self.answer("status", self.box, "nothing", status=125)["error"]["name"], "NoSuchSandbox")

    def test_status_does_not_obey_metadata(self):
        self.out("create", "--template", "minimal", "-n", "bad", "-m", "k=\033]0;title\a")
        self.assertIn("k=\\x1b]0;title\\x07", self.out("status", "bad"))

    def test_list_quiet(self):
        other = self.out("create", "--template", "minimal").strip()
        self.assertEqual(self.out("list", "-q"), f"{self.box}\n{other}\n")

    # --- which sandbox ---

    def test_names_prefixes_and_paths(self):
        named = self.out("create", "--template", "minimal", "--name", "my box").strip()
        path = "/org/cloche1/sandbox/" + named
        prefix = os.path.commonprefix([self.box, named])
        for word in named, "my box", named[:len(prefix) + 1], path:
            with self.subTest(word=word):
                self.assertEqual(self.answer("exec", word, "true")["sandbox"], named)
                self.assertIn("root", self.out("cat", f"{word}:/etc/passwd"))
                self.assertEqual(self.answer("extend", word, "1h")["id"], named)
        number = self.out("exec", "--keep", "my box", "echo", "x").strip()
        self.assertEqual(self.out("attach", "my box", number), "x\n")
        self.assertEqual(self.answer("kill", "my box")["killed"], [named])

    def test_ambiguous_words(self):
        boxes = [self.out("create", "--template", "minimal", "--name", "twin").strip() for _ in range(2)]
        message = self.usage("exec", "twin", "true")
        self.assertIn("2 sandboxes have the name 'twin': " + " ".join(boxes), message)
        self.assertIn("no sandbox ''", self.err("exec", "", "true", status=125))
        # A name takes precedence over the beginning of an id.
        short = self.box[:3]
        named = self.out("create", "--template", "minimal", "--name", short).strip()
        self.assertEqual(self.answer("exec", short, "true")["sandbox"], named)

    # --- durations ---

    def test_lifetimes(self):
        self.out("extend", self.box, "1h30m")
        self.assertIn("in 1h 29m", self.out("status", self.box))
        for arguments in ["extend", self.box, "inf"], ["create", "--timeout", "inf"]:
            self.assertIn("the lifetime of a sandbox is limited", self.usage(*arguments) if arguments[0] == "extend" else
                          self.err(*arguments, status=2))


class Contexts(CliTest):
    template = "interpreter"

    def code(self, context, code, **options):
        return self.out("code", "-s", self.box, "--context", context, "-c", code, **options)

    def table(self):
        rows = [line.split() for line in self.out("context", "list", self.box).splitlines()]
        self.assertEqual(rows[0], ["CONTEXT", "LANGUAGE", "STATE", "EXECUTIONS", "DIRECTORY"])
        return {row[0]: row[1:] for row in rows[1:]}

    def test_life_of_a_context(self):
        self.assertEqual(self.table()["python"][1], "not-started")
        one = self.out("context", "create", self.box, "--language", "py", "--cwd", "/tmp", "-e", "A=1").strip()
        self.assertEqual(self.table()[one], ["python", "idle", "0", "/tmp"])
        self.assertEqual(self.code(one, "import os; x = 6; os.getcwd(), os.environ['A']"), "('/tmp', '1')\n")
        self.assertEqual(self.code(one, "x * 7"), "42\n")
        self.assertEqual(self.table()[one][2], "2")
        self.out("context", "restart", self.box, one)
        self.assertIn("NameError", self.err("code", "-s", self.box, "--context", one, "-c", "x", status=1))
        self.out("context", "remove", self.box, one)
        self.assertNotIn(one, self.table())
        self.assertIn("cloche context list", self.err("context", "remove", self.box, one, status=125))

    def test_interrupt(self):
        context = self.out("context", "create", self.box).strip()
        running = self.popen("code", "-s", self.box, "--context", context, "-c",
                             "import time; kept = 42\nwhile True: time.sleep(.01)", stderr=-1)
        self.wait_until(lambda: self.table()[context][1] == "busy")
        self.out("context", "interrupt", self.box, context)
        self.assertIn(b"KeyboardInterrupt", running.communicate()[1])
        self.assertEqual(running.returncode, 130)
        self.assertEqual(self.code(context, "kept"), "42\n")

    def test_json(self):
        answer = json.loads(self.out("--json", "context", "create", self.box, "-l", "js"))
        found = json.loads(self.out("--json", "context", "list", self.box))["contexts"]
        self.assertEqual([(each["id"], each["language"]) for each in found if not each["default"]],
                         [(answer["id"], "javascript")])
        self.assertEqual(self.out("--json", "context", "remove", self.box, answer["id"]), "")

    def test_one_failure_does_not_save_the_others(self):
        one = self.out("context", "create", self.box).strip()
        self.assertIn("no context 'nope'", self.err("context", "remove", self.box, "nope", one, status=125))
        self.assertNotIn(one, self.table())

    def test_wrong_words(self):
        for arguments, part in {("frob", self.box): "unknown action", ("list",): "the sandbox is missing", ("remove", self.box): "the context is missing",
                                ("create", self.box, "x"): "unexpected argument", ("list", self.box, "-w", "/"): "context create",
                                (): "too few arguments"}.items():
            with self.subTest(arguments=arguments):
                self.assertIn(part, self.err("context", *arguments, status=2))


tap.main()
