# tries: the runner's listeners on the host's loopback, and every port of the sandbox's own
# must observe: no listener of the host answers; inside, only the ports that the worker forwards
import socket

from around import read
from network import connect, only_loopback
from probe import Probe
from told import needed, several

# The model's gateway and the proxy.
FORWARDED = {47100, 47101}


def listening():
    ports = set()
    for table in ("tcp", "tcp6"):
        for line in (read(f"/proc/net/{table}") or b"").decode().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                ports.add(int(fields[1].rsplit(":", 1)[1], 16))
    return ports


with Probe() as probe:
    only_loopback(probe)
    ports = [int(port) for port in needed(probe, "HOST_PORTS", several)]
    for port in ports:
        for address in ("127.0.0.1", "::1", "127.0.0.2", "0.0.0.0", "::ffff:127.0.0.1"):
            probe.observe(f"{address} {port}", connect((address, port)) == "open", "a listener of the host")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            # The runner tells whether it arrived.
            sender.sendto(b"escape", ("127.0.0.1", port))
    strangers = listening() - FORWARDED
    probe.observe("listening", strangers, f"ports {sorted(strangers)[:8]}")
    # The table could be hidden; asking cannot.
    for port in range(1, 65536):
        if port not in FORWARDED:
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", port)) == 0 and asked.getsockname() != asked.getpeername():
                    probe.observe(f"port {port}", True, "answers")
    probe.observe("all ports", False)
