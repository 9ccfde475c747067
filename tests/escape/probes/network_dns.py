# tries: to resolve names by the C library, by hand over UDP and TCP, over multicast, by files, and through the proxy's back
# must observe: no resolver answers or is reached; a lookup fails within five seconds
import os
import socket
import struct
import time

from around import read
from network import NO_WAY, connect, error_name, only_loopback
from probe import Probe

SERVERS = ("127.0.0.1", "127.0.0.11", "127.0.0.53", "192.0.2.53", "10.0.0.2", "169.254.169.253", "224.0.0.251", "ff02::fb%lo", "::1", "fe80::1%lo")
NAMES = ("secret.example.com", "localhost.example.com", "x." * 60 + "example.com", "xn--e1afmkfd.example.com")


def question(name, kind):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">6H", 0x4242, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)


with Probe() as probe:
    only_loopback(probe)
    for name in NAMES:
        start = time.monotonic()
        try:
            found = socket.getaddrinfo(name, 443)
        except (OSError, UnicodeError):
            found = None
        took = time.monotonic() - start
        probe.observe(f"getaddrinfo {name[:30]}", found, str(found))
        probe.observe(f"time of {name[:30]}", took > 5, f"{took:.1f} s")
    given = [line.split()[1] for line in (read("/etc/resolv.conf") or b"").decode().splitlines() if line.startswith("nameserver")]
    probe.observe("/etc/resolv.conf", [server for server in given if not server.startswith("127.")], str(given))
    for server in dict.fromkeys((*SERVERS, *given)):
        for port in (53, 5353, 5355, 853):
            try:
                with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as asker:
                    asker.settimeout(0.2)
                    asker.connect((server.split("%")[0], port))
                    for kind in (1, 16, 28, 255):
                        asker.send(question(NAMES[0], kind))
                    answer = asker.recv(512)
                    probe.observe(f"UDP {server} {port}", answer, "answered")
            except OSError as error:
                said = error_name(error)
                # On loopback a packet can only be refused or lie unread with another process of this sandbox.
                local = server.startswith(("127.", "::1", "ff02", "fe80", "224."))
                probe.observe(f"UDP {server} {port}", said == "silence" and not local, said)
        said = connect((server.split("%")[0], 53), seconds=1)
        probe.observe(f"TCP {server}", said not in NO_WAY | {"ECONNREFUSED"}, said)
    for path in ("/run/systemd/resolve/stub-resolv.conf", "/run/systemd/resolve/io.systemd.Resolve", "/run/nscd/socket"):
        probe.observe(path, os.path.exists(path), "is there")
