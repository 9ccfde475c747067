# tries: netlink of every protocol: to add links, addresses, routes and rules, to hear the host's events, to list its sockets
# must observe: changes are refused, and everything listed is of this network namespace
import os
import socket
import struct

from network import interfaces
from probe import Probe

PROTOCOLS = {0: "route", 4: "sock_diag", 6: "xfrm", 9: "audit", 11: "connector", 12: "netfilter", 15: "uevent", 16: "generic", 21: "crypto"}
NEW_LINK, NEW_ADDRESS, NEW_ROUTE, NEW_RULE, GET_LINK = 16, 20, 24, 32, 18
REQUEST, ACKNOWLEDGE, CREATE, DUMP = 1, 4, 0x400, 0x300


def ask(protocol, kind, flags, body):
    """The error that the kernel answers with (0 for none), or None for silence, and the whole answer."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as link:
        link.settimeout(1)
        link.bind((0, 0))
        link.send(struct.pack("<IHHII", 16 + len(body), kind, flags, 1, 0) + body)
        try:
            answer = link.recv(65536)
        except OSError:
            return None, b""
    if struct.unpack_from("<H", answer, 4)[0] == 2:
        return -struct.unpack_from("<i", answer, 16)[0], answer
    return 0, answer


def attribute(kind, value):
    return struct.pack("<HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


with Probe() as probe:
    dummy = attribute(3, b"escape0\0") + attribute(18, attribute(1, b"dummy\0"))
    # Each would be harmless: an interface that leads nowhere, an address of documentation.
    changes = {
        "add a link": (NEW_LINK, bytes(16) + dummy),
        "add an address": (NEW_ADDRESS, struct.pack("<BBBBI", 2, 32, 0, 0, 1) + attribute(2, socket.inet_aton("192.0.2.1"))),
        "add a route": (NEW_ROUTE, struct.pack("<BBBBBBBBI", 2, 0, 0, 0, 254, 4, 253, 1, 0) + attribute(4, struct.pack("<I", 1))),
        "add a rule": (NEW_RULE, struct.pack("<BBBBBBBBI", 2, 0, 0, 0, 254, 0, 0, 1, 0)),
        "take loopback down": (NEW_LINK, struct.pack("<BBHiII", 0, 0, 0, 1, 0, 0)),
    }
    for what, (kind, body) in changes.items():
        try:
            error, _ = ask(0, kind, REQUEST | ACKNOWLEDGE | CREATE, body)
        except OSError:
            probe.observe(what, False)
            continue
        probe.observe(what, error == 0, "taken")
    for protocol in range(0, 32):
        name = PROTOCOLS.get(protocol, str(protocol))
        try:
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as link:
                link.bind((0, 0xFFFFFFFF if protocol in (15, 9, 11) else 0))
                link.settimeout(0.3)
                heard = b""
                try:
                    heard = link.recv(65536)
                except OSError:
                    pass
                probe.observe(f"hear {name}", heard, repr(heard[:60]))
        except OSError:
            probe.observe(f"hear {name}", False)
    others = [name for name in interfaces() if name != "lo"]
    probe.observe("links", others, ", ".join(others))
    # Sockets of TCP in all states; those of the host would be many.
    for family in (2, 10):
        try:
            _, answer = ask(4, 20, REQUEST | DUMP, struct.pack("<BBBBI", family, 6, 0, 0, 0xFFFFFFFF) + bytes(48))
        except OSError:
            probe.observe("sockets", False)
            continue
        ports = {struct.unpack_from(">H", answer, at + 20)[0] for at in range(0, max(0, len(answer) - 72), 4)
                 if struct.unpack_from("<IH", answer, at)[1] == 20 and struct.unpack_from("<I", answer, at)[0] in range(72, 512)}
        outside = {int(port) for port in os.environ.get("ESCAPE_HOST_PORTS", "").split(",") if port}
        probe.observe("sockets of the host", ports & outside, str(ports & outside))
