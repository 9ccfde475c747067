# tries: unshare, clone and clone3 with each namespace's flag, alone and together with a new user namespace
# must observe: no namespace is made, and no capability is held afterwards
import signal
import struct
from ctypes import create_string_buffer

from kernel import MACHINE, call, call_in_child, in_child, result_of, status
from probe import Probe

NAMESPACES = {
    "time": 0x80, "mount": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000,
    "pid": 0x20000000, "net": 0x40000000,
}
USER = NAMESPACES["user"]


def cloned(name, *arguments):
    """The child of `clone` ends at once, in the copy of this process that it is."""

    def attempt():
        import os

        result = call(name, *arguments)
        if result.value == 0:
            os._exit(0)
        return f"{result.value} {result.error}"

    return result_of(in_child(attempt))


with Probe() as probe:
    for name, flag in NAMESPACES.items():
        for what, flags in ((name, flag), (f"user and {name}", USER | flag)):
            probe.refused(f"unshare {what}", call_in_child("unshare", flags))
            if flag != NAMESPACES["time"]:
                # In the old call the lowest byte, where the flag of time lies, is a signal.
                order = (0, 0, 0, 0) if MACHINE == "x86_64" else (0, 0, 0, 0)
                probe.refused(f"clone {what}", cloned("clone", flags | signal.SIGCHLD, *order))
            request = create_string_buffer(struct.pack("<11Q", flags, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, 0))
            probe.refused(f"clone3 {what}", cloned("clone3", request, 88))
    # Flags in the upper half of a register must not slip past a filter that looks at the lower one only, or at both.
    probe.refused("unshare with upper bits", call_in_child("unshare", USER | 1 << 40))
    probe.refused("clone with upper bits", cloned("clone", USER | signal.SIGCHLD | 1 << 40, 0, 0, 0, 0))
    probe.observe("capabilities", int(status()["CapEff"], 16), status()["CapEff"])
