# tries: to hold, keep or raise a capability, to become another user, to lower no_new_privs
# must observe: all five sets empty, no_new_privs and a filter on every thread, ids that do not change
import ctypes
import os

from around import read
from kernel import LIBC, call_in_child, in_child, status
from probe import Probe
from told import needed, text

PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_SET_SECUREBITS, PR_CAP_AMBIENT = 38, 39, 28, 47
LAST_CAPABILITY = 63

with Probe() as probe:
    for task in os.listdir("/proc/self/task"):
        mine = status(f"self/task/{task}")
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            # Not every kernel has the youngest set.
            probe.observe(name, int(mine.get(name, "0"), 16) != 0, mine.get(name))
        probe.observe("seccomp", mine.get("Seccomp") != "2", f"Seccomp is {mine.get('Seccomp')}")

    probe.observe("no_new_privs", LIBC.prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1, "is not set")
    probe.observe("uid", 0 in (os.getuid(), os.geteuid()), "the agent is root")
    # The map tells ids of the namespace above, which is surely the machine's only where the worker is root there.
    if needed(probe, "WORKER_UID", text) == "0":
        for line in (read("/proc/self/uid_map") or b"").decode().splitlines():
            inside, outside, _ = map(int, line.split())
            probe.observe("uid_map", outside == 0, f"the host's root is {inside} inside")

    def becomes_root():
        changed = [name for name in ("setuid", "setgid", "seteuid", "setegid") if LIBC[name](0) == 0]
        changed += ["setgroups"] if LIBC.setgroups(1, (ctypes.c_uint * 1)(0)) == 0 else []
        return changed or ""

    gained = in_child(becomes_root)
    probe.observe("other ids", gained.value != "", str(gained))

    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    every = (ctypes.c_uint32 * 6)(*[0xFFFFFFFF] * 6)
    probe.observe("capset", call_in_child("capset", header, every).error is None)
    for number in range(LAST_CAPABILITY + 1):
        raised = call_in_child("prctl", PR_CAP_AMBIENT, 2, number, 0, 0)
        if raised.error is None:
            probe.observe("ambient", True, f"capability {number} raised")
    probe.observe("securebits", call_in_child("prctl", PR_SET_SECUREBITS, 0x2F, 0, 0, 0).error is None)
    probe.observe("lower no_new_privs", call_in_child("prctl", PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0).error is None)
