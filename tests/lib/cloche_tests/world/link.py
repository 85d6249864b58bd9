# SPDX-License-Identifier: LGPL-2.1-or-later
"""link: the pair of interfaces between the caller's network namespace (the host's) and the world's, and their addresses.

Like a host behind a home router: the link has private addresses, the resolver is the router, and everything else is
reached through it. The world takes each packet as its own, whatever address it is for. A few addresses differ:

NEIGHBOUR4, NEIGHBOUR6  public addresses in networks that the host is part of (ON_LINK4, ON_LINK6), so no router is between
SILENT4, SILENT6        packets are dropped: a connection attempt times out
UNREACHABLE4, …6        packets are answered with an ICMP error
"""
import ctypes
import os
import pathlib
import socket
import subprocess

HOST_SIDE, WORLD_SIDE = "world0", "outside0"
HOST4, GATEWAY4 = "100.64.255.1", "100.64.255.2"
HOST6, GATEWAY6 = "fd00:77::1", "fd00:77::2"
ON_LINK4, NEIGHBOUR4 = "93.184.217.1", "93.184.217.9"
ON_LINK6, NEIGHBOUR6 = "2606:2800:221::1", "2606:2800:221::9"
SILENT4, SILENT6 = "93.184.218.1", "2606:2800:222::1"
UNREACHABLE4, UNREACHABLE6 = "93.184.218.2", "2606:2800:222::2"
CLONE_NEWNET = 0x40000000
IPV6_TRANSPARENT = 75

# Addresses are usable at once (nodad), also the link-local ones, because nobody else is on the link.
HOST_COMMANDS = f"""
link set lo up
link set {HOST_SIDE} addrgenmode none
address add fe80::1/64 dev {HOST_SIDE} nodad
address add {HOST4}/30 dev {HOST_SIDE}
address add {ON_LINK4}/24 dev {HOST_SIDE}
address add {HOST6}/64 dev {HOST_SIDE} nodad
address add {ON_LINK6}/64 dev {HOST_SIDE} nodad
link set {HOST_SIDE} up
route add default via {GATEWAY4}
-6 route add default via {GATEWAY6}
"""
# The routes are in the table that decides which addresses are the kernel's own, because it answers only from those.
WORLD_COMMANDS = f"""
link set lo up
link set {WORLD_SIDE} addrgenmode none
address add fe80::2/64 dev {WORLD_SIDE} nodad
address add {GATEWAY4}/30 dev {WORLD_SIDE}
address add {GATEWAY6}/64 dev {WORLD_SIDE} nodad
address add {NEIGHBOUR6}/128 dev {WORLD_SIDE} nodad
link set {WORLD_SIDE} up
route add {HOST4} dev {WORLD_SIDE} table local
route add {ON_LINK4} dev {WORLD_SIDE} table local
-6 route add {HOST6} dev {WORLD_SIDE} table local
-6 route add {ON_LINK6} dev {WORLD_SIDE} table local
-6 route add fe80::/64 dev {WORLD_SIDE} table local
-6 route add ff00::/8 dev {WORLD_SIDE} table local
route add blackhole {SILENT4} table local
-6 route add blackhole {SILENT6} table local
route add unreachable {UNREACHABLE4} table local
-6 route add unreachable {UNREACHABLE6} table local
route add local 0.0.0.0/0 dev lo table local
-6 route add local ::/0 dev lo table local
"""


def ip(commands):
    """Runs commands of ip(8), one a line, in one process."""
    for line in filter(None, commands.splitlines()):
        subprocess.run(["ip", *line.split()], check=True, stdin=subprocess.DEVNULL)


def default_routes():
    run = subprocess.run(["ip", "route", "show", "default"], check=True, stdout=subprocess.PIPE, text=True)
    return run.stdout.splitlines()


def enter_own_network():
    """Moves this process into a new network namespace."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")


def join(pid):
    """Joins this namespace to that of the process."""
    ip(f"link add {HOST_SIDE} type veth peer name {WORLD_SIDE} netns {pid}")
    ip(HOST_COMMANDS)


def configure_world():
    ip(WORLD_COMMANDS)
    # Only routers answer with ICMP errors. There is nothing to forward, because each packet is for the world itself.
    pathlib.Path(f"/proc/sys/net/ipv4/conf/{WORLD_SIDE}/forwarding").write_text("1\n")


def separate():
    """Removes the pair, if it exists."""
    subprocess.run(["ip", "link", "delete", HOST_SIDE], check=False, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def open_socket(kind):
    """Returns a socket for both families, which may answer from any address."""
    opened = socket.socket(socket.AF_INET6, kind | socket.SOCK_NONBLOCK)
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    opened.setsockopt(socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return opened


def plain(address):
    """Returns an address as text, that of IPv4 in its own form."""
    return address.removeprefix("::ffff:") if "." in address else address


class ReplacedFile:
    """A file whose contents are replaced in place, so that services that have mounted it elsewhere see it, too."""

    def __init__(self, path):
        self.path = path
        self.is_link = os.path.islink(path)
        self.old = os.readlink(path) if self.is_link else None
        if not self.is_link and os.path.exists(path):
            with open(path, "rb") as file:
                self.old = file.read()

    def write(self, contents):
        if self.is_link:
            os.unlink(self.path)
        with open(self.path, "wb") as file:
            file.write(contents)

    def restore(self):
        if self.is_link or self.old is None:
            os.unlink(self.path)
        if self.is_link:
            os.symlink(self.old, self.path)
        elif self.old is not None:
            self.write(self.old)
