# tries: clouds' metadata services and private addresses, in every spelling that the C library reads, without a proxy
# must observe: no connection, and no packet that waits for an answer
import socket

from network import NO_WAY, connect, only_loopback
from probe import Probe
from spellings import every

with Probe() as probe:
    only_loopback(probe)
    for spelled in every():
        host = spelled.strip("[]")
        try:
            found = {place[4][0] for place in socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM)}
        except (OSError, UnicodeError, ValueError):
            probe.observe(repr(host), False)
            continue
        for address in found:
            said = connect((address, 80))
            # What leads to loopback meets only this sandbox.
            probe.observe(f"{host!r} as {address}", said not in NO_WAY | {"ECONNREFUSED"}, said)
    for port in (80, 8080, 1338, 53, 443):
        for address in ("169.254.169.254", "169.254.170.2", "fd00:ec2::254"):
            said = connect((address, port))
            probe.observe(f"{address} {port}", said not in NO_WAY, said)
