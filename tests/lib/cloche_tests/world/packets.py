# SPDX-License-Identifier: LGPL-2.1-or-later
"""packets: records packets that reach the world's interface.

A filter in the kernel drops all of a TCP connection but its first packet, so that downloads cost nothing. What every
interface sends by itself (ARP, neighbour discovery, group membership) is not recorded.
"""
import ctypes
import ipaddress
import socket
import struct

ETH_P_ALL = 3
SO_ATTACH_FILTER = 26
SO_RCVBUFFORCE = 33
PACKET_OUTGOING = 4
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6", 132: "sctp"}
IGMP, HOP_BY_HOP, ICMP6 = 2, 0, 58
DISCOVERY = range(130, 144)  # types of ICMPv6 for groups and neighbours

# Classic BPF: (operation, jump if true, jump if false, operand). The packet begins with its IP header.
KEEP_BEGINNINGS = (
    (0x30, 0, 0, 0),     # A = byte 0
    (0x74, 0, 0, 4),     # A >>= 4: the version
    (0x15, 0, 5, 4),     # not 4: to the test for 6
    (0x30, 0, 0, 9),     # A = protocol
    (0x15, 0, 9, 6),     # not TCP: keep
    (0xb1, 0, 0, 0),     # X = length of the header
    (0x50, 0, 0, 13),    # A = flags of TCP
    (0x05, 0, 0, 4),     # to the test of the flags
    (0x15, 0, 6, 6),     # neither 4 nor 6: drop
    (0x30, 0, 0, 6),     # A = next header
    (0x15, 0, 3, 6),     # not TCP: keep
    (0x30, 0, 0, 53),    # A = flags of TCP
    (0x54, 0, 0, 0x12),  # A &= SYN | ACK
    (0x15, 0, 1, 0x02),  # not SYN alone: drop
    (0x06, 0, 0, 256),   # keep so many bytes
    (0x06, 0, 0, 0),     # drop
)


class Sniffer:
    def __init__(self, interface, records):
        self.records = records
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, 0)
        program = b"".join(struct.pack("HBBI", *step) for step in KEEP_BEGINNINGS)
        buffer = ctypes.create_string_buffer(program)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                               struct.pack("HL", len(KEEP_BEGINNINGS), ctypes.addressof(buffer)))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
        self.socket.bind((interface, ETH_P_ALL))

    def fileno(self):
        return self.socket.fileno()

    def read(self):
        """Records all packets that have arrived."""
        while True:
            try:
                packet, address = self.socket.recvfrom(256)
            except BlockingIOError:
                return
            entry = describe(packet) if address[2] != PACKET_OUTGOING else None
            if entry:
                self.records.add("packets", **entry)


def is_discovery(protocol, payload):
    """Membership reports of IPv6 have a header with options for routers first."""
    if protocol == HOP_BY_HOP and len(payload) > 8:
        protocol, payload = payload[0], payload[8:]
    return protocol == ICMP6 and len(payload) > 0 and payload[0] in DISCOVERY


def describe(packet):
    """Returns a dictionary; `port` is the one that the packet is for. None: not to be recorded."""
    is_ipv4 = packet[0] >> 4 == 4
    if is_ipv4:
        protocol, header = packet[9], 4 * (packet[0] & 15)
        source, target = packet[12:16], packet[16:20]
    else:
        protocol, header = packet[6], 40
        source, target = packet[8:24], packet[24:40]
    payload = packet[header:]
    if (protocol == IGMP if is_ipv4 else is_discovery(protocol, payload)):
        return None
    name = PROTOCOLS.get(protocol, str(protocol))
    has_ports = name in ("tcp", "udp", "sctp") and len(payload) >= 4
    return {"protocol": name, "from": str(ipaddress.ip_address(source)), "to": str(ipaddress.ip_address(target)),
            "port": int.from_bytes(payload[2:4], "big") if has_ports else 0}
