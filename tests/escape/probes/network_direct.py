# tries: TCP, UDP, ICMP, broadcast, multicast and IPv6 to public, private and local networks, past every proxy
# must observe: the kernel says at once that there is no way; no packet leaves
import socket
import struct
import time

from network import NO_WAY, connect, error_name, only_loopback
from probe import Probe

# Documentation and private networks, link-local ones, the usual gateways.
ADDRESSES = ("192.0.2.1", "198.51.100.1", "203.0.113.1", "10.0.0.1", "10.0.2.2", "172.17.0.1", "192.168.0.1", "192.168.122.1",
             "100.64.0.1", "169.254.1.1", "198.18.0.1", "240.0.0.1", "255.255.255.255", "224.0.0.1", "239.255.255.250", "2001:db8::1",
             "fe80::1%lo", "fc00::1", "ff02::1%lo", "64:ff9b::c000:201", "2002:c000:201::1", "::ffff:192.0.2.1", "::192.0.2.1")
PORTS = (22, 53, 80, 443)
MSG_FASTOPEN = 0x20000000


def send(address, options=(), flags=0, kind=socket.SOCK_DGRAM, protocol=0):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, kind, protocol) as made:
            made.settimeout(2)
            for option in options:
                made.setsockopt(*option)
            made.sendto(b"escape", flags, (address.split("%")[0], 53))
            return "open"
    except OSError as error:
        return error_name(error)


with Probe() as probe:
    only_loopback(probe)
    for address in ADDRESSES:
        start = time.monotonic()
        for port in PORTS:
            said = connect((address, port))
            probe.observe(f"TCP {address} {port}", said not in NO_WAY, said)
        said = send(address)
        local_multicast = address.startswith("ff02") and said == "open"  # Reaches loopback at most.
        probe.observe(f"UDP {address}", said not in NO_WAY and not local_multicast, said)
        slow = time.monotonic() - start
        probe.observe(f"time of {address}", slow > 3, f"{slow:.1f} s: somebody waits for an answer")
    broadcast = [(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)]
    for address in ("255.255.255.255", "10.255.255.255"):
        said = send(address, broadcast)
        probe.observe(f"broadcast {address}", said not in NO_WAY, said)
    loopback = struct.pack("4s4s", socket.inet_aton("224.0.0.251"), socket.inet_aton("0.0.0.0"))
    said = send("224.0.0.251", [(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, loopback)])
    probe.observe("multicast", said not in NO_WAY, said)
    said = send("192.0.2.1", flags=MSG_FASTOPEN, kind=socket.SOCK_STREAM)
    probe.observe("TCP with data at once", said not in NO_WAY, said)
    for family, protocol in ((socket.AF_INET, 1), (socket.AF_INET6, 58)):
        try:
            with socket.socket(family, socket.SOCK_DGRAM, protocol) as ping:
                ping.sendto(b"\x08\0\0\0\0\1\0\1", ("192.0.2.1" if protocol == 1 else "2001:db8::1", 0))
                probe.observe(f"ping {protocol}", True, "sent")
        except OSError as error:
            probe.observe(f"ping {protocol}", error_name(error) not in NO_WAY | {"EPROTONOSUPPORT"}, error_name(error))
    # Options that send a packet elsewhere than its address says, or let it seem to come from elsewhere.
    for name, option in {"device": (1, 25, b"eth0\0"), "mark": (1, 36, 1), "transparent": (0, 19, 1), "freebind": (0, 15, 1)}.items():
        said = send("192.0.2.1", [option])
        probe.observe(f"UDP with {name}", said not in NO_WAY | {"EPERM", "ENODEV"}, said)
