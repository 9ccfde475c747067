# tries: what tells about the kernel or shows its memory
# must observe: empty or not there; no address of the kernel
import os
import re

from around import opens, read
from probe import Probe

EMPTY = ("kcore", "kmsg", "keys", "key-users", "timer_list", "sched_debug", "slabinfo", "vmallocinfo", "kpagecount", "kpageflags",
         "kpagecgroup", "pagetypeinfo", "latency_stats", "interrupts_debug", "kallsyms", "iomem", "ioports", "mtrr", "config.gz",
         "vmcore", "kpmsg", "lockdep", "lock_stat", "acpi/wakeup", "scsi/scsi", "asound/cards", "bus/pci/devices")
ADDRESS = re.compile(rb"\bffff[89a-f][0-9a-f]{11}\b")

with Probe() as probe:
    for name in EMPTY:
        path = f"/proc/{name}"
        content = read(path, 65536)
        if content and re.fullmatch(rb"(?:0+\s[^\n]*\n?)+|(?:\s*0+-0+ :[^\n]*\n?)+", content):
            content = b""  # Lines whose addresses are all zero.
        probe.observe(path, content, f"{len(content or b'')} bytes: {(content or b'')[:60]!r}")
    probe.observe("/proc/kcore", opens("/proc/kcore", os.O_RDONLY) and bool(read("/proc/kcore", 16)), "opens")
    for name in ("modules", "net/unix", "net/netlink", "net/packet", "net/tcp", "net/udp", "self/stack", "self/wchan", "self/syscall"):
        content = read(f"/proc/{name}") or b""
        found = ADDRESS.search(content) if name != "self/syscall" else None
        probe.observe(f"addresses in /proc/{name}", found, found and found.group().decode())
