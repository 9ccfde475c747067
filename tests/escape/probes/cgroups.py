# tries: to see, change or leave its control group, by files, by mounts and by the old release_agent
# must observe: the group's path is "/"; no file of a group can be written; no limit can be raised
import glob
import os
from ctypes import c_char_p

from around import mounts, opens, read
from kernel import call_in_child
from probe import Probe

FILES = ("cgroup.procs", "cgroup.threads", "tasks", "cgroup.subtree_control", "cgroup.freeze", "cgroup.kill", "cgroup.type",
         "memory.max", "memory.high", "memory.limit_in_bytes", "memory.oom.group", "pids.max", "cpu.max", "cpu.cfs_quota_us",
         "devices.allow", "release_agent", "notify_on_release", "memory.reclaim", "cgroup.pressure")

with Probe() as probe:
    for process in ("self", "1"):
        for line in (read(f"/proc/{process}/cgroup") or b"").decode().splitlines():
            number, names, path = line.split(":", 2)
            probe.observe(f"path in /proc/{process}/cgroup", path not in ("/", ""), line)
            probe.observe("outside of the view", "/.." in path, line)
    shown = [point for point, _, _, kind, *_ in mounts() if kind in ("cgroup", "cgroup2")]
    for top in ["/sys/fs/cgroup", *shown, *glob.glob("/sys/fs/cgroup/*")]:
        for file in FILES:
            path = os.path.join(top, file)
            probe.observe(path, opens(path, os.O_WRONLY), "opens for writing")
        try:
            made = os.path.join(top, "escape")
            os.mkdir(made)
            os.rmdir(made)
            probe.observe(f"a group in {top}", True)
        except OSError:
            probe.observe(f"a group in {top}", False)
    for kind, options in (("cgroup2", b""), ("cgroup", b"memory"), ("cgroup", b"rdma"), ("cgroup", b"none,name=escape"), ("cpuset", b"")):
        result = call_in_child("mount", c_char_p(b"none"), c_char_p(b"/tmp"), c_char_p(kind.encode()), 0, c_char_p(options))
        probe.refused(f"mount {kind} {options.decode()}", result)
