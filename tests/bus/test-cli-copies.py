# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-cli-copies: "cloche cp" copies files with holes, files that change meanwhile, and unusual names.

Usage: test-cli-copies.py CLOCHE, in an environment whose system bus has the service (with-service). Fake machines
share the host's files, so both sides see the test's directory.
"""
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time

from cloche_tests import tap
from cloche_tests.console import WAIT_S, CliTest

MIB = 1 << 20
GIB = 1 << 30
QUICK_S = 20  # if holes were copied byte by byte, it would take minutes


def make_sparse(path, size, *offsets):
    with open(path, "wb") as file:
        for offset in offsets:
            file.seek(offset)
            file.write(b"data")
        file.truncate(size)


def blocks(path):
    return os.stat(path).st_blocks * 512


class CopyTest(CliTest):
    def setUp(self):
        super().setUp()
        self.here, self.there = (pathlib.Path(tempfile.mkdtemp(prefix=f"cloche-{name}-")) for name in ("here", "there"))
        self.addCleanup(shutil.rmtree, self.here)
        self.addCleanup(shutil.rmtree, self.there)

    def at(self, name=""):
        return f"{self.box}:{self.there}/{name}"

    def assert_same(self, one, two):
        self.assertEqual(subprocess.run(["cmp", one, two], check=False).returncode, 0)

    def assert_sparse(self, path, size):
        self.assertEqual(path.stat().st_size, size)
        self.assertLess(blocks(path), MIB)


class Sparse(CopyTest):
    def test_both_ways(self):
        size = 3 * GIB + 1
        make_sparse(self.here / "sp", size, 0, GIB + 5, size - 4)
        (self.here / "sp").chmod(0o640)
        os.utime(self.here / "sp", ns=(10**18, 10**18 + 700_000_000))
        begin = time.monotonic()
        self.cloche("cp", self.here / "sp", self.at())
        self.cloche("cp", self.at("sp"), self.here / "back")
        with open(self.here / "sp", "rb") as file:
            self.cloche("write", self.at("written"), stdin=file)
        self.assertLess(time.monotonic() - begin, QUICK_S)
        self.assertAlmostEqual((self.there / "written").stat().st_mtime, time.time(), delta=WAIT_S)
        for copy in self.there / "sp", self.here / "back", self.there / "written":
            self.assert_sparse(copy, size)
            with open(copy, "rb") as file:
                for offset in 0, GIB + 5, size - 4:
                    file.seek(max(offset - MIB, 0))
                    around = file.read(2 * MIB)
                    self.assertEqual((around.strip(b"\0"), around.index(b"data")), (b"data", min(offset, MIB)))
        for copy in self.there / "sp", self.here / "back":
            self.assertEqual((copy.stat().st_mode & 0o7777, copy.stat().st_mtime_ns), (0o640, 10**18 + 700_000_000))
        self.assertEqual(stat.S_IMODE((self.there / "written").stat().st_mode), 0o644)
        self.assertEqual(sorted(os.listdir(self.there)), ["sp", "written"])

    def test_nothing_but_a_hole(self):
        for size in 40 * MIB, 65536, 65535:
            make_sparse(self.here / "sp", size)
            self.cloche("cp", self.here / "sp", self.at("up"))
            self.cloche("cp", self.at("up"), self.here / "down")
            for copy in self.there / "up", self.here / "down":
                self.assertEqual(copy.stat().st_size, size)
            if size >= 65536:
                self.assertEqual((blocks(self.there / "up"), blocks(self.here / "down")), (0, 0))

    def test_bytes_that_are_told(self):
        make_sparse(self.here / "sp", 40 * MIB, MIB)
        for arguments, said in ((["cp", self.here / "sp", self.at("up")], b'{"bytes":41943040}\n'),
                                (["cp", self.at("up"), self.here / "down"], b'{"bytes":41943040}\n')):
            self.assertEqual(self.cloche("--json", *arguments).stdout, said)
        with open(self.here / "sp", "rb", buffering=0) as file:
            file.seek(3)
            self.assertEqual(self.cloche("--json", "write", self.at("rest"), stdin=file).stdout, b'{"written":41943037}\n')
        self.assert_sparse(self.there / "rest", 40 * MIB - 3)

    def test_over_what_is_there(self):
        make_sparse(self.here / "sp", 4 * MIB, MIB)
        (self.there / "file").write_text("old")
        (self.there / "file").chmod(0o604)
        os.chown(self.there / "file", 12, 34)
        (self.there / "link").symlink_to("file")
        with open(self.here / "sp", "rb") as file:
            self.cloche("write", self.at("link"), stdin=file)
        self.assertTrue((self.there / "link").is_symlink())
        self.assert_same(self.here / "sp", self.there / "file")
        status = (self.there / "file").stat()
        self.assertEqual((stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid), (0o604, 12, 34))
        with open(self.here / "sp", "rb") as file:
            self.cloche("write", self.at("new/er/file"), "--mode", "600", stdin=file)
        self.assertEqual(stat.S_IMODE((self.there / "new/er/file").stat().st_mode), 0o600)
        with open(self.here / "sp", "rb") as file:
            self.cloche("write", self.at("file"), "--append", stdin=file)
        self.assertEqual((self.there / "file").stat().st_size, 8 * MIB)
        self.assertEqual(sorted(os.listdir(self.there)), ["file", "link", "new"])

    def test_owners_and_users(self):
        make_sparse(self.here / "sp", 4 * MIB, MIB)
        os.chown(self.here / "sp", 12, 34)
        self.cloche("cp", "--user", "root", self.here / "sp", self.at("roots"))
        self.cloche("cp", self.here / "sp", self.at("mine"))
        self.there.chmod(0o777)
        self.cloche("cp", "--user", "nobody", self.here / "sp", self.at("nobodys"))
        self.assertEqual([(self.there / name).stat().st_uid for name in ("roots", "mine", "nobodys")], [12, 0, 65534])

    def test_errors_are_those_of_any_file(self):
        make_sparse(self.here / "sp", 4 * MIB, MIB)
        os.mkfifo(self.there / "fifo")
        (self.there / "mine").touch(0o600)
        for target, said in (("no/", "no directory"), ("fifo", "not a regular file"), ("fifo/x", "Not a directory")):
            self.assertIn(said, self.err("cp", self.here / "sp", self.at(target), status=125))
        self.there.chmod(0o777)
        self.assertIn("Permission denied", self.err("cp", "-u", "nobody", self.here / "sp", self.at("mine"), status=125))
        self.there.chmod(0o755)
        self.assertIn("Permission denied", self.err("cp", "-u", "nobody", self.here / "sp", self.at("x"), status=125))
        self.assertEqual(sorted(os.listdir(self.there)), ["fifo", "mine"])

    def test_a_sandbox_without_tar(self):
        """Without tar in the sandbox, the file is copied completely, and zeros become holes on this machine."""
        tools = self.there / "bin"
        tools.mkdir()
        box = self.out("create", "--env", f"PATH={tools}").strip()
        make_sparse(self.here / "sp", 4 * MIB, MIB)
        error = self.err("cp", self.here / "sp", f"{box}:{self.there}/up")
        self.assertIn("its time could not be set", error)
        self.cloche("cp", f"{box}:{self.there}/up", self.here / "down")
        with open(self.here / "sp", "rb") as file:
            self.cloche("write", f"{box}:{self.there}/written", stdin=file)
        for copy in self.there / "up", self.here / "down", self.there / "written":
            self.assert_same(self.here / "sp", copy)
        self.assert_sparse(self.here / "down", 4 * MIB)
        for name in "stat", "sh":
            (tools / name).symlink_to(shutil.which(name))
        make_sparse(self.there / "sp", 4 * MIB, MIB)
        self.cloche("cp", f"{box}:{self.there}/sp", self.here / "again")
        self.assert_same(self.here / "sp", self.here / "again")
        self.assertEqual(sorted(os.listdir(self.there)), ["bin", "sp", "up", "written"])

    def test_what_is_interrupted_leaves_nothing(self):
        with open(self.here / "sp", "wb") as file:
            file.truncate(1 << 42)  # whose data take long to copy
            file.seek(0)
            for _ in range(64):
                file.write(b"x" * MIB)
        (self.there / "sp").write_text("old")
        copying = self.popen("cp", self.here / "sp", self.at(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.wait_until(lambda: len(os.listdir(self.there)) == 2)
        copying.send_signal(signal.SIGINT)
        self.assertEqual(copying.wait(WAIT_S), 130)
        self.assertEqual(os.listdir(self.there), ["sp"])
        self.assertEqual((self.there / "sp").read_text(), "old")


class Changing(CopyTest):
    def test_one_that_grows(self):
        """At least the contents that the file had at the beginning are copied."""
        file = self.there / "log"
        file.write_bytes(b"x" * MIB)
        stop = threading.Event()

        def grow():
            with open(file, "ab", buffering=0) as log:
                while not stop.is_set() and log.tell() < 64 * MIB:
                    log.write(b"y" * 4096)

        writer = threading.Thread(target=grow)
        writer.start()
        try:
            self.cloche("cp", self.at("log"), self.here / "log")
            self.cloche("cp", file, self.at("up"))
        finally:
            stop.set()
            writer.join()
        for copy in self.here / "log", self.there / "up":
            self.assertRegex(copy.read_bytes(), rb"\Ax{%d}y*\Z" % MIB)

    def test_files_without_a_size(self):
        self.cloche("cp", f"{self.box}:/proc/version", self.here)
        self.assertEqual((self.here / "version").read_bytes(), pathlib.Path("/proc/version").read_bytes())
        self.cloche("cp", "/proc/version", self.at())
        self.assertEqual((self.there / "version").read_bytes(), pathlib.Path("/proc/version").read_bytes())


class Names(CopyTest):
    """Names follow the rules of cp(1), scp(1) and podman-cp(1)."""

    def test_odd_names(self):
        for name in "-x", "a\nb", " ", "ä\u202e", "a:b", "%s", "*", "\\":
            with self.subTest(name):
                (self.here / name).write_text(name)
                self.cloche("cp", "--", f"./{name}", self.at(), cwd=self.here)
                self.assertEqual((self.there / name).read_text(), name)
                (self.here / name).unlink()
                self.cloche("cp", self.at(name), ".", cwd=self.here)
                self.assertEqual((self.here / name).read_text(), name)
        self.cloche("cp", "--", "-x", self.at("from-dash"), cwd=self.here)
        self.assertEqual((self.there / "from-dash").read_text(), "-x")

    def test_slashes(self):
        (self.here / "d").mkdir()
        (self.here / "d/f").touch()
        self.cloche("cp", f"{self.here}/d/", self.at("new"))  # becomes the directory "new"
        self.cloche("cp", f"{self.here}/d/", self.at("new/"))  # is copied into "new"
        self.cloche("cp", f"{self.here}/d/.", self.at("new"))  # its contents are copied into "new"
        self.assertEqual(sorted(str(path.relative_to(self.there)) for path in self.there.rglob("*")), ["new", "new/d", "new/d/f", "new/f"])
        self.assertIn("no directory", self.err("cp", self.here / "d/f", self.at("none/"), status=125))
        self.assertIn("is not a directory in the sandbox", self.err("cp", self.here / "d", self.at("new/f"), status=125))
        self.assertIn("Not a directory", self.err("cp", f"{self.here}/d/f/", self.at("x"), status=125))
        self.assertIn("Not a directory", self.err("cp", self.at("new/f/"), self.here, status=125))

    def test_links_are_followed_at_the_top_alone(self):
        (self.here / "f").write_text("text")
        (self.here / "d").mkdir()
        (self.here / "d/inner").symlink_to("../f")
        (self.here / "to-file").symlink_to("f")
        (self.here / "to-directory").symlink_to("d")
        self.cloche("cp", self.here / "to-file", self.at())
        self.cloche("cp", self.here / "to-directory", self.at())
        self.assertFalse((self.there / "to-file").is_symlink())
        self.assertFalse((self.there / "to-directory").is_symlink())
        self.assertEqual(os.readlink(self.there / "to-directory/inner"), "../f")


tap.main()
