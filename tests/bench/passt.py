# SPDX-License-Identifier: LGPL-2.1-or-later
"""passt: a guest with an image of cloche and a network by passt, to compare with.

It has the same kernel, modules, disk, processor and memory as a sandbox. Its network card is connected to passt, which
opens the guest's connections from this network namespace. Commands are run by a shell at a virtio-serial port.
"""
import pathlib
import re
import shutil
import socket
import subprocess
import time

from cloche_tests.world import GATEWAY4, HOST4

HERE = pathlib.Path(__file__).resolve().parent
BOOT_S = 180
END = "the-end-of-the-command"
MTU = 65520  # passt would announce it over DHCP
PARAMETERS = ("console=ttyS0 quiet loglevel=1 panic=-1 nowatchdog sysctl.vm.compaction_proactiveness=0 "
              "sysctl.vm.stat_interval=60 transparent_hugepage=madvise")
ACCELERATORS = {
    "kvm": ("kvm", "host", ""),
    "tcg": ("tcg,tb-size=128", "max,erms=off,fsrm=off", " mitigations=off tsc=reliable norandmaps"),
}


def wait_for_path(path, process, seconds):
    end = time.monotonic() + seconds
    while not path.exists():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{process.args[0]} has made no {path}")
        time.sleep(0.01)


class PasstGuest:
    def __init__(self, image, work, accelerator):
        """The image is a folder; work is a new folder for temporary files. Returns when the guest has a network."""
        self.image, self.work = pathlib.Path(image), pathlib.Path(work)
        self.work.mkdir()
        self.work.chmod(0o777)  # passt changes its user before it makes its socket
        self.processes = []
        try:
            self.start_passt()
            self.start_qemu(*ACCELERATORS[accelerator])
            self.set_up_network()
        except BaseException:
            self.close()
            raise

    def start(self, *argv):
        with open(self.work / "log", "ab") as log:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def start_passt(self):
        path = self.work / "passt"
        self.passt = self.start("passt", "--foreground", "--quiet", "--no-map-gw", "--mtu", str(MTU), "--socket", path)
        wait_for_path(path, self.passt, 10)

    def make_initrd(self):
        """Adds an archive to the image's: the kernel unpacks one after the other."""
        tree, initrd = self.work / "initrd", self.work / "initrd.img"
        tree.mkdir()
        subprocess.run(["cc", "-O1", "-static", "-o", tree / "init", HERE / "guest-init.c"], check=True)
        archive = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], input=b"init\n", cwd=tree, check=True,
                                 stdout=subprocess.PIPE).stdout
        initrd.write_bytes((self.image / "initrd").read_bytes() + archive)
        return initrd

    def start_qemu(self, accelerator, cpu, parameters):
        conf, path = (self.image / "image.conf").read_text(), self.work / "port"
        memory, vcpus = (re.search(rf"^{key}=(\d+)$", conf, re.MULTILINE)[1] for key in ("MemoryMiB", "Vcpus"))
        qemu = self.start(
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35", "-no-reboot",
            "-serial", f"file:{self.work}/console", "-accel", accelerator, "-cpu", cpu, "-smp", vcpus, "-m", memory,
            "-kernel", self.image / "kernel", "-initrd", self.make_initrd(), "-append", PARAMETERS + parameters,
            "-drive", f"file={self.image}/disk.ext4,format=raw,if=none,id=disk,snapshot=on",
            "-device", "virtio-blk-pci,drive=disk", "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=port,path={path},server=on,wait=on", "-device", "virtserialport,chardev=port,name=shell",
            "-netdev", f"stream,id=net,server=off,addr.type=unix,addr.path={self.work}/passt",
            "-device", "virtio-net-pci,netdev=net,romfile=")
        wait_for_path(path, qemu, 20)
        self.port = socket.socket(socket.AF_UNIX)
        self.port.connect(str(path))
        self.port.settimeout(BOOT_S)
        self.file = self.port.makefile("r", encoding="utf-8", errors="replace")

    def run(self, command, seconds=600):
        """Runs a command of sh as root; returns its output. Raises RuntimeError if it fails."""
        self.port.settimeout(seconds)
        self.port.sendall(f"( {command}\n) </dev/null 2>&1; echo; echo {END} $?\n".encode())
        lines = []
        while not (line := self.read_line()).startswith(END):
            lines.append(line)
        output = "".join(lines)[:-1]
        if line.split()[1] != "0":
            raise RuntimeError(f"{command}: {output}")
        return output

    def read_line(self):
        try:
            line = self.file.readline()
        except ConnectionError:
            line = ""
        if not line:
            logs = ((self.work / name).read_text(errors="replace") for name in ("console", "log"))
            raise RuntimeError("the guest has ended: " + "".join(logs))
        return line

    def set_up_network(self):
        """By hand, because images have no DHCP client."""
        self.run("ip link set lo up")
        self.run(f"device=$(ls /sys/class/net | grep -v lo); ip link set $device up mtu {MTU} &&"
                 f" ip address add {HOST4}/30 dev $device && ip route add default via {GATEWAY4} &&"
                 f" echo nameserver {GATEWAY4} >/etc/resolv.conf", BOOT_S)

    def trust(self, authority):
        self.run(f"cat >>/etc/ssl/certs/ca-certificates.crt <<'END'\n{authority}\nEND")

    def memory_kib(self):
        """The proportional share of memory of the host's process for the network."""
        text = pathlib.Path(f"/proc/{self.passt.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Pss: *(\d+)", text, re.MULTILINE)[1])

    def close(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        shutil.rmtree(self.work)
