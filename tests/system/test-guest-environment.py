# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-guest-environment: an owner can use a real machine as documented, also after its users have exhausted its resources.

Usage: test-guest-environment.py BUILD STORE. STORE has images named minimal and python. Times are not checked, except shares
of the guest's own processor.
"""
import contextlib
import hashlib
import os
import re
import select
import signal
import sys
import threading

from cloche_tests import box, guest_cells, tap
from cloche_tests.box import SANDBOX, Box, BoxTest, Failure, call, drain, t
from cloche_tests.service import PrivateService, wait_until

BUILD, STORE = sys.argv[1:3]
BOOT_S, PATIENCE_S = 300, 120
box.WAIT_MS = 300_000  # pip and a first chart are slow where machines are emulated
MIB = 1 << 20

# Programs of the guest, which has perl and no compiler; system calls by their numbers on x86-64.
BURN = "while ((times)[0] < 0.3) {}"
HOGS = "syscall(141, 0, 0, -20); fork; fork; fork; print qq(on\n); while (1) {}"
EAT = "while (1) { push @all, 'x' x 1000000 }"
BOMB = """
$SIG{CHLD} = 'IGNORE';
while (1) {
    my $pid = fork;
    if (!defined $pid) { print qq($!\n); sleep 1000 }
    if ($pid == 0) { sleep 1000; exit }
}"""
UNKILLABLE = "open F, '>', '/proc/self/oom_score_adj'; print F -1000; close F; push @all, 'x' x 1000000 while @all < 150; print qq(most\n);" + EAT


def setUpModule():
    global service
    service = PrivateService(BUILD, STORE)
    service.start()
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = service.address
    for name in ("minimal", "python"):
        template = service.wait_for_template(name, BOOT_S)
        if template["state"] != "ready":
            raise AssertionError(template)


def tearDownModule():
    service.idle()
    service.close()


def read_line(fd):
    """Waits for a line of the guest's output."""
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([fd], [], [], PATIENCE_S)
        byte = os.read(fd, 1) if ready else b""
        if not byte:
            raise AssertionError(f"the output ended or stopped after {line}")
        line += byte
    return line.decode().rstrip()


class InsideTest(BoxTest):
    def perl(self, program, *arguments, **options):
        return self.box.run("perl", "-e", "$| = 1;" + program, *arguments, **options)

    def launch(self, *argv, **options):
        """Starts a process, and closes all of its descriptors but one."""
        process, stdin, stdout, stderr = self.box.start(*argv, **options)
        os.close(stdin)
        os.close(stderr)
        self.addCleanup(self.close, stdout)
        return process, stdout

    def close(self, fd):
        with contextlib.suppress(OSError):
            os.close(fd)

    def launch_perl(self, program, **options):
        return self.launch("perl", "-e", "$| = 1;" + program, **options)

    def feed(self, fd, data):
        """Writes the data in a thread and closes the descriptor. The reader need not read everything."""
        def run():
            with contextlib.suppress(BrokenPipeError), open(fd, "wb", buffering=0) as file:
                left = memoryview(data)
                while left:
                    left = left[file.write(left):]
        thread = threading.Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)

    def write(self, path, data):
        ours, theirs = os.pipe()
        self.feed(theirs, data)
        try:
            return self.box.call("WriteFile", "(sha{sv})", path, 0, fds=[ours])[0]
        finally:
            os.close(ours)

    def check_answers(self):
        self.assertEqual(self.box.run("echo", "alive"), (0, "alive\n", ""))
        self.assertEqual(self.box.stat("/etc/passwd")["type"], "file")

    def check_refusal(self, program, **options):
        self.assertEqual(self.perl(program, **options), (0, "-1 Operation not permitted", ""))

    def processes(self):
        return call(self.bus, self.box.path, SANDBOX, "ListProcesses")[0]

    def programs(self):
        return [p["argv"][0] for p in self.processes() if p["pid"]]


class Processor(InsideTest):
    def test_share_beside_hogs(self):
        """Eight processes at the highest priority together get as much processor time as one later process."""
        _, out = self.launch_perl(HOGS, user="root")
        for _ in range(8):
            read_line(out)
        *_, details = self.box.call("Run", "(asa{sv})", ["perl", "-e", BURN])
        self.assertGreaterEqual(details["user-us"], 200_000)
        self.assertLess(details["duration-us"], 4 * (details["user-us"] + details["system-us"]))
        self.check_answers()

    def test_nobody_is_in_real_time(self):
        lowest = "my ($none, $one) = (pack('i', 0), pack('i', 1)); print "
        for policy in (1, 2, 1 | 1 << 30, 2 | 1 << 30):
            with self.subTest(policy=policy):
                self.check_refusal(lowest + f"syscall(144, 0, {policy}, $one), ' ', $!", user="root")
        self.check_refusal("my $deadline = pack('LLQlLQQQ', 48, 6, 0, 0, 0, 1e6, 1e7, 1e7);"
                           "print syscall(314, 0, $deadline, 0), ' ', $!", user="root")
        self.assertEqual(self.perl(lowest + "syscall(144, 0, 3, $none)", user="root")[1], "0")


class Tasks(InsideTest):
    def bomb(self, user):
        """Returns when the bomb has made as many processes as it can."""
        process, out = self.launch_perl(BOMB, user=user)
        self.assertEqual(read_line(out), "Resource temporarily unavailable")
        return process

    def defuse(self, process):
        process.call("Kill")
        self.assertEqual(process.wait(), (signal.SIGKILL, "signaled"))
        wait_until(lambda: "perl" not in self.programs(), PATIENCE_S, "the end of the bomb")
        self.check_answers()

    def test_bomb_of_user(self):
        process = self.bomb("user")
        self.check_answers()
        self.assertGreater(self.programs().count("perl"), 100)
        self.assertEqual(self.box.run("sh", "-c", "true & wait; echo $?", user="root")[1], "0\n")
        self.defuse(process)

    def test_bomb_of_root(self):
        process = self.bomb("root")
        for method in (self.box.run, self.box.start):
            with self.subTest(method.__name__):
                self.assert_fails("OutOfResources", "processes", method, "true")
        self.assert_fails("OutOfResources", "processes", self.box.stat, "/etc/passwd")
        self.defuse(process)

    def test_bomb_that_ends_by_timeout(self):
        process, out = self.launch_perl(BOMB, user="root", timeout=t(3))
        self.assertEqual(process.wait(), (signal.SIGKILL, "timed-out"))
        self.assertIn(drain(out), (b"", b"Resource temporarily unavailable\n"))
        self.check_answers()


class Memory(InsideTest):
    def test_eater(self):
        for user in ("user", "root"):
            process, _ = self.launch_perl(EAT, user=user)
            self.assertEqual(process.wait(), (signal.SIGKILL, "out-of-memory"))
        self.assertEqual(self.perl(EAT)[0], 128 + signal.SIGKILL)
        self.check_answers()

    def test_eater_that_is_not_killed(self):
        """Other processes get no memory, or are killed; calls of the owner still succeed."""
        process, out = self.launch_perl(UNKILLABLE, user="root")
        self.assertEqual(read_line(out), "most")
        try:
            *_, details = self.box.call("Run", "(asa{sv})", ["true"], timeout=t(3))
            self.assertIn(details["how"], ("exited", "timed-out", "out-of-memory"))
        except Failure as failure:
            self.assertEqual(failure.name, "OutOfResources")
            self.assertIn("memory", failure.message)
        process.call("Kill")
        self.assertEqual(process.wait(), (signal.SIGKILL, "signaled"))
        self.check_answers()

    def test_files_in_memory(self):
        for folder in ("/dev/shm", "/run"):
            status, _, err = self.box.run("sh", "-c", f"head -c 1G /dev/zero >{folder}/all", user="root")
            self.assertEqual(status, 1)
            self.assertIn("No space left on device", err)
        self.check_answers()
        self.assertEqual(self.perl("$all = 'x' x 10_000_000; print length $all")[1], "10000000")

    def test_open_files(self):
        """One user opens as many files as memory allows; others can still open theirs."""
        process, out = self.launch_perl(
            "use POSIX; my $limit = pack('QQ', 1 << 20, 1 << 20); syscall(160, 7, $limit) and die $!;"
            "POSIX::open('/', 0) or die $! for 1..40_000; print qq(on\n); sleep 1000")
        self.assertEqual(read_line(out), "on")
        self.check_answers()
        process.call("Kill")


class Storage(InsideTest):
    def test_disk(self):
        """Users fill the disk, including the blocks that are reserved for root."""
        self.box.sh("fallocate -l $(df -B1 --output=avail . | tail -n 1) ~user/all; cat /dev/zero >rest || true",
                    user="root", cwd="/home/user")
        self.assert_fails("OutOfResources", "No space left on device", self.write, "new", b"x" * MIB)
        self.assert_fails("NoSuchFile", "new", self.box.stat, "new")
        self.check_answers()
        self.assertEqual(self.box.run("sh", "-c", "echo text >new")[0], 1)
        self.box.call("Remove", "(sa{sv})", "all")
        self.assertEqual(self.write("new", b"x" * MIB), MIB)

    def test_inodes(self):
        mount = "my @words = ('few', '/mnt', 'tmpfs', 0, 'nr_inodes=10,mode=777'); syscall(165, @words) and die $!;"
        self.assertEqual(self.perl(mount + "for (1..9) { open F, '>', qq(/mnt/$_) or die $! }", user="root"), (0, "", ""))
        self.assertEqual(self.box.sh("ls /mnt | wc -l"), "9\n")
        self.assert_fails("OutOfResources", "inodes", self.write, "/mnt/new", b"text")
        self.assert_fails("OutOfResources", "inodes", self.box.call, "MakeDirectory", "(sa{sv})", "/mnt/a/b")
        self.box.call("Remove", "(sa{sv})", "/mnt/9")
        self.assertEqual(self.write("/mnt/new", b"text"), 4)


class Agent(InsideTest):
    def test_users_do_not_reach_it(self):
        self.assertEqual(self.perl("print kill(9, 1) + kill('STOP', 1) + kill(0, 1), $!"), (0, "0Operation not permitted", ""))
        attempts = {
            "attach": "syscall(101, 16, 1, 0, 0)",
            "seize": "syscall(101, 16902, 1, 0, 0)",
            "memory": "syscall(310, 1, $ours, 1, $its, 1, 0)",
            "limits": "syscall(302, 1, 7, $its, 0)",
        }
        for what, attempt in attempts.items():
            with self.subTest(what):
                self.check_refusal("my $room = ' ' x 8; my $ours = pack('PQ', $room, 8); my $its = pack('QQ', 0x400000, 8);"
                                   f"print {attempt}, ' ', $!")
        for path in ("/proc/1/mem", "/proc/1/maps", "/proc/1/environ", "/proc/1/fd/0", "/proc/1/root/", "/dev/mem",
                     "/dev/vport*", "/dev/vda"):
            with self.subTest(path):
                status, out, err = self.box.run("sh", "-c", f"cat {path}")
                self.assertEqual((status, out), (1, ""))
                self.assertIn("Permission denied", err)

    def test_it_comes_first(self):
        """The agent is locked in memory, has real-time priority, and is killed last."""
        status = self.box.sh("cat /proc/1/status")
        locked, resident = (int(re.search(rf"{key}:\s+(\d+) kB", status)[1]) for key in ("VmLck", "VmRSS"))
        self.assertGreaterEqual(locked + 200, resident)
        self.assertEqual(self.box.sh("cat /proc/1/oom_score_adj"), "-1000\n")
        self.assertEqual(self.perl("print syscall(145, 1) & 0xff")[1], "2")

    def test_root_does_not_move_what_runs(self):
        group = self.box.sh("cut -d: -f3 /proc/self/cgroup").strip()
        self.assertRegex(group, r"^/cloche/operations/p\d+$")
        for command in ("echo $$ >cgroup.procs", "echo 1 >cloche/cgroup.procs", "echo max >cloche/pids.max",
                        "echo 1 >cloche/cgroup.kill", "echo 1 >cloche/operations/cgroup.freeze", "mkdir mine"):
            with self.subTest(command):
                status, _, err = self.box.run("sh", "-c", command, user="root", cwd="/sys/fs/cgroup")
                self.assertNotEqual(status, 0)
                self.assertIn("Read-only file system", err)
        self.check_answers()


class Ends(InsideTest):
    def test_four(self):
        for script, options, expected in (
                ("exit 3", {}, (3, "exited")), ("kill -TERM $$", {}, (15, "signaled")),
                ("sleep 1000", {"timeout": t(1)}, (9, "timed-out")), (f"exec perl -e \"{EAT}\"", {}, (9, "out-of-memory"))):
            with self.subTest(script):
                process, _ = self.launch("sh", "-c", script, **options)
                self.assertEqual(process.wait(), expected)

    def scatter(self, **options):
        """Starts two daemons, each in a new session, and their parent."""
        process, out = self.launch("sh", "-c", "(setsid sh -c 'sleep 1111 & sleep 1111' &); (setsid sleep 1111 &);"
                                   "echo on; exec sleep 1111", **options)
        self.assertEqual(read_line(out), "on")
        wait_until(lambda: self.programs().count("sleep") == 4, PATIENCE_S, "four sleeping processes")
        return process

    def check_gone(self):
        wait_until(lambda: "sleep" not in self.programs(), PATIENCE_S, "the end of all of them")

    def test_kill_of_all(self):
        for keep in (False, True):
            process = self.scatter(keep=keep)
            process.call("Kill")
            self.assertEqual(process.wait(), (signal.SIGKILL, "signaled"))
            self.check_gone()

    def test_timeout_of_all(self):
        process = self.scatter(timeout=t(15))  # it must not end before all are there
        self.assertEqual(process.wait(), (signal.SIGKILL, "timed-out"))
        self.check_gone()


class Streams(InsideTest):
    def test_hundred_at_once(self):
        started = [self.box.start("sh", "-c", "read n; echo $((n * n)); exit $((n % 7))") for _ in range(100)]
        for n, (_, stdin, _, _) in enumerate(started):
            os.write(stdin, b"%d\n" % n)
            os.close(stdin)
        for n, (process, _, stdout, stderr) in enumerate(started):
            self.assertEqual((drain(stdout), drain(stderr)), (b"%d\n" % (n * n), b""))
            self.assertEqual(process.wait(), (n % 7, "exited"))

    def test_reader_that_stops(self):
        stopped, out = self.launch("yes")
        self.assertEqual(os.read(out, 2), b"y\n")
        process, stdin, stdout, stderr = self.box.start("cat")
        self.feed(stdin, b"x" * 4 * MIB)
        self.assertEqual(drain(stdout), b"x" * 4 * MIB)
        self.assertEqual((drain(stderr), process.wait()), (b"", (0, "exited")))
        self.check_answers()
        self.assertEqual(stopped.properties()["State"], "running")
        with open(out, "rb", closefd=False) as file:
            self.assertEqual(file.read(4 * MIB), b"y\n" * 2 * MIB)
        os.close(out)
        self.assertEqual(stopped.wait(), (signal.SIGPIPE, "signaled"))

    def test_much_both_ways(self):
        data = hashlib.shake_256(b"inside").digest(64 * MIB)
        self.assertEqual(self.write("much", data), len(data))
        self.assertEqual(self.box.sh("sha256sum much").split()[0], hashlib.sha256(data).hexdigest())
        self.assertTrue(self.box.read("much") == data)
        process, stdin, stdout, stderr = self.box.start("cat")
        self.feed(stdin, data)
        self.assertTrue(drain(stdout) == data)
        self.assertEqual((drain(stderr), process.wait()), (b"", (0, "exited")))


class Terminals(InsideTest):
    template = "python"

    def open(self, columns=80, rows=24, **options):
        process, terminal = self.box.terminal(columns, rows, **options)
        self.addCleanup(terminal.close)
        terminal.settimeout(PATIENCE_S)
        self.seen = b""
        return process, terminal

    def expect(self, terminal, what):
        """Reads until the text appears."""
        while what not in self.seen:
            data = terminal.recv(65536)
            if not data:
                raise AssertionError(f"{what} is missing in {self.seen[-2000:]}")
            self.seen += data
        self.seen = self.seen.partition(what)[2]

    def test_full_screens(self):
        self.box.sh("seq -f 'line %g' 1000 >text")
        for argv, sign, keys in (
                (["top"], b"PID USER", b"q"), (["less", "text"], b"line 23", b"Gq"), (["nano", "text"], b"line 5", b"\x18")):
            with self.subTest(argv[0]):
                process, terminal = self.open(argv=argv)
                self.expect(terminal, sign)
                terminal.sendall(keys)
                self.assertEqual(process.wait(), (0, "exited"))

    def test_terminals_of_today(self):
        names = ("xterm-kitty", "alacritty", "foot", "tmux-256color", "screen-256color", "vte-256color",
                 "st-256color", "rxvt-unicode-256color")
        for name in names:
            with self.subTest(name):
                self.assertEqual(self.box.run("infocmp", name)[0], 0)
        for name in ("xterm-kitty", "terminal-of-tomorrow"):
            with self.subTest(name):
                process, terminal = self.open(argv=["nano", "text"], environment={"TERM": name})
                self.expect(terminal, b"New File")
                terminal.sendall(b"\x18")
                self.assertEqual(process.wait(), (0, "exited"))

    def test_shell(self):
        process, terminal = self.open()
        self.expect(terminal, b"$ ")
        terminal.sendall(b"tty; echo $TERM; stty size\n")
        self.expect(terminal, b"/dev/pts/0\r\nxterm-256color\r\n24 80\r\n")
        process.call("Resize", "(qq)", 132, 43)
        terminal.sendall(b"stty size; echo \xc3\xa4 | wc -m\n")
        self.expect(terminal, b"43 132\r\n2\r\n")
        terminal.sendall(b"sleep 1000\n")
        wait_until(lambda: "sleep" in self.programs(), PATIENCE_S, "the sleep")
        terminal.sendall(b"\x1a")
        self.expect(terminal, b"Stopped")
        terminal.sendall(b"fg\n")
        self.expect(terminal, b"sleep 1000\r\n")
        wait_until(lambda: any(p["argv"][:1] == ["sleep"] and p["state"] == "sleeping" for p in self.processes()),
                   PATIENCE_S, "the sleep to go on")
        terminal.sendall(b"\x03")
        terminal.sendall(b"echo status $?; exit 7\n")
        self.expect(terminal, b"status 130\r\n")
        self.assertEqual(process.wait(), (7, "exited"))

    def test_end_with_others_there(self):
        """A terminal ends with its shell, even if another process keeps it open."""
        process, terminal = self.open()
        self.expect(terminal, b"$ ")
        terminal.sendall(b"sleep 1000 &\n")
        self.expect(terminal, b"[1] ")
        self.expect(terminal, b"$ ")
        terminal.sendall(b"exit 7\n")
        while terminal.recv(65536):
            pass
        self.assertEqual(process.wait(), (7, "exited"))
        self.assertIn("sleep", self.programs())


class Devices(InsideTest):
    def test_only_those_that_a_guest_uses(self):
        """The guest has only bridges (class 06) and devices of Red Hat (1af4: virtio, 1b36: PCI Express ports)."""
        found = self.box.sh("cd /sys/bus/pci/devices && for d in *; do echo $(cat $d/class $d/vendor $d/device); done")
        others = [line for line in found.splitlines() if not line.startswith("0x06") and line.split()[1] not in ("0x1af4", "0x1b36")]
        self.assertEqual(others, [])
        self.assertIn("0x1af4", found)


class Terminfo(InsideTest):
    """TERM is replaced if the guest's terminfo database does not have it."""

    def term(self, name):
        process, terminal = self.box.terminal(80, 24, argv=["sh", "-c", "echo =$TERM="], environment={"TERM": name})
        with terminal:
            self.assertEqual(process.wait(), (0, "exited"))
            return terminal.recv(4096).decode().strip()

    def test_what_it_knows(self):
        for name, expected in (("tmux-256color", "tmux-256color"), ("dumb", "dumb"), ("xterm-kitty", "xterm-256color"),
                               ("xterm-ghostty", "xterm-256color")):
            self.assertEqual(self.term(name), f"={expected}=")


class Python(InsideTest):
    template = "python"

    def code(self, code):
        (execution,) = self.box.call("RunCode", "(sa{sv})", code)
        self.assertEqual(execution["status"], "ok", execution)
        return execution

    def test_packages(self):
        execution = self.code("import pandas as pd; from tqdm import tqdm; sum(tqdm([1, 2])); pd.DataFrame([[1]]).style")
        self.assertIn("<table", execution["results"][-1]["data"]["text/html"])

    def test_glyphs(self):
        for what, settings in guest_cells.FAMILIES.items():
            with self.subTest(what):
                execution = self.code(guest_cells.CHART % settings)
                self.assertEqual(execution["stderr"], "")
                self.assertIn("image/png", execution["results"][0]["data"])

    def test_wheel_that_was_copied_in(self):
        """The running interpreter can import the package, and its command is on PATH."""
        name, data = guest_cells.wheel("greeting", "def main(): print('hello')\n", "greet")
        self.box.call("MakeDirectory", "(sa{sv})", "wheels")
        self.write(f"wheels/{name}", data)
        execution = self.code("!pip install --no-index --find-links wheels greeting")
        self.assertIn("Successfully installed", execution["stdout"])
        self.assertEqual(self.code("import greeting; greeting.main()")["stdout"], "hello\n")
        self.assertEqual(self.box.run("greet"), (0, "hello\n", ""))

    def test_index_that_is_not_reached(self):
        status, _, error = self.box.run("python3", "-m", "pip", "install", "no-package-of-this-name")
        self.assertEqual(status, 1)
        self.assertIn("cloche cp wheels ID:\n", error)
        self.assertIn("No matching distribution found", error)


class Users(InsideTest):
    def test_failures_are_told_apart(self):
        self.box.sh("echo text >file; mkdir folder")
        for name, part, argv, options in (
                ("NoSuchUser", "nobody-here", ["true"], {"user": "nobody-here"}),
                ("NoSuchProgram", "no-program", ["no-program"], {}),
                ("NoSuchProgram", "/no/program", ["/no/program"], {}),
                ("NoSuchDirectory", "/no/folder", ["true"], {"cwd": "/no/folder"}),
                ("NoSuchDirectory", "file", ["true"], {"cwd": "file"}),
                ("PermissionDenied", "./file", ["./file"], {}),
                ("PermissionDenied", "./folder", ["./folder"], {}),
                ("PermissionDenied", "/root", ["true"], {"cwd": "/root"})):
            for method in (self.box.run, self.box.start):
                with self.subTest(name, part=part, method=method.__name__):
                    self.assert_fails(name, f"'{part}'", method, *argv, **options)

    def test_who(self):
        self.assertEqual(self.box.sh("id -un; sudo id -un; cd; pwd"), "user\nroot\n/home/user\n")
        for user, expected in (("root", "0 root /root"), ("0", "0 root /root"), ("nobody", "65534 nogroup /")):
            self.assertEqual(self.box.sh("echo $(id -u; id -gn; pwd)", user=user), expected + "\n")

    def test_environment(self):
        self.box.kill()
        self.box = Box(self.bus, environment={"GIVEN": "at create", "PATH": "/usr/bin:/bin"})
        script = 'echo "$GIVEN, $PATH"'
        self.assertEqual(self.box.sh(script), "at create, /usr/bin:/bin\n")
        process, out = self.launch("sh", "-c", script, environment={"GIVEN": "later"})
        self.assertEqual(drain(os.dup(out)), b"later, /usr/bin:/bin\n")
        self.assertEqual(process.wait(), (0, "exited"))


if __name__ == "__main__":
    tap.main()
