# SPDX-License-Identifier: LGPL-2.1-or-later
"""sandboxes: a service of the benchmark's own, and a sandbox with a network in it.

cloched --user runs in this network namespace, with its children cloche-vm and cloche-egress. Its configuration has no
[Network], so nothing limits the bandwidth of a sandbox.
"""
import contextlib
import pathlib
import resource
import shutil
import subprocess
import tempfile
import time

from cloche_tests.egress import INTERNET, Egress, command, descendants, policy
from cloche_tests.network import create, memory_kib
from cloche_tests.service import PrivateService, text, wait_until

BOOT_S = 600
TEMPLATE = "python"
DESCRIPTORS_PER_WORKER = 4


class SandboxGuest:
    """A sandbox with mode "internet", with the methods of PasstGuest."""

    def __init__(self, service):
        self.box = create(service, "internet", template=TEMPLATE)
        self.worker, = (pid for pid in descendants(service.pid) if command(pid) == "egress-worker")

    def run(self, script):
        return self.box.sh(script, user=text("root"))

    def trust(self, authority):
        self.box.trust(authority)

    def memory_kib(self):
        return memory_kib(self.worker)


class Sandboxes:
    def __init__(self, build, image, accelerator):
        """build: a folder with the programs; image: a folder. Returns when there are a guest and a machine for the
        next one."""
        self.build = pathlib.Path(build)
        with contextlib.ExitStack() as stack:
            store = stack.enter_context(tempfile.TemporaryDirectory(prefix="cloche-bench-", dir="/var/tmp"))
            copy_image(pathlib.Path(image), pathlib.Path(store))
            self.service = PrivateService(self.build, store)
            stack.callback(self.service.close)
            self.start(accelerator)
            self.guest = SandboxGuest(self.service)
            self.settle()
            self.close = stack.pop_all().close

    def start(self, accelerator):
        with open(self.service.dir / "cloched.conf", "a", encoding="ascii") as file:
            file.write("[Pool]\nTarget=1\n")
        self.service.start()
        state = self.service.wait_for_template(TEMPLATE, BOOT_S)
        if state["state"] != "ready":
            log = (self.service.dir / "cloched.log").read_text(errors="replace")
            raise RuntimeError(f"the template cannot be used: {state}\n{log}")
        used = self.service.manager_property("Accelerator")
        if used != accelerator:
            raise RuntimeError(f"sandboxes would use {used}, and passt's guest {accelerator}")

    def settle(self):
        """Waits until a machine is ready for the next claim, and nothing is being started."""
        wait_until(lambda: all(pool["ready"] == pool["target"] and not pool["starting"] for pool in self.service.pool().values()),
                   BOOT_S, "a machine that is ready")

    def claim(self, networked):
        """Returns the milliseconds from CreateSandbox() to its reply. The sandbox is killed."""
        begin = time.perf_counter()
        box = create(self.service, "internet" if networked else None, template=TEMPLATE)
        milliseconds = 1e3 * (time.perf_counter() - begin)
        box.kill()
        self.settle()
        return milliseconds

    def workers_kib(self, count):
        """Returns the PSS of so many workers at once. They are those of another cloche-egress, and their guests are
        sockets here. Each has made a connection."""
        raise_descriptors(count * DESCRIPTORS_PER_WORKER)
        egress = Egress(self.build / "src/egress/cloche-egress")
        try:
            guests = [egress.guest(f"w{number}", policy(INTERNET)) for number in range(count)]
            for guest in guests:
                use(guest)
            workers = egress.workers()
            if len(workers) != count:
                raise RuntimeError(f"there are {len(workers)} workers of {count}")
            return settled_kib(workers)
        finally:
            egress.close()
            shutil.rmtree(egress.state)


def copy_image(image, store):
    """Copies the image to a new store, where images are links to folders whose names contain their digest."""
    images = store / "images"
    images.mkdir()
    target = image.resolve()
    subprocess.run(["cp", "-a", "--sparse=always", target, images / target.name], check=True)
    (images / TEMPLATE).symlink_to(target.name)


def raise_descriptors(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(count, hard)), hard))


def settled_kib(pids):
    """Returns the PSS of the processes when it falls no more: idle workers return memory to the kernel."""
    last, now = None, sum(map(memory_kib, pids))
    while last is None or now < last:
        time.sleep(1)
        last, now = now, sum(map(memory_kib, pids))
    return now


def use(guest):
    """A GET of 1 KB."""
    stream = guest.open("www.example.com")
    guest.send(stream, b"GET /bytes/1000 HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n")
    guest.read(stream)
    guest.send_eof(stream)
