# SPDX-License-Identifier: LGPL-2.1-or-later
"""network: measures the network of sandboxes, beside passt with the same image in the same run.

    sudo tests/lib/python tests/bench/network.py [--state DIR] [--build DIR] [--rounds N] [--kvm] [--only-passt] [FILE]

Servers and the guests' way to them are in network namespaces of this run (see cloche_tests.world), so the machine's own
network is not measured and not needed. Prints a table, and writes it with all samples to FILE (network.json). The state
directory (/var/lib/cloche) has the image 'python', the build directory (build-quickstart) a release build. passt, a C compiler
and the user cloche-egress are needed; --only-passt measures no sandbox.

Both guests are measured in turn, so that other load on the machine is the same for both.
"""
import argparse
import json
import os
import pathlib
import pwd
import shutil
import signal
import statistics
import sys
import tempfile
import time

from cloche_tests.world import World, client
from passt import PasstGuest
from sandboxes import Sandboxes

INSIDE = "CLOCHE_BENCH_NETWORK_INSIDE"
MB = 64  # size of a download, in 10^6 bytes
SMALL_GETS = 60
WORKERS = 1000
COMMANDS = 8  # of each kind in a round
CLAIMS = 5  # the same
TOP = pathlib.Path(__file__).resolve().parents[2]
FIGURES = {  # key: (description, unit)
    "http": ("download by HTTP", "MB/s"),
    "https": ("download by HTTPS", "MB/s"),
    "connect": ("connect", "ms"),
    "get": ("connect and GET of 1 KB", "ms"),
    "command": ("a small command", "ms"),
    "command-beside": ("  while data are downloaded", "ms"),
    "memory": ("the host's process for one guest (PSS)", "KiB"),
    "claim": ("CreateSandbox without network", "ms"),
    "claim-networked": ("  with network", "ms"),
    "workers": (f"{WORKERS} workers (PSS)", "MB"),
}
# Prints a line for each connection: milliseconds of connect() and of all until the end of the answer.
SMALL_GET = f"""
import socket, time
for _ in range({SMALL_GETS}):
    begin = time.perf_counter()
    with socket.create_connection(("www.example.com", 80)) as connection:
        connected = time.perf_counter()
        connection.sendall(b"GET /bytes/1000 HTTP/1.1\\r\\nHost: www.example.com\\r\\nConnection: close\\r\\n\\r\\n")
        while connection.recv(65536):
            pass
    print(1e3 * (connected - begin), 1e3 * (time.perf_counter() - begin))
"""


# --- what both guests do ---

def measure_downloads(guest, sample):
    for key, scheme in (("http", "http"), ("https", "https")):
        speed = guest.run(f"curl -sS -o /dev/null -w '%{{speed_download}}' {scheme}://www.example.com/bytes/{MB * 1_000_000}")
        sample(key, float(speed) / 1e6)


def measure_latency(guest, sample):
    lines = guest.run(f"python3 - <<'END'\n{SMALL_GET}\nEND").splitlines()
    for connect, get in (map(float, line.split()) for line in lines):
        sample("connect", connect)
        sample("get", get)


def measure_command(guest, key, sample):
    for _ in range(COMMANDS):
        begin = time.perf_counter()
        guest.run("true")
        sample(key, 1e3 * (time.perf_counter() - begin))


def measure_commands(guest, sample, world):
    measure_command(guest, "command", sample)
    world.forget()
    guest.run("curl -sS http://www.example.com/bytes/1000000000000 >/dev/null 2>&1 & echo $! >/tmp/curl")
    world.wait("requests")
    measure_command(guest, "command-beside", sample)
    guest.run("kill $(cat /tmp/curl)")


def measure_guest(guest, sample, world):
    measure_downloads(guest, sample)
    measure_latency(guest, sample)
    measure_commands(guest, sample, world)
    sample("memory", guest.memory_kib())


def measure_service(service, sample):
    for _ in range(CLAIMS):
        for key, networked in (("claim", False), ("claim-networked", True)):
            sample(key, service.claim(networked))


# --- the run ---

def measure(arguments, world, work, samples):
    """Fills samples: {guest: {key: [values]}}."""
    def sampler(name):
        figures = samples.setdefault(name, {})
        return lambda key, value: figures.setdefault(key, []).append(value)

    image, accelerator = arguments.state / "images/python", "kvm" if arguments.kvm else "tcg"
    guests, opened = {}, []
    try:
        if not arguments.only_passt:
            service = Sandboxes(arguments.build, image, accelerator)
            opened.append(service)
            guests["sandbox"] = service.guest
        guests["passt"] = PasstGuest(image, work / "passt", accelerator)
        opened.append(guests["passt"])
        for guest in guests.values():
            guest.trust(world.authority)
        for number in range(arguments.rounds):
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
            for name, guest in guests.items():
                measure_guest(guest, sampler(name), world)
            if not arguments.only_passt:
                measure_service(service, sampler("sandbox"))
        if not arguments.only_passt:
            sampler("sandbox")("workers", service.workers_kib(WORKERS) * 1024 / 1e6)
    finally:
        for each in reversed(opened):
            each.close()


def print_table(samples):
    print(f"{'':<44}{'':<9}{'n':>4}{'median':>10}{'min':>10}{'max':>10}")
    for key, (what, unit) in FIGURES.items():
        for name, figures in samples.items():
            if values := figures.get(key):
                cells = "".join(f"{value:>10.2f}" for value in (statistics.median(values), min(values), max(values)))
                print(f"{f'{what}, {unit}':<44}{name:<9}{len(values):>4}{cells}")


def facts():
    with open("/proc/loadavg", encoding="ascii") as file:
        return {"load": float(file.read().split()[0]), "cores": os.cpu_count(), "kernel": os.uname().release}


def enter_namespaces():
    """Runs this program again in network and mount namespaces of its own, where it may change the host's files."""
    if INSIDE not in os.environ:
        os.execvpe("unshare", ["unshare", "--net", "--mount", "--propagation", "private", sys.executable, "-B", *sys.argv],
                   {**os.environ, INSIDE: "1", "PYTHONPATH": str(client.LIBRARY)})


def parse():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--state", type=pathlib.Path, default=pathlib.Path("/var/lib/cloche"))
    parser.add_argument("--build", type=pathlib.Path, default=TOP / "build-quickstart")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kvm", action="store_true")
    parser.add_argument("--only-passt", action="store_true")
    parser.add_argument("file", nargs="?", type=pathlib.Path, default=pathlib.Path("network.json"))
    arguments = parser.parse_args()
    for program in ("passt", "cc", "cpio", "qemu-system-x86_64"):
        if not shutil.which(program):
            parser.error(f"{program} is not installed")
    if not arguments.only_passt and "cloche-egress" not in (user.pw_name for user in pwd.getpwall()):
        parser.error("the user cloche-egress does not exist; docs/hosts.md says how to create it")
    return arguments


def main():
    arguments = parse()
    enter_namespaces()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leaves nothing behind
    samples = {}
    with tempfile.TemporaryDirectory(prefix="cloche-bench-", dir="/run") as work:
        work = pathlib.Path(work)
        work.chmod(0o711)
        client.use_copies(work)
        with World() as world:
            measure(arguments, world, work, samples)
        client.stop_using_copies()
    print_table(samples)
    arguments.file.write_text(json.dumps({"machine": facts(), "figures": samples}, indent=1) + "\n")


main()
