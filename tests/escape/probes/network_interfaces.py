# tries: to find or make an interface, an address, a route or a neighbour
# must observe: loopback alone, no route anywhere, and no tunnel device
import fcntl
import os
import socket
import struct

from around import read
from network import interfaces
from probe import Probe

SIOCSIFADDR, SIOCSIFFLAGS, SIOCADDRT, SIOCSIFNAME, SIOCBRADDBR, TUNSETIFF = 0x8916, 0x8914, 0x890B, 0x8923, 0x89A0, 0x400454CA

with Probe() as probe:
    others = [name for name in interfaces() if name != "lo"]
    probe.observe("interfaces", others, ", ".join(others))
    routes = (read("/proc/net/route") or b"").decode().splitlines()[1:]
    probe.observe("routes", routes, "; ".join(routes)[:200])
    wide = [line for line in (read("/proc/net/ipv6_route") or b"").decode().splitlines() if line.split()[-1] != "lo"]
    probe.observe("IPv6 routes", wide, "; ".join(wide)[:200])
    neighbours = (read("/proc/net/arp") or b"").decode().splitlines()[1:]
    probe.observe("neighbours", neighbours, "; ".join(neighbours)[:200])
    addresses = [line for line in (read("/proc/net/if_inet6") or b"").decode().splitlines() if line.split()[-1] != "lo"]
    probe.observe("IPv6 addresses", addresses, "; ".join(addresses)[:200])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        address = struct.pack("<HH4s8x", socket.AF_INET, 0, socket.inet_aton("192.0.2.7"))
        requests = {
            "set an address": (SIOCSIFADDR, b"lo".ljust(16, b"\0") + address.ljust(24, b"\0")),
            "take loopback down": (SIOCSIFFLAGS, b"lo".ljust(16, b"\0") + bytes(24)),
            "rename loopback": (SIOCSIFNAME, b"lo".ljust(16, b"\0") + b"escape".ljust(24, b"\0")),
            "add a bridge": (SIOCBRADDBR, b"escape0".ljust(40, b"\0")),
            "add a route": (SIOCADDRT, bytes(120)),
        }
        for what, (request, argument) in requests.items():
            try:
                fcntl.ioctl(handle, request, argument)
                probe.observe(what, True)
            except OSError as error:
                probe.observe(what, False, str(error))
    try:
        with open("/dev/net/tun", "r+b", 0) as device:
            fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"escape%d", 0x1001))
        probe.observe("tunnel", True)
    except OSError:
        probe.observe("tunnel", False)
    probe.observe("forwarding", os.access("/proc/sys/net/ipv4/ip_forward", os.W_OK), "can be written")
