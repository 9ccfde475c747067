# tries: a socket of every family and kind, with upper bits set; the protocols that have had holes
# must observe: only unix, IPv4, IPv6 and netlink; none raw; no vsock, packet, alg, bluetooth, xdp, tipc, rds, sctp, dccp
import ctypes
import os

from kernel import LIBC, numbered
from probe import Probe

FAMILIES = {"unix": 1, "inet": 2, "inet6": 10, "netlink": 16}
KINDS = {"stream": 1, "dgram": 2, "raw": 3, "rdm": 4, "seqpacket": 5, "dccp": 6, "packet": 10}
NAMED = {"packet": 17, "vsock": 40, "alg": 38, "xdp": 44, "tipc": 30, "rds": 21, "bluetooth": 31, "can": 29, "kcm": 41, "qipcrtr": 42,
         "smc": 43, "nfc": 39, "caif": 37, "key": 15, "llc": 26, "x25": 9, "ax25": 3, "ib": 27, "mctp": 45, "rxrpc": 33, "phonet": 35}
PROTOCOLS = {"icmp": 1, "igmp": 2, "dccp": 33, "sctp": 132, "udplite": 136, "mptcp": 262, "raw": 255, "smc": 256}
SOCKET = {"x86_64": 41, "aarch64": 198}[os.uname().machine]
SOCKETPAIR = {"x86_64": 53, "aarch64": 199}[os.uname().machine]
CLOEXEC = 0o2000000


def made(family, kind, protocol=0):
    result = numbered(SOCKET, family, kind | CLOEXEC, protocol)
    if result.error is None:
        os.close(result.value)
    return result.error is None


with Probe() as probe:
    for family in range(0, 64):
        for name, kind in KINDS.items():
            allowed = family in FAMILIES.values() and not (name in ("raw", "packet") and family != FAMILIES["netlink"])
            if not allowed:
                probe.observe(f"family {family} {name}", made(family, kind))
    for name, family in NAMED.items():
        for kind in (1, 2, 3, 5):
            probe.observe(f"{name} kind {kind}", made(family, kind))
            # The kernel looks at 32 bits only; a filter must, too.
            probe.observe(f"{name} kind {kind} with upper bits", made(family | 1 << 32, kind))
        pair = (ctypes.c_int * 2)()
        probe.observe(f"pair of {name}", numbered(SOCKETPAIR, family, 1, 0, pair).error is None)
    for family in (FAMILIES["inet"], FAMILIES["inet6"]):
        for name, protocol in PROTOCOLS.items():
            probe.observe(f"raw {name} of {family}", made(family, 3, protocol))
            probe.observe(f"raw {name} of {family} with upper bits", made(family, 3 | 1 << 32, protocol))
            if name in ("dccp", "sctp"):
                probe.observe(f"{name} of {family}", any(made(family, kind, protocol) for kind in (1, 2, 5, 6)))
    probe.observe("libc", LIBC.socket(40, 1, 0) >= 0, "AF_VSOCK")
