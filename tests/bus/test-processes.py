# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-processes: Start, OpenTerminal, ListProcesses and the process objects work as documented.

In an environment whose system bus has the service (with-service).
"""
import os
import re
import select
import signal

from cloche_tests import tap
from cloche_tests.box import BoxTest, Process, call, connect, drain, options, t

MIB = 1 << 20


class Start(BoxTest):
    def test_streams_are_apart(self):
        process, stdin, stdout, stderr = self.box.start("sh", "-c", "cat; echo problem >&2; exit 3")
        os.write(stdin, b"one\n")
        self.assertEqual(os.read(stdout, 100), b"one\n")
        os.close(stdin)
        self.assertEqual(drain(stdout), b"")
        self.assertEqual(drain(stderr), b"problem\n")
        self.assertEqual(process.wait(), (3, "exited"))
        self.assertEqual(process.wait(), (3, "exited"))
        self.assertGreater(process.usage["peak-rss-kib"], 0)

    def test_options(self):
        process, stdin, stdout, stderr = self.box.start(
            "sh", "-c", "pwd; echo $A; id -un; cat; echo e >&2", cwd="/tmp", environment={"A": "b c"},
            user="nobody", merge_stderr=True, no_stdin=True, tag="mine")
        self.assertEqual(drain(stdout), b"/tmp\nb c\nnobody\ne\n")
        self.assertEqual(drain(stderr), b"")
        self.assertEqual(process.wait(), (0, "exited"))
        self.assertEqual(process.properties()["Tag"], "mine")
        os.close(stdin)

    def test_large_both_ways(self):
        process, stdin, stdout, stderr = self.box.start("cat")
        block = bytes(range(256)) * 4096
        child = os.fork()
        if child == 0:
            with open(stdin, "wb") as file:
                for _ in range(64):
                    file.write(block)
            os._exit(0)
        os.close(stdin)
        with open(stdout, "rb") as file:
            for number in range(64):
                self.assertEqual(file.read(MIB), block, number)
            self.assertEqual(file.read(), b"")
        os.waitpid(child, 0)
        self.assertEqual(process.wait(), (0, "exited"))
        os.close(stderr)

    def test_reader_that_goes(self):
        process, stdin, stdout, stderr = self.box.start("yes")
        self.assertEqual(os.read(stdout, 2), b"y\n")
        os.close(stdout)
        self.assertEqual(process.wait(), (signal.SIGPIPE, "signaled"))
        os.close(stdin), os.close(stderr)

    def test_process_that_takes_no_more(self):
        process, stdin, stdout, stderr = self.box.start("sh", "-c", "exec <&-; echo closed; sleep 60")
        self.assertEqual(os.read(stdout, 100), b"closed\n")
        poll = select.poll()
        poll.register(stdin, 0)
        self.assertEqual(poll.poll(20000), [(stdin, select.POLLHUP)])
        with self.assertRaises(BrokenPipeError):
            os.write(stdin, b"x")
        process.call("Kill")
        self.assertEqual(process.wait(), (signal.SIGKILL, "signaled"))
        os.close(stdin), os.close(stdout), os.close(stderr)

    def test_reader_that_stops_stops_only_itself(self):
        process, stdin, stdout, stderr = self.box.start("cat", "/dev/zero")
        self.assertEqual(self.box.run("echo", "quick"), (0, "quick\n", ""))
        self.assertEqual(os.read(stdout, 4), bytes(4))
        process.call("Kill")
        process.wait()
        os.close(stdin), os.close(stdout), os.close(stderr)

    def test_closed_output_is_an_end(self):
        process, stdin, stdout, stderr = self.box.start("sh", "-c", "exec >&-; cat >&2")
        self.assertEqual(drain(stdout), b"")
        os.write(stdin, b"still here")
        os.close(stdin)
        self.assertEqual(drain(stderr), b"still here")
        self.assertEqual(process.wait(), (0, "exited"))

    def test_ends_are_told_apart(self):
        for script, end in (("kill -TERM $$", (15, "signaled")), ("exit 137", (137, "exited"))):
            process, *fds = self.box.start("sh", "-c", script)
            self.assertEqual(process.wait(), end)
            for fd in fds:
                os.close(fd)

    def test_timeout_ends_all(self):
        # sleep has forked twice and left its session.
        process, *fds = self.box.start("sh", "-c", "setsid sh -c 'sleep 1000 & echo $!' & sleep 1000", timeout=t(4))
        child = int(os.read(fds[1], 100))
        self.assertEqual(process.wait(), (signal.SIGKILL, "timed-out"))
        self.assertEqual(drain(fds[1]), b"")
        while child in [entry["pid"] for entry in self.processes()]:
            pass  # it is dead, and its parent is told soon
        os.close(fds[0]), os.close(fds[2])

    def processes(self):
        return call(self.bus, self.box.path, "org.cloche1.Sandbox", "ListProcesses")[0]

    def test_wrong_words(self):
        box = self.box
        self.assert_fails("NoSuchProgram", "'/no/program'", box.start, "/no/program")
        self.assert_fails("NoSuchDirectory", "'/no/dir'", box.start, "true", cwd="/no/dir")
        self.assert_fails("NoSuchUser", "'nemo'", box.start, "true", user="nemo")
        self.assert_fails("PermissionDenied", "'/etc/passwd'", box.start, "/etc/passwd")
        self.assert_fails("InvalidArgument", "'no-such'", box.start, "true", no_such=True)
        self.assert_fails("InvalidArgument", "tag: at most 128 bytes", box.start, "true", tag="x" * 129)
        process, *fds = box.start("true", tag="x" * 128)
        self.assertEqual(process.wait(), (0, "exited"))
        for fd in fds:
            os.close(fd)

    def test_caller_that_leaves(self):
        bus = connect()
        ended, *out = call(bus, self.box.path, "org.cloche1.Sandbox", "Start", "(asa{sv})", (["true"], {}))
        self.assertEqual(drain(out[1]), b"")
        self.assertEqual(Process(bus, ended).wait(), (0, "exited"))
        path, *fds = call(bus, self.box.path, "org.cloche1.Sandbox", "Start", "(asa{sv})",
                          (["sleep", "1000"], {}))
        kept, *more = call(bus, self.box.path, "org.cloche1.Sandbox", "Start", "(asa{sv})",
                           (["sleep", "1001"], options(keep=True)))
        bus.close_sync(None)
        self.assertEqual(drain(fds[1]), b"")  # the process was killed
        self.assert_fails("NoSuchProcess", "has no process", Process(self.bus, path).properties)
        self.assert_fails("NoSuchProcess", "has no process", Process(self.bus, ended).properties)
        self.assertEqual(Process(self.bus, kept).properties()["State"], "running")
        for fd in (out[0], out[2], fds[0], fds[2], *more):
            os.close(fd)

    def test_large_arguments_of_ended_processes(self):
        paths = []
        for _ in range(12):
            process, *fds = self.box.start("true", "x" * 100_000)
            self.assertEqual(process.wait(), (0, "exited"))
            for fd in fds:
                os.close(fd)
            paths.append(process.path)
        # The oldest ones are forgotten when they take more than 1 MiB.
        while paths[0] in [entry.get("process") for entry in self.processes()]:
            pass
        self.assert_fails("NoSuchProcess", "has no process", Process(self.bus, paths[0]).properties)
        self.assertEqual(Process(self.bus, paths[-1]).properties()["State"], "ended")

    def test_signal(self):
        process, *fds = self.box.start("sh", "-c", "trap 'echo got; exit 7' USR1; echo ready; while :; do sleep 0.01; done")
        self.assertEqual(os.read(fds[1], 100), b"ready\n")
        process.call("Signal", "(i)", signal.SIGUSR1)
        self.assertEqual(process.wait(), (7, "exited"))
        self.assert_fails("InvalidArgument", "1 to 64, not 65", process.call, "Signal", "(i)", 65)
        self.assert_fails("InvalidArgument", "1 to 64, not 0", process.call, "Signal", "(i)", 0)
        process.call("Signal", "(i)", 64)
        for fd in fds:
            os.close(fd)

    def test_many_at_once(self):
        started = [self.box.start("cat") for _ in range(60)]
        for number, (_, stdin, stdout, _) in enumerate(started):
            os.write(stdin, b"%d" % number)
        for number, (process, stdin, stdout, stderr) in enumerate(started):
            os.close(stdin)
            self.assertEqual(drain(stdout), b"%d" % number)
            self.assertEqual(process.wait(), (0, "exited"))
            os.close(stderr)


class Keep(BoxTest):
    def test_output_waits_for_a_reader(self):
        process, *fds = self.box.start("sh", "-c", "echo before; read x; echo got $x; read y; echo end $y", keep=True)
        self.assertEqual(os.read(fds[1], 100), b"before\n")
        for fd in fds:
            os.close(fd)
        stdin, stdout, stderr = process.call("Attach")
        os.write(stdin, b"one\n")
        self.assertEqual(os.read(stdout, 100), b"got one\n")
        again = process.call("Attach")
        self.assertEqual(drain(stdout), b"")
        os.write(again[0], b"two\n")
        process.call("CloseInput")
        self.assertEqual(drain(again[1]), b"end two\n")
        self.assertEqual(process.wait(), (0, "exited"))
        for fd in (stdin, stderr, again[0], again[2]):
            os.close(fd)

    def test_input_that_is_closed_twice(self):
        process, *fds = self.box.start("cat", keep=True)
        os.write(fds[0], b"whole")
        os.close(fds[0])
        self.assertEqual(os.read(fds[1], 100), b"whole")
        process.call("CloseInput")
        process.call("CloseInput")
        self.assertEqual(process.wait(), (0, "exited"))
        os.close(fds[1]), os.close(fds[2])

    def test_ring(self):
        for size, is_lost in ((262144, False), (262145, True)):
            process, *fds = self.box.start("sh", "-c", f"read x; printf a; head -c {size - 1} /dev/zero", keep=True)
            os.close(fds[1]), os.close(fds[2])
            os.write(fds[0], b"go\n")
            self.assertEqual(process.wait(), (0, "exited"))
            self.assertEqual(process.properties()["OutputLost"], is_lost)
            stdin, stdout, stderr = process.call("Attach")
            self.assertEqual(drain(stdout), (b"" if is_lost else b"a") + bytes(262144 - (not is_lost)))
            for fd in (fds[0], stdin, stderr):
                os.close(fd)

    def test_window_is_given_back_once(self):
        directory = self.box.sh("mktemp -d").strip()
        self.addCleanup(self.box.run, "rm", "-r", directory)
        process, *fds = self.box.start("sh", "-c", f"read x; echo kept; touch {directory}/done; cat", keep=True)
        os.close(fds[1]), os.close(fds[2])
        os.write(fds[0], b"go\n")
        self.box.sh(f"until [ -e {directory}/done ]; do sleep 0.01; done")
        stdin, stdout, stderr = process.call("Attach")
        self.assertEqual(os.read(stdout, 100), b"kept\n")
        os.write(stdin, b"more\n")
        self.assertEqual(os.read(stdout, 100), b"more\n")
        process.call("CloseInput")
        self.assertEqual(process.wait(), (0, "exited"))
        for fd in (fds[0], stdin, stdout, stderr):
            os.close(fd)

    def test_detached_from_the_first_byte_on(self):
        process, *fds = self.box.start("sh", "-c", "echo out; echo problem >&2", keep=True, detached=True)
        self.assertEqual(drain(fds[1]) + drain(fds[2]), b"")
        self.assertEqual(process.wait(), (0, "exited"))
        stdin, stdout, stderr = process.call("Attach")
        self.assertEqual((drain(stdout), drain(stderr)), (b"out\n", b"problem\n"))
        os.close(fds[0]), os.close(stdin)
        process, terminal = self.box.terminal(80, 24, argv=["sh", "-c", "echo shown"], keep=True, detached=True)
        self.assertEqual(terminal.recv(100), b"")
        terminal.close()
        self.assertEqual(process.wait(), (0, "exited"))
        stdin, stdout, stderr = process.call("Attach")
        self.assertEqual(drain(stdout), b"shown\r\n")
        os.close(stdin), os.close(stderr)
        self.assert_fails("InvalidArgument", "only together with keep", self.box.start, "true", detached=True)

    def test_only_kept_ones(self):
        process, *fds = self.box.start("cat")
        self.assert_fails("InvalidArgument", "not started with 'keep'", process.call, "Attach")
        for fd in fds:
            os.close(fd)


class List(BoxTest):
    def test_all_are_there(self):
        process, *fds = self.box.start("sh", "-c", "sleep 1000 & echo $!; wait", tag="job")
        child = int(os.read(fds[1], 100))
        self.box.sh(f"until grep -qx sleep /proc/{child}/comm; do sleep 0.01; done")
        entries = {entry["pid"]: entry for entry in call(self.bus, self.box.path, "org.cloche1.Sandbox", "ListProcesses")[0]}
        own = entries[process.properties()["Pid"]]
        self.assertEqual(own["argv"][:2], ["sh", "-c"])
        self.assertEqual((own["process"], own["tag"]), (process.path, "job"))
        self.assertEqual(entries[child]["argv"], ["sleep", "1000"])
        self.assertEqual(entries[child]["process"], process.path)
        self.assertEqual(entries[child]["parent"], own["pid"])
        for fd in fds:
            os.close(fd)


class Terminal(BoxTest):
    def until(self, terminal, pattern):
        text = ""
        while not (found := re.search(pattern, text)):
            data = terminal.recv(4096)
            self.assertTrue(data, f"the output ended: {text!r}")
            text += data.decode(errors="replace")
        return found

    def test_size_and_resize(self):
        process, terminal = self.box.terminal(101, 37, argv=["sh", "-c", "stty size; trap 'stty size' WINCH; echo ready; while :; do sleep 0.01; done"])
        self.until(terminal, r"37 101\r\n(.|\n)*ready")
        process.call("Resize", "(qq)", 42, 23)
        self.until(terminal, "23 42")
        self.assert_fails("InvalidArgument", "columns: it must be 1 to 4096, not 4097", process.call, "Resize", "(qq)", 4097, 1)
        self.assert_fails("InvalidArgument", "rows: it must be 1 to 4096, not 0", process.call, "Resize", "(qq)", 4096, 0)
        process.call("Resize", "(qq)", 4096, 1)
        self.until(terminal, "1 4096")
        terminal.close()
        self.assertEqual(process.wait(), (signal.SIGHUP, "signaled"))

    def test_job_control_and_utf8(self):
        process, terminal = self.box.terminal(80, 24, argv=["sh", "-i"], environment={"PS1": "PROMPT>"})
        self.until(terminal, "PROMPT>")
        terminal.send("echo $TERM grün; cat\n".encode())
        self.until(terminal, "xterm-256color grün\r\n")
        terminal.send(b"x\n")
        self.until(terminal, "x\r\nx\r\n")
        terminal.send(b"\x03")
        self.until(terminal, "PROMPT>")
        terminal.send(b"exit 5\n")
        self.assertEqual(process.wait(), (5, "exited"))
        while terminal.recv(4096):
            pass
        terminal.close()

    def test_login_shell_and_end_of_input(self):
        process, terminal = self.box.terminal(80, 24)
        terminal.send(b"echo shell=$SHELL tty=$(tty)\n")
        self.until(terminal, r"shell=/\S+ tty=/dev/pts/\d+\r\n(.|\n)*[#$] $")
        process.call("CloseInput")
        self.assertEqual(process.wait()[1], "exited")
        terminal.close()

    def test_all_output_comes_before_the_end(self):
        process, terminal = self.box.terminal(80, 24, argv=["sh", "-c", "stty -onlcr; yes | head -c 1000000"])
        size = 0
        while data := terminal.recv(65536):
            size += len(data)
        self.assertEqual(size, 1000000)
        self.assertEqual(process.wait(), (0, "exited"))
        terminal.close()


tap.main()
