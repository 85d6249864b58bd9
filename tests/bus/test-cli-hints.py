# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-cli-hints: each error has its hint, and each end of a program is reported.

Usage: test-cli-hints.py CLOCHE, in an environment whose system bus has the service (with-service), which is killed when
this program's parent gets SIGUSR1. The tests follow the hints and check that these work.
"""
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import tempfile

from cloche_tests import tap
from cloche_tests.console import CLOCHE, WAIT_S, CliTest

DAY_S = 86400


class HintTest(CliTest):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.folder.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.folder)

    def error_and_hint(self, *arguments, status=125, **options):
        """Returns the error, and its hint or an empty string."""
        message, *hint = self.err(*arguments, status=status, **options).splitlines()
        self.assertLessEqual(len(hint), 1)
        lines = [line.removeprefix("cloche: ") for line in [message, *(hint or ["cloche: "])]]
        return lines

    def hint(self, part, *arguments, **options):
        message, hint = self.error_and_hint(*arguments, **options)
        self.assertIn(part, message)
        return hint


class Lifetime(HintTest):
    def test_extension(self):
        hint = self.hint("lifetime", "extend", self.box, "30d")
        minutes, arguments = re.fullmatch(r"it may live for another (\d+)m: 'cloche (.*)'", hint).groups()
        self.assertLessEqual(abs(int(minutes) - DAY_S // 60), 3)
        self.cloche(*shlex.split(arguments))
        expires = {box["Id"]: (box["Expires"] - box["Created"]) / 1e6 for box in self.boxes()}
        self.assertLessEqual(DAY_S - expires[self.box], 180)

    def boxes(self):
        return json.loads(self.out("list", "--json"))["sandboxes"]

    def test_creation(self):
        hint = self.hint("lifetime", "create", "--timeout", str(DAY_S + 1))
        self.assertEqual(hint, "the longest is 1d: '--timeout 1d'")
        self.cloche("create", "--timeout", "1d")

    def test_what_is_no_timeout_at_all(self):
        self.assertEqual(self.hint("timeout", "extend", self.box, "30000000d"), "see cloche extend --help")


class Programs(HintTest):
    def follow(self, hint, status=0):
        """Runs the hint's arguments after "--", and returns the output."""
        return self.out("exec", self.box, "--", *shlex.split(hint.partition(" -- ")[2]), status=status)

    def test_shell_lines(self):
        for line, out in ("echo a b | wc -w", "2\n"), ("echo 'x y'", "x y\n"), ("A=1 env | grep ^A=", "A=1\n"), ("cd / && pwd", "/\n"):
            with self.subTest(line):
                hint = self.hint("No such file", "exec", self.box, "--", line, status=127)
                self.assertRegex(hint, "^a shell command needs a shell: -- sh -c ")
                self.assertEqual(self.follow(hint), out)

    def test_words_of_the_shell(self):
        hint = self.hint("'cd'", "exec", self.box, "--", "cd", "/", "&&", "pwd", status=127)
        self.assertEqual(self.follow(hint), "/\n")
        self.assertEqual(self.hint("'A=1'", "run", "--", "A=1", "env", status=127), "a shell command needs a shell: -- sh -c 'A=1 env'")

    def test_a_program_that_is_not_there(self):
        self.assertEqual(self.hint("'nothing'", "exec", self.box, "--", "nothing", status=127),
                         "the program must exist in the sandbox, not on this machine")
        (self.folder / "script").write_text("#!/no/interpreter\n")
        (self.folder / "script").chmod(0o755)
        self.assertIn("the program that its first line names", self.hint("/script'", "exec", self.box, "--", str(self.folder / "script"), status=127))

    def test_a_file_that_is_not_executable(self):
        script = self.folder / "script"
        script.write_text("echo ran\n")
        arguments = "exec", self.box, "--", str(script)
        hint = self.hint(f"program '{script}': Permission denied", *arguments, status=126)
        self.assertEqual(hint, "'chmod +x FILE' makes a file executable, 'sh FILE' runs a script that is not executable; a directory is not a "
                               "program; root may have the permission: '--user root'")
        self.assertEqual(self.out("exec", self.box, "--", "sh", str(script)), "ran\n")
        self.assertNotIn("--user", self.error_and_hint(arguments[0], "--user", "root", *arguments[1:], status=126)[1])
        self.cloche("exec", self.box, "--", "chmod", "+x", str(script))
        self.assertEqual(self.out(*arguments), "ran\n")

    def test_a_program_of_root_alone(self):
        program = self.folder / "program"
        shutil.copy("/bin/true", program)
        program.chmod(0o700)
        self.assertIn("--user root", self.hint("Permission", "exec", "-u", "nobody", self.box, "--", str(program), status=126))
        self.cloche("exec", "-u", "root", self.box, "--", str(program))

    def test_long_arguments(self):
        word = "x" * (131072 - len("echo") - 2)  # each argument ends with a zero byte
        self.assertEqual(self.out("exec", self.box, "--", "echo", word), word + "\n")
        hint = self.hint("argv: at most 131072 bytes", "exec", self.box, "--", "echo", word + "x")
        self.assertEqual(hint, "see cloche exec --help")

    def test_users_and_directories(self):
        self.assertEqual(self.error_and_hint("exec", "-u", "nobody2", self.box, "--", "true"),
                         ["There is no user 'nobody2' in the sandbox", "the user must exist in the sandbox, not on this machine"])
        self.assertIn("must exist in the sandbox", self.hint("'/nope'", "exec", "--cwd", "/nope", self.box, "--", "true"))
        self.folder.chmod(0o700)
        arguments = "exec", "--cwd", str(self.folder), self.box, "--", "true"
        self.assertEqual(self.hint("directory", *arguments[:1], "-u", "nobody", *arguments[1:], status=126), "root of the sandbox may have the permission: '--user root'")
        self.cloche(*arguments[:1], "-u", "root", *arguments[1:])


class Files(HintTest):
    def test_what_is_no_file(self):
        os.mkfifo(self.folder / "fifo")
        for path in "/dev/zero", str(self.folder / "fifo"):
            for arguments in (["cat", f"{self.box}:{path}"], ["write", f"{self.box}:{path}"], ["write", "-a", f"{self.box}:{path}"],
                              ["cp", f"{self.box}:{path}", str(self.folder / "copy")]):
                with self.subTest(arguments=arguments):
                    self.assertEqual(self.error_and_hint(*arguments), [f"file '{path}': It is not a regular file; only a program in the sandbox can read "
                                                                       "or write it", ""])
        self.assertEqual(self.out("exec", self.box, "--", "head", "-c2", "/dev/zero"), "\0\0")

    def test_directories(self):
        for arguments in ["cat"], ["write"]:
            self.assertIn("name a file in it", self.hint("Is a directory", *arguments, f"{self.box}:{self.folder}"))
        self.cloche("ls", f"{self.box}:{self.folder}")
        self.cloche("cp", f"{self.box}:{self.folder}", str(self.folder / "copy"))

    def test_files_that_are_not_there(self):
        for verb in "cat", "ls":
            self.assertIn("cloche ls ID:DIRECTORY", self.hint("/no'", verb, f"{self.box}:{self.folder}/no"))
        self.cloche("ls", f"{self.box}:{self.folder}")

    def test_permission(self):
        self.folder.chmod(0o700)
        (self.folder / "f").write_text("x")
        place = f"{self.box}:{self.folder}/f"
        self.assertEqual(self.hint("Permission denied", "cat", "-u", "nobody", place), "root of the sandbox may have the permission: '--user root'")
        self.assertEqual(self.out("cat", "-u", "root", place), "x")

    def test_what_root_may_not_either(self):
        for user in "root", "0":
            self.assertEqual(self.hint("Permission denied", "write", "-u", user, f"{self.box}:/sys/kernel/x"), "")


class Others(HintTest):
    def test_sandboxes_and_processes(self):
        self.assertIn("cloche list", self.hint("'nothing'", "ps", "nothing"))
        for verb in "attach", "signal":
            self.assertIn("cloche ps ID", self.hint("no process 77", verb, self.box, "77"))
        self.assertIn("is not the number of a process", self.error_and_hint("signal", self.box, "TERM", status=2)[0])

    def test_languages_and_templates(self):
        self.assertIn("cloche status", self.hint("'cobol'", "code", "-s", self.box, "-l", "cobol", "-c", "1"))
        self.assertIn("minimal", self.out("status"))
        problem = self.error_and_hint("create", "--template", "none", status=125)[0]
        self.assertIn("minimal", problem.partition("installed are: ")[2].split(", "))
        self.assertIn("cloche context list", self.hint("no context 'x'", "code", "-s", self.box, "--context", "x", "-c", "1"))

    def test_lost_interpreter(self):
        box = self.out("create", "--template", "python").strip()
        self.assertEqual(self.hint("interpreter died", "code", "-s", box, "-c", "import os; os._exit(3)"), "its variables are lost")
        self.assertEqual(self.out("code", "-s", box, "-c", "1"), "1\n")

    def test_mistakes_in_words(self):
        for arguments in (["exec", self.box, "--", ""], ["create", "--name", "a\nb"], ["create", "--metadata", "a=" + "x" * 4097],
                          ["code", "-t", "1x", "-c", "1"], ["write", "-m", "9", f"{self.box}:x"], ["cp", "a", "b"]):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.error_and_hint(*arguments, status=2 if arguments[0] not in ("exec", "create") else 125)[1], f"see cloche {arguments[0]} --help")


class Statuses(HintTest):
    """Each status under EXIT STATUS in cloche(1) occurs as documented."""

    def test_done_and_raised(self):
        box = self.out("create", "--template", "python").strip()
        self.cloche("code", "-s", box, "-c", "1", status=0)
        self.cloche("code", "-s", box, "-c", "1/0", status=1)
        self.cloche("code", "-s", box, "-c", "raise SystemExit(3)", status=1)
        self.cloche("code", "-s", box, "-t", "1", "-c", "while True: pass", status=124)
        self.cloche("--json", "code", "-s", box, "-t", "1", "-c", "while True: pass", status=124)

    def test_time_limits(self):
        for arguments in (["exec", "-t", "1", self.box], ["exec", "--tty", "-t", "1", self.box], ["run", "-t", "1"], ["shell", "-t", "1", self.box]):
            with self.subTest(arguments=arguments):
                self.assertIn("the command was killed because its --timeout expired", self.err(*arguments, "--", "sleep", "60", status=124))
        self.cloche("exec", "-t", "60", self.box, "--", "sh", "-c", "exit 7", status=7)
        answer = json.loads(self.out("--json", "exec", "-t", "1", self.box, "--", "sleep", "60", status=124))
        self.assertEqual((answer["exit_status"], answer["details"]["how"]), (137, "timed-out"))
        number = self.out("exec", "--keep", "-t", "1", self.box, "--", "sleep", "60").strip()
        self.cloche("attach", self.box, number, status=124)

    def test_signals(self):
        for name, said in (("SEGV", "SIGSEGV (Segmentation fault)"), ("KILL", "SIGKILL (Killed)"), ("TERM", "SIGTERM (Terminated)"),
                           ("40", "signal 40"), ("INT", ""), ("PIPE", "")):
            number = int(name) if name.isdigit() else signal.Signals[f"SIG{name}"]
            err = self.err("exec", self.box, "--", "sh", "-c", f"kill -{name} $$", status=128 + number)
            self.assertEqual(err, f"cloche: the command was ended by {said}\n" if said else "")

    def test_commands_that_do_not_start(self):
        self.cloche("exec", self.box, "--", "nothing", status=127)
        self.cloche("exec", self.box, "--", "/etc/passwd", status=126)
        self.cloche("exec", self.box, status=2)
        self.cloche("exec", "nothing", "--", "true", status=125)

    def test_what_ends_meanwhile(self):
        running = self.popen("exec", self.box, "--", "sh", "-c", "echo on; sleep 60", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(running.stdout.readline(), b"on\n")
        self.cloche("kill", self.box)
        self.assertEqual(running.wait(WAIT_S), 125)
        self.assertIn(b"cloche create", running.stderr.read())

    def test_service_that_ends(self):
        running = self.popen("exec", self.box, "--", "sh", "-c", "echo on; sleep 60", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(running.stdout.readline(), b"on\n")
        os.kill(os.getppid(), signal.SIGUSR1)
        self.assertEqual(running.wait(WAIT_S), 125)
        self.assertIn(b"the service ended during the call", running.stderr.read())
        self.wait_until(lambda: subprocess.run([CLOCHE, "list"], capture_output=True, check=False).returncode == 0)

    def test_readers_that_leave(self):
        (self.folder / "large").write_bytes(bytes(1 << 20))
        for arguments in (["cat", f"{self.box}:{self.folder}/large"], ["list"], ["status"], ["--json", "list"], ["ls", f"{self.box}:/"],
                          ["exec", self.box, "--", "yes"]):
            with self.subTest(arguments=arguments):
                running = self.popen(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                running.stdout.close()
                self.assertEqual(running.wait(WAIT_S), 128 + signal.SIGPIPE)
                self.assertEqual(running.stderr.read(), b"")


tap.main()
