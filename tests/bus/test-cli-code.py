# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-cli-code: "cloche code" executes code in pipes.

Usage: test-cli-code.py CLOCHE, in an environment whose system bus has the service (with-service), with a default
template whose first language is Python.
"""
import hashlib
import json
import signal
import subprocess

from code_case import SLEEP, CodeTest

from cloche_tests import tap
from cloche_tests.cells import own_box
from cloche_tests.console import CLOCHE, WAIT_S


class Code(CodeTest):
    def test_output_comes_as_it_is_written(self):
        self.cloche("exec", self.box, "--", "mkfifo", f"/tmp/{self.box}")
        self.addCleanup(self.cloche, "exec", self.box, "--", "rm", f"/tmp/{self.box}")
        code = f"print('one')\nprint(open('/tmp/{self.box}').read())\n'value'"
        running = self.popen("code", "-s", self.box, "-c", code, stdout=subprocess.PIPE)
        self.assertEqual(running.stdout.readline(), b"one\n")
        self.cloche("exec", self.box, "--", "sh", "-c", f"printf two > /tmp/{self.box}")
        self.assertEqual(running.stdout.read(), b"two\n'value'\n")
        self.assertEqual(running.wait(WAIT_S), 0)

    def test_streams_are_apart(self):
        done = self.cloche("code", "-s", self.box, "-c", "import sys; print('ä', end=''); print('b', file=sys.stderr)")
        self.assertEqual((done.stdout.decode(), done.stderr), ("ä", b"b\n"))

    def test_large_output_is_whole(self):
        code = "import sys\nfor i in range(300000): print(f'{i:063}')"
        done = self.cloche("code", "-s", self.box, "-c", code)
        expected = hashlib.sha256("".join(f"{i:063}\n" for i in range(300000)).encode())
        self.assertEqual(hashlib.sha256(done.stdout).digest(), expected.digest())

    def test_short_name_of_a_language(self):
        self.assertEqual(self.out("code", "-s", self.box, "-l", "ts", "-c", "const x: number = 6; x * 7"), "42\n")

    def test_waits_for_what_a_script_waits_for(self):
        code = "async function main() { await new Promise((r) => setTimeout(r, 5)); console.log('main') }\n" \
            "main().catch(console.error); setTimeout(() => console.log('timer'), 10); void 0"
        for arguments in (("--template", "interpreter"), ("-s", self.box)):
            self.assertEqual(self.out("code", *arguments, "-l", "js", "-c", code), "main\ntimer\n")
            self.assertIn("late", self.err("code", *arguments, "-l", "js", "-c",
                                           "setTimeout(() => { throw new Error('late') }, 1); void 0", status=1))
        drained = json.loads(self.out("code", "-s", self.box, "-l", "js", "--json", "-c", code))
        self.assertEqual(drained["stdout"], "main\ntimer\n")

    @own_box
    def test_language_whose_runner_is_missing(self):
        self.cloche("exec", "--user", "root", self.box, "--", "mount", "-t", "tmpfs", "none", "/run/cloche/runners/bash")
        error = self.err("code", "-s", self.box, "-l", "bash", "-c", "echo", status=125)
        self.assertIn("The interpreter for 'bash' could not be started", error)
        self.assertIn("make the sandbox from a template that has both", error)
        self.assertIn("cloche status", error)

    def test_exit_statuses(self):
        self.cloche("code", "-c", "1")
        self.assertIn("ZeroDivisionError", self.err("code", "-c", "1/0", status=1))
        self.assertIn("SyntaxError", self.err("code", "-s", self.box, "-c", "1+", status=1))
        self.assertIn("--timeout", self.err("code", "-t", "1", "-c", "import time; time.sleep(60)", status=124))
        self.assertIn("variables are lost", self.err("code", "-c", "import os; os._exit(3)", status=125))
        self.assertIn("'cobol'", self.err("code", "-s", self.box, "-l", "cobol", "-c", "1", status=125))
        self.assert_own_sandbox_is_gone()

    def test_json_has_the_same_exit_statuses(self):
        self.assertEqual(json.loads(self.out("code", "--json", "-c", "6*7"))["results"][0]["data"],
                         {"text/plain": "42"})
        answer = json.loads(self.out("code", "--json", "-t", "1", "-c", "import time; time.sleep(60)", status=124))
        self.assertEqual(answer["status"], "timed-out")
        self.cloche("code", "-s", self.box, "--json", "-c", "1/0", status=1)
        self.assertEqual(json.loads(self.out("code", "--json", "-c", "import os; os._exit(3)", status=125))
                         ["error"]["name"], "RunnerLost")
        self.assert_own_sandbox_is_gone()

    def test_timeout_of_its_own(self):
        """The default timeout applies in a sandbox that is made for the code, and not in an existing one."""
        calls = self.watch_calls()
        self.cloche("code", "-c", "'own'")
        self.cloche("code", "-s", self.box, "-c", "'living'")
        self.assertIn("uint64 60", self.next_call(calls))
        self.assertNotIn("timeout", self.next_call(calls))

    def test_contexts(self):
        context = self.create_context()
        self.cloche("code", "-s", self.box, "-c", "x = 'default'")
        self.cloche("code", "-s", self.box, "--context", context, "-c", "x = 'other'")
        self.assertEqual(self.out("code", "-s", self.box, "-c", "x"), "'default'\n")
        self.assertEqual(self.out("code", "-s", self.box, "--context", context, "-c", "x"), "'other'\n")
        self.assertEqual(self.out("code", "-s", self.box, "--context", context, self.file("x.sh", "x")), "'other'\n")
        self.assertIn("'nothing'", self.err("code", "-s", self.box, "--context", "nothing", "-c", "x", status=125))
        self.assertIn("--sandbox", self.err("code", "--context", context, "-c", "x", status=2))
        self.assertIn("--language", self.err("code", "-s", self.box, "--context", context, "-l", "bash", status=2))

    def test_language_of_a_file(self):
        for name in "a.py", "a.txt", "a":
            self.assertEqual(self.out("code", "-s", self.box, self.file(name, "6 * 7")), "42\n")
        for name in "a.js", "a.mjs":
            self.assertEqual(self.out("code", "-s", self.box, self.file(name, "[6 * 7].map(x => x)")), "[ 42 ]\n")
        calls = self.watch_calls()
        for name, language in (("a.py", "python"), ("a.mjs", "javascript"), ("a.ts", "typescript"), ("a.sh", "bash"),
                               ("a.r", "r"), ("a.R", "r"), ("a.x", "python")):
            subprocess.run([CLOCHE, "code", "-s", self.box, self.file(name, "1")], capture_output=True)
            self.assertIn(f'string "{language}"', self.next_call(calls), name)
        self.assertEqual(self.out("code", "-s", self.box, "-l", "python", self.file("a.r", "6 * 7")), "42\n")

    def test_environment(self):
        code = "import os; os.environ.get('A')"
        self.assertEqual(self.out("code", "-s", self.box, "-e", "A=ö", "-c", code), "'ö'\n")
        self.assertEqual(self.out("code", "-s", self.box, "-c", code), "")

    def test_interrupt(self):
        """The code is interrupted, and its last output is shown."""
        code = ("import os, time\ntry:\n    os.write(1, b'on\\n')\n    time.sleep(1000)\n"
                "finally:\n    os.write(1, b'bye\\n')")
        running = self.popen("code", "-c", code, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(running.stdout.readline(), b"on\n")
        running.send_signal(signal.SIGINT)
        self.assertEqual(running.stdout.read(), b"bye\n")
        self.assertEqual(running.wait(WAIT_S), 130)
        self.assertIn(b"KeyboardInterrupt", running.stderr.read())
        self.assert_own_sandbox_is_gone()

    def test_interrupt_keeps_the_state(self):
        running = self.popen("code", "-s", self.box, "-c", f"x = 7\n{SLEEP}", stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
        self.assertEqual(running.stdout.readline(), b"on\n")
        running.send_signal(signal.SIGINT)
        self.assertEqual(running.wait(WAIT_S), 130)
        self.assertEqual(self.out("code", "-s", self.box, "-c", "x"), "7\n")

    def test_interrupt_is_not_for_others(self):
        """Code that waits for another client's execution is abandoned, and the other execution continues."""
        self.cloche("exec", self.box, "--", "mkfifo", f"/tmp/{self.box}")
        self.addCleanup(self.cloche, "exec", self.box, "--", "rm", f"/tmp/{self.box}")
        other = self.popen("code", "-s", self.box, "-c", f"import os; os.write(1, b'on\\n'); open('/tmp/{self.box}').read()",
                           stdout=subprocess.PIPE)
        self.assertEqual(other.stdout.readline(), b"on\n")
        calls = self.watch_calls()
        waiting = self.popen("code", "-s", self.box, "-c", "never = 1", stderr=subprocess.PIPE)
        self.next_call(calls)
        waiting.send_signal(signal.SIGINT)
        self.assertEqual(waiting.stderr.read(), b"cloche: the code was interrupted\n")
        self.assertEqual(waiting.wait(WAIT_S), 130)
        self.cloche("exec", self.box, "--", "sh", "-c", f"printf two > /tmp/{self.box}")
        self.assertEqual(other.stdout.read(), b"'two'\n")
        self.assertEqual(other.wait(WAIT_S), 0)
        self.assertEqual(self.out("code", "-s", self.box, "-c", "'never' in globals()"), "False\n")

    def test_interrupt_of_silent_code(self):
        """The client cannot know whether its silent code has started, so it closes the stream, which interrupts the code."""
        calls = self.watch_calls()
        silent = self.popen("code", "-s", self.box, "-c", f"x = 5; open('/tmp/{self.box}', 'w').close(); "
                            "import time; time.sleep(1000)", stderr=subprocess.PIPE)
        self.addCleanup(self.cloche, "exec", self.box, "--", "rm", f"/tmp/{self.box}")
        self.next_call(calls)
        self.wait_until(lambda: subprocess.run([CLOCHE, "exec", self.box, "--", "test", "-e", f"/tmp/{self.box}"])
                        .returncode == 0)
        silent.send_signal(signal.SIGINT)
        self.assertEqual(silent.wait(WAIT_S), 130)
        self.assertEqual(self.out("code", "-s", self.box, "-c", "x"), "5\n")

    def test_second_interrupt_does_not_wait(self):
        code = ("import os, time\nwhile True:\n    try:\n        os.write(1, b'on\\n')\n        time.sleep(1000)\n"
                "    except KeyboardInterrupt: os.write(1, b'no\\n')")
        running = self.popen("code", "-c", code, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.assertEqual(running.stdout.readline(), b"on\n")
        running.send_signal(signal.SIGINT)
        self.assertEqual(running.stdout.readline(), b"no\n")
        running.send_signal(signal.SIGINT)
        self.assertEqual(running.wait(WAIT_S), 130)
        self.assert_own_sandbox_is_gone()

    def test_signals_end_the_sandbox(self):
        for number in signal.SIGTERM, signal.SIGHUP:
            running = self.popen("code", "-c", SLEEP, stdout=subprocess.PIPE)
            self.assertEqual(running.stdout.readline(), b"on\n")
            self.assertEqual(len(self.others()), 1)
            running.send_signal(number)
            self.assertEqual(running.wait(WAIT_S), 128 + number)
            self.assert_own_sandbox_is_gone()

    def test_killed(self):
        """If the client is killed, the sandbox ends soon because of its short timeout."""
        running = self.popen("code", "-c", SLEEP, stdout=subprocess.PIPE)
        self.assertEqual(running.stdout.readline(), b"on\n")
        running.kill()
        running.wait()
        boxes = json.loads(self.out("list", "--json"))["sandboxes"]
        left = [box for box in boxes if box["Id"] != self.shared]
        self.assertEqual(len(left), 1)
        self.assertLessEqual(left[0]["Expires"] - left[0]["Created"], 301_000_000)

    def test_reader_that_goes(self):
        running = self.popen("code", "-c", "while True: print('y')", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(running.stdout.readline(), b"y\n")
        running.stdout.close()
        self.assertEqual(running.wait(WAIT_S), 128 + signal.SIGPIPE)
        self.assertEqual(running.stderr.read(), b"")
        self.assert_own_sandbox_is_gone()

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([CLOCHE, "code", "-s", self.box, "-c", "print(1)"], stdin=subprocess.DEVNULL, stdout=full,
                                  stderr=subprocess.PIPE, timeout=WAIT_S)
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"No space left", done.stderr)

    @own_box
    def test_lost_sandbox(self):
        running = self.popen("code", "-s", self.box, "-c", SLEEP, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(running.stdout.readline(), b"on\n")
        self.cloche("kill", self.box)
        self.assertEqual(running.wait(WAIT_S), 125)
        self.assertIn(b"killed", running.stderr.read())

    def test_lost_service(self):
        """The sandbox continues if the service is killed."""
        running = self.popen("code", "-s", self.box, "-c", f"x = 9\n{SLEEP}", stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        self.assertEqual(running.stdout.readline(), b"on\n")
        self.kill_service()
        self.assertEqual(running.wait(WAIT_S), 125)
        self.assertIn(b"the service ended while the code ran", running.stderr.read())
        self.wait_for_service()
        self.assertEqual(self.out("code", "-s", self.box, "-c", "x"), "9\n")


tap.main()
