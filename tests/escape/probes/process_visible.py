# tries: to see a process, thread or command line that is not of this sandbox
# must observe: everything in /proc descends from process 1; no kernel thread, no command line of the host
import os

from around import processes, read, sees_host_processes
from kernel import status
from probe import Probe
from told import backwards

MOST = 40

with Probe() as probe:
    probe.observe("kernel threads", sees_host_processes())
    seen = processes()
    probe.observe("count", len(seen) > MOST, f"{len(seen)} processes")
    marker = (backwards("CANARY") or "").encode()
    for process in seen:
        try:
            levels = status(process).get("NSpid", "1").split()
            parent = int(status(process)["PPid"])
        except OSError:
            continue
        probe.observe("depth", len(levels) > 1, f"{process} has numbers in {len(levels)} namespaces that show")
        probe.observe("parents", parent not in seen and parent != 0, f"{process} is a child of {parent}, which does not show")
        line = read(f"/proc/{process}/cmdline") or b""
        probe.observe("command line", marker and marker in line, line[:100].decode(errors="replace"))
        if process == 1:
            for word in (b"--data-dir", b"--token", b"/home/", b"/root/"):
                probe.observe("command line of process 1", word in line, line[:200].decode(errors="replace"))
    probe.observe("own number", os.getpid() > 100000, "in the thousands: numbers are the host's")
