# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-cli-process: the command line runs commands and terminals, and attaches to kept processes.

Usage: test-cli-process.py CLOCHE, in an environment whose system bus has the service, which is killed and started
again when this program's parent gets SIGUSR1 (with-service).
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import termios
import threading

from cloche_tests import tap
from cloche_tests.console import CLOCHE, WAIT_S, CliTest, Terminal

MIB = 1 << 20
LOOP = "while :; do sleep 0.01; done"


class ProcessTest(CliTest):
    def sh(self, script, *options, **more):
        return self.cloche("exec", self.box, *options, "--", "sh", "-c", script, **more)

    def keep(self, script, *options):
        return self.out("exec", self.box, "--keep", *options, "--", "sh", "-c", script).strip()

    def processes(self):
        return json.loads(self.out("ps", "--json", self.box))["processes"]

    def wait_until_gone(self, *argv):
        self.wait_until(lambda: list(argv) not in [entry["argv"] for entry in self.processes()])


class Exec(ProcessTest):
    def test_streams_are_apart_and_exact(self):
        done = self.sh(r"printf '\377\000a'; printf '\376b' >&2; exit 3", status=3)
        self.assertEqual((done.stdout, done.stderr), (b"\xff\0a", b"\xfeb"))

    def test_output_comes_as_it_is_written(self):
        running = self.popen("exec", self.box, "-i", "--", "sh", "-c", "echo one; read x; echo two $x",
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(running.stdout.readline(), b"one\n")
        running.stdin.write(b"three\n")
        running.stdin.flush()
        self.assertEqual(running.stdout.readline(), b"two three\n")
        self.assertEqual(running.wait(WAIT_S), 0)

    def test_large_both_ways(self):
        block = os.urandom(MIB)
        running = self.popen("exec", self.box, "--stdin", "--", "cat",
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        feeder = threading.Thread(target=self.feed, args=(running.stdin, block, 64))
        feeder.start()
        for number in range(64):
            self.assertEqual(running.stdout.read(MIB), block, number)
        self.assertEqual(running.stdout.read(), b"")
        feeder.join()
        self.assertEqual(running.wait(WAIT_S), 0)

    def feed(self, file, block, count):
        for _ in range(count):
            file.write(block)
        file.close()

    def test_a_reader_that_rests_stops_the_writer(self):
        ours, theirs = os.pipe()
        running = self.popen("exec", self.box, "--", "cat", "/dev/zero", stdout=theirs)
        os.close(theirs)
        self.assertEqual(os.read(ours, 1), b"\0")
        self.assertEqual(self.sh("echo goes on").stdout, b"goes on\n")
        before = self.peak(running.pid)
        self.assertEqual(len(os.read(ours, 4096)), 4096)
        self.assertLess(self.peak(running.pid) - before, 1024)
        running.send_signal(signal.SIGINT)
        self.assertEqual(running.wait(WAIT_S), 130)
        os.close(ours)

    def peak(self, pid):
        return int(re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())[1])

    def test_broken_pipe_ends_quietly(self):
        running = self.popen("exec", self.box, "--", "yes", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(running.stdout.readline(), b"y\n")
        running.stdout.close()
        self.assertEqual(running.wait(WAIT_S), 128 + signal.SIGPIPE)
        self.assertEqual(running.stderr.read(), b"")

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([CLOCHE, "exec", self.box, "--", "echo", "x"], stdout=full,
                                  stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=WAIT_S)
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"No space left", done.stderr)

    def test_streams_that_are_closed(self):
        done = subprocess.run(["sh", "-c", f"'{CLOCHE}' exec {self.box} -i -- sh -c 'cat; echo x' >&- <&-"],
                              stderr=subprocess.PIPE, timeout=WAIT_S)
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"cannot write standard output: Bad file descriptor", done.stderr)
        self.assertIn(b"cannot read standard input: Bad file descriptor", done.stderr)

    def test_input_that_nobody_takes(self):
        with open("/dev/zero", "rb") as zero:
            self.assertEqual(self.sh("exec <&-; echo done", "-i", stdin=zero).stdout, b"done\n")

    def test_input_only_when_asked_for(self):
        self.assertEqual(self.sh("cat", stdin=None, input=b"mine").stdout, b"")
        loop = f"while read word; do '{CLOCHE}' exec {self.box} -- echo got $word; done"
        done = subprocess.run(["sh", "-c", loop], input=b"a\nb\nc\n", capture_output=True, timeout=WAIT_S)
        self.assertEqual(done.stdout, b"got a\ngot b\ngot c\n")

    def test_exit_statuses(self):
        for script, status in (("exit 0", 0), ("exit 255", 255), ("kill -TERM $$", 143), ("kill -KILL $$", 137)):
            self.sh(script, status=status)
        done = self.sh("sleep 1000", "--timeout", "1", status=124)
        self.assertIn(b"--timeout", done.stderr)
        self.assertIn("'nope'", self.err("exec", self.box, "--", "nope", status=127))
        self.assertIn("'/etc/passwd'", self.err("exec", self.box, "--", "/etc/passwd", status=126))

    def test_options(self):
        done = self.sh("pwd; echo $A; id -un", "--cwd", "/tmp", "--env", "A=ö", "--user", "nobody")
        self.assertEqual(done.stdout.decode(), "/tmp\nö\nnobody\n")
        self.assertIn("--keep", self.err("exec", self.box, "--tag", "x", "--", "true", status=2))
        self.assertEqual(json.loads(self.out("--json", "exec", self.box, "--tty", "--", "true", status=2))
                         ["error"]["name"], "Usage")

    def test_interrupt_kills_the_command(self):
        for number in signal.SIGINT, signal.SIGTERM:
            running = self.popen("exec", self.box, "--", "sh", "-c", "echo on; exec sleep 1717",
                                 stdout=subprocess.PIPE)
            self.assertEqual(running.stdout.readline(), b"on\n")
            running.send_signal(number)
            self.assertEqual(running.wait(WAIT_S), 128 + number)
            self.wait_until_gone("sleep", "1717")

    def test_what_stays_in_the_background(self):
        self.assertEqual(self.sh("sleep 1818 & echo over").stdout, b"over\n")
        self.assertIn(["sleep", "1818"], [entry["argv"] for entry in self.processes()])

    def test_lost_sandbox(self):
        running = self.popen("exec", self.box, "--", "sh", "-c", "echo on; exec sleep 1000",
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(running.stdout.readline(), b"on\n")
        self.cloche("kill", self.box)
        self.assertEqual(running.wait(WAIT_S), 125)
        self.assertIn(b"killed", running.stderr.read())


class Kept(ProcessTest):
    def test_output_waits(self):
        number = self.keep("echo out; echo problem >&2; exit 4", "--tag", "job")
        self.assertRegex(number, r"\A\d+\Z")
        done = self.cloche("attach", self.box, number, status=4)
        self.assertEqual((done.stdout, done.stderr), (b"out\n", b"problem\n"))
        entry = [entry for entry in self.processes() if entry.get("tag") == "job"][0]
        self.assertEqual((entry["state"], entry["pid"]), ("ended", 0))

    def test_json_names_the_object(self):
        answer = json.loads(self.out("--json", "exec", self.box, "--keep", "--", "sleep", "1000"))
        self.assertEqual(answer["process"], f"/org/cloche1/process/{self.box}_{answer['number']}")

    def test_input_by_attach(self):
        number = self.keep("read x; echo got $x; cat", "-i")
        done = self.cloche("attach", self.box, number, "--stdin", stdin=None, input=b"one\ntwo")
        self.assertEqual(done.stdout, b"got one\ntwo")

    def test_input_that_there_is_not(self):
        number = self.keep(f"cat; echo end; trap 'exit 5' TERM; {LOOP}")
        running = self.popen("attach", self.box, number, "-i", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(running.stdout.readline(), b"end\n")
        running.stdin.write(b"lost")
        running.stdin.close()
        self.assertEqual(self.sh("echo lives").stdout, b"lives\n")
        self.cloche("signal", self.box, number)
        self.assertEqual(running.wait(WAIT_S), 5)

    def test_leaving_does_not_end_it(self):
        number = self.keep(f"echo on; trap 'echo bye; exit 6' TERM; {LOOP}")
        running = self.popen("attach", self.box, number, stdout=subprocess.PIPE)
        self.assertEqual(running.stdout.readline(), b"on\n")
        running.send_signal(signal.SIGINT)
        self.assertEqual(running.wait(WAIT_S), 130)
        self.assertEqual(self.out("signal", self.box, number), "")
        self.assertEqual(self.out("attach", self.box, number, status=6), "bye\n")

    def test_signals(self):
        for arguments, status in (["9"], 137), (["KILL"], 137), (["SIGHUP"], 129), ([], 143):
            number = self.keep("exec sleep 1000")
            self.cloche("signal", self.box, number, *arguments)
            self.cloche("attach", self.box, number, status=status)
        self.assertIn("'FOO'", self.err("signal", self.box, number, "FOO", status=2))

    def test_no_such_process(self):
        self.assertIn("no process 999", self.err("attach", self.box, "999", status=125))
        self.assertIn("no process 999", self.err("signal", self.box, "999", status=125))
        self.assertIn("'x'", self.err("attach", self.box, "x", status=2))
        self.assertIn("no sandbox 'a/b'", self.err("attach", "a/b", "1", status=125))
        self.assertIn("cloche list", self.err("ps", "nothing", status=125))

    def test_table(self):
        number = self.keep("exec sleep 1919", "--tag", "a\033b")
        lines = self.out("ps", self.box).splitlines()
        self.assertRegex(lines[0], r"^PID +NUMBER +TAG +USER +STATE +AGE +MEMORY +CPU +COMMAND$")
        row = [line for line in lines if line.endswith(" sleep 1919")]
        self.assertRegex(row[0], rf"^\d+ +{number} +a\\x1bb +\S+ +sleeping +\d+s +\S+ (KB|MB) +0\.\ds +sleep 1919$")


class Shell(Terminal, ProcessTest):
    def shell(self, *arguments):
        self.start("shell", self.box, "--env", "PS1=READY>", *arguments, "--", "sh", "-i")
        self.until("READY>")

    def test_status_and_attributes(self):
        self.shell()
        self.assertNotEqual(termios.tcgetattr(self.theirs)[3], self.before[3])
        self.type("exit 5\r")
        self.end(5)

    def test_size(self):
        self.start("shell", self.box, "--", "sh", "-c", f"stty size; trap 'stty size' WINCH; echo ready; {LOOP}")
        self.until("30 100\r\n(.|\n)*ready")
        for columns, rows in (41, 23), (4096, 1):
            self.resize(columns, rows)
            self.until(f"{rows} {columns}\r\n")
        self.resize(5000, 10)
        self.until("10 4096\r\n")
        self.running.terminate()
        self.end(143)

    def test_job_control_and_utf8(self):
        self.shell()
        self.type("echo $TERM grün ✓ 名\r")
        self.until("vt220 grün ✓ 名\r\n(.|\n)*READY>")
        self.type("cat\r")
        self.type("line\r")
        self.until("line\r\nline\r\n")
        self.type("\x03")
        self.until("READY>")
        self.type("cat\rend\r\x04")
        self.until("end\r\nend\r\n(.|\n)*READY>")
        self.type("sleep 1000\r")
        self.wait_until(lambda: ["sleep", "1000"] in [entry["argv"] for entry in self.processes()])
        self.type("\x1a")
        self.until("Stopped(.|\n)*READY>")
        self.type("echo $?\r")
        self.until("148\r\n")
        self.type("fg\r")
        self.until("fg\r\n")
        self.wait_until(lambda: "sleeping" in [entry["state"] for entry in self.processes()
                                               if entry["argv"] == ["sleep", "1000"]])
        self.type("\x03")
        self.until("READY>")
        self.type("exit 0\r")
        self.end(0)

    def test_leaving(self):
        self.shell()
        self.type("echo a~.b ~~\r")
        self.until(r"a~\.b ~~\r\n(.|\n)*READY>")
        self.type("~?")
        self.until(r"~\. leaves")
        self.type("\r~~.\r")
        self.until(r"~\.")
        self.type("\r")
        self.type("~")
        self.type(".")
        self.end(128 + signal.SIGHUP)
        self.wait_until_gone("sh", "-i")

    def test_signals_leave_a_good_terminal(self):
        for number in signal.SIGTERM, signal.SIGHUP, signal.SIGINT:
            self.shell()
            self.running.send_signal(number)
            self.end(128 + number)
        for number in signal.SIGQUIT, signal.SIGABRT:
            self.shell()
            self.running.send_signal(number)
            self.end(-number)

    def test_lost_sandbox(self):
        self.shell()
        self.cloche("kill", self.box)
        self.until("cloche: .*killed")
        self.end(125)

    def test_lost_service(self):
        self.shell()
        os.kill(os.getppid(), signal.SIGUSR1)
        self.until("cloche: ")
        self.end(125)
        self.wait_until(lambda: subprocess.run([CLOCHE, "list"], capture_output=True).returncode == 0)

    def test_own_sandbox(self):
        self.start("shell", "--template", "minimal", "--", "sh", "-c", "hostname; read x")
        box = self.until(r"([a-z0-9]{16})\r\n")[1]
        self.assertIn(box, self.out("list"))
        self.type("\r")
        self.end(0)
        self.assertNotIn(box, self.out("list"))
        self.assertIn("--template", self.err("shell", self.box, "--template", "minimal", status=2))

    def test_login_shell(self):
        self.start("shell", self.box)
        self.type("echo shell=$SHELL tty=$(tty)\r")
        self.until(r"shell=/\S+ tty=/dev/pts/\d+\r\n")
        self.type("exit 7\r")
        self.end(7)

    def test_exec_and_run(self):
        self.start("exec", self.box, "--tty", "--", "sh", "-c", "stty size; exit 9")
        self.until("30 100\r\n")
        self.end(9)
        self.start("run", "--template", "minimal", "--tty", "--", "tty")
        self.until(r"/dev/pts/\d+\r\n")
        self.end(0)

    def size(self):
        self.type("stty size\r")
        return self.until(r"size\r\n(\d+ \d+)\r\n(.|\n)*READY>")[1]

    def test_attach(self):
        number = self.out("exec", self.box, "--keep", "--tty", "--env", "PS1=READY>", "--", "sh", "-i").strip()
        self.start("attach", self.box, number)
        self.until("READY>")
        self.wait_until(lambda: self.size() == "30 100")  # output may come before the size is set
        self.type("\r~.")
        self.end(0)
        self.start("attach", self.box, number)
        self.type("exit 8\r")
        self.end(8)

    def test_taken_over(self):
        number = self.out("exec", self.box, "--keep", "--tty", "--env", "PS1=READY>", "--", "sh", "-i").strip()
        self.start("attach", self.box, number)
        self.until("READY>")
        done = self.cloche("attach", self.box, number, status=3, stdin=None, input=b"exit 3\n")
        self.assertIn(b"exit 3", done.stdout)
        self.end(3)

    def test_not_on_a_terminal(self):
        done = self.cloche("shell", self.box, "--", "sh", "-c", "stty size; cat", stdin=None, input=b"one\ntwo")
        self.assertIn(b"24 80\r\n", done.stdout)
        self.assertIn(b"one\r\n", done.stdout)
        self.assertTrue(done.stdout.endswith(b"two"))
        self.assertEqual(self.cloche("shell", self.box, "--", "sh", "-c", "exit 6", status=6).stderr, b"")


tap.main()
