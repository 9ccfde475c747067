# tries: environment, memory, maps, descriptors, root, working directory and program of process 1
# must observe: none can be read, followed or written
import os

from around import opens, read, sees_host_processes, takes
from probe import Probe

READ = ("environ", "mem", "maps", "smaps", "smaps_rollup", "pagemap", "auxv", "stack", "syscall", "io", "personality",
        "numa_maps", "timers", "wchan", "patch_state")
FOLLOWED = ("root", "cwd", "exe", "fd", "fdinfo", "map_files", "task/1/root", "task/1/cwd", "task/1/exe", "task/1/fd", "net", "ns")
MAP = b"0 0 1"
WRITTEN = {
    "mem": b"", "oom_score_adj": b"0", "oom_adj": b"0", "uid_map": MAP, "gid_map": MAP, "projid_map": MAP, "setgroups": b"allow",
    "clear_refs": b"1", "coredump_filter": b"0x33", "timerslack_ns": b"50000", "comm": b"escape", "attr/current": b"unconfined",
    "attr/exec": b"unconfined", "make-it-fail": b"0", "loginuid": b"0", "sched": b"0", "autogroup": b"0",
}

with Probe() as probe:
    if os.getpid() == 1:
        probe.untested("process 1", "is this probe")
        probe.end()
    if sees_host_processes():
        probe.observe("host processes", True, "the kernel's threads are visible; nothing was read or written")
        probe.end()
    for name in READ:
        path = f"/proc/1/{name}"
        if name == "mem":
            probe.observe(path, opens(path, os.O_RDONLY), "opens")
            continue
        content = read(path, 4096)
        # The kernel tells others nothing, a zero or -1 for some of these.
        probe.observe(path, content is not None and content.strip(b"0\n-1 running") != b"", repr(content and content[:60]))
    for name in FOLLOWED:
        path = f"/proc/1/{name}"
        if name in ("fd", "fdinfo", "map_files", "ns", "task/1/fd"):
            try:
                entries = os.listdir(path)
            except OSError:
                entries = []
            # The names of namespaces are no secret; what counts is that they do not open.
            probe.observe(path, entries and name != "ns", f"lists {entries[:5]}")
            for entry in entries:
                probe.observe(f"{path}/{entry}", opens(f"{path}/{entry}", os.O_RDONLY), "opens")
            continue
        if name == "net":
            continue  # Of the network namespace, which is the same.
        try:
            target = os.readlink(path)
        except OSError:
            target = None
        probe.observe(path, target is not None or opens(path, os.O_RDONLY), f"leads to {target}")
    for name in WRITTEN:
        path = f"/proc/1/{name}"
        taken = opens(path, os.O_WRONLY) if name == "mem" else takes(path, WRITTEN[name])
        probe.observe(f"write {path}", taken, "worked")
    # The classic: the program of the one who enters a container, to be written over.
    probe.observe("execute /proc/1/exe", os.access("/proc/1/exe", os.X_OK))
