# tries: to reach abstract unix sockets of the host, by the runner's name and by well-known ones
# must observe: none answers; only the sandbox's own are listed
import re
import socket

from around import read
from probe import Probe
from told import backwards, needed

KNOWN = ("/tmp/.X11-unix/X0", "/tmp/.ICE-unix/1", "/containerd-shim/moby/shim.sock", "/com/ubuntu/upstart", "dbus", "/org/freedesktop/systemd1",
         "snapd", "lxd", "@/tmp/dbus-")


def reached(name, kind):
    with socket.socket(socket.AF_UNIX, kind) as tried:
        tried.settimeout(2)
        try:
            tried.connect(b"\0" + name.encode())
            return True
        except OSError:
            return False


with Probe() as probe:
    planted = needed(probe, "HOST_ABSTRACT", backwards)
    for name in (planted, *KNOWN):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
            probe.observe(name, reached(name, kind), "answers")
        if probe.escapes:
            break  # This is the host. Others listen there, who have nothing to do with it.
    listed = (read("/proc/net/unix") or b"").decode(errors="replace")
    names = re.findall(r"@(\S+)", listed)
    probe.observe("/proc/net/unix", names, f"lists {names[:5]}")
    paths = [line.split()[-1] for line in listed.splitlines()[1:] if line.split()[-1].startswith("/")]
    probe.observe("paths in /proc/net/unix", paths, f"lists {paths[:5]}")
