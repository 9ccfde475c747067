# tries: to find a limit that is missing, and to raise one
# must observe: finite hard limits for files, locked memory, queues, signals; the number of files that was promised
import os
import resource

from kernel import in_child
from probe import Probe
from told import number

HIGHEST = {"NOFILE": 1 << 20, "NPROC": 1 << 16, "MEMLOCK": 1 << 30, "MSGQUEUE": 1 << 30, "SIGPENDING": 1 << 18, "CORE": 1, "RTPRIO": 0, "NICE": 20}
SPARE = 64

with Probe() as probe:
    for name, most in HIGHEST.items():
        kind = getattr(resource, "RLIMIT_" + name)
        _, hard = resource.getrlimit(kind)
        probe.observe(name, hard == resource.RLIM_INFINITY or hard > most, "unlimited" if hard == resource.RLIM_INFINITY else hard)

        def more(kind=kind, hard=hard):
            resource.setrlimit(kind, (hard + 1, hard + 1))
            return "raised"

        if hard != resource.RLIM_INFINITY:
            probe.observe(f"raise {name}", in_child(more).value == "raised")
    promised = number("OPEN_FILES")
    if promised is None:
        probe.untested("ESCAPE_OPEN_FILES", "was not told by the runner")
    else:

        def opened():
            resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
            kept = []
            try:
                while len(kept) < promised + SPARE:
                    kept.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                pass
            return len(kept)

        count = in_child(opened, 30).value or "0"
        probe.observe("open files", not count.isdigit() or int(count) > promised, f"{count} of {promised}")

    def locked():
        from kernel import LIBC

        return "locked" if LIBC.mlockall(3) == 0 and resource.getrlimit(resource.RLIMIT_MEMLOCK)[1] == resource.RLIM_INFINITY else "no"

    probe.observe("lock all memory", in_child(locked).value == "locked")
