# tries: to learn names of the host from mounts, the kernel's command line, cgroups and limits
# must observe: no path, host name or unit of the host; of a mount's own source, which no kernel hides, where in its file system it is
import os
import re

from around import mounts, read
from probe import Probe
from told import backwards, several_backwards

SHOWN = ("self/mountinfo", "self/mounts", "self/mountstats", "self/cgroup", "1/cgroup", "1/mountinfo", "cmdline", "swaps",
         "self/cpuset", "sys/kernel/hostname", "version_signature", "self/maps")


def shown(name):
    content = (read(f"/proc/{name}") or b"").decode(errors="replace")
    if not name.endswith("mountinfo"):
        return content
    # The fourth field is the source's own place. Whoever sees it can do nothing with it: the path leads nowhere inside.
    lines = (line.split(" ") for line in content.splitlines())
    return "\n".join(" ".join(fields[:3] + fields[4:]) for fields in lines)


with Probe() as probe:
    host_paths = several_backwards("HOST_PATHS")
    if not host_paths:
        probe.untested("ESCAPE_HOST_PATHS", "was not told by the runner")
    host_name = backwards("HOST_NAME")
    for name in SHOWN:
        content = shown(name)
        for path in host_paths:
            probe.observe(f"host path in {name}", path in content, next((line for line in content.splitlines() if path in line), "")[:200])
        probe.observe(f"host name in {name}", host_name and len(host_name) > 3 and host_name in content, host_name)
    for point, _, root, kind, _, options in mounts():
        probe.observe(f"root of {point}", any(root.startswith(path) for path in host_paths) and os.path.exists(root), f"{root} is there")
        probe.observe(f"layers of {point}", kind == "overlay" and re.search(r"(?:lowerdir|upperdir)=/(?!proc)", options), options[:120])
    boot = (read("/proc/cmdline") or b"").decode(errors="replace")
    probe.observe("/proc/cmdline", boot.strip(), boot[:120])
    for word in ("os.slice", "docker/", "kubepods", "machine.slice", "user.slice", "system.slice", "session-"):
        for name in ("self/cgroup", "1/cgroup", "self/cpuset"):
            probe.observe(f"unit in {name}", word in (read(f"/proc/{name}") or b"").decode(), word)
    probe.observe("host name", host_name and os.uname().nodename == host_name, os.uname().nodename)
