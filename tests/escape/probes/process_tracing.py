# tries: ptrace, process_vm_readv and _writev, pidfd_getfd, kcmp, process_madvise on process 1 and on all that it did not start
# must observe: each is refused; process 1 keeps its descriptors and its memory to itself
import ctypes

from around import ancestors, processes, sees_host_processes
from kernel import call, call_in_child
from probe import Probe

PTRACE_ATTACH, PTRACE_SEIZE, PTRACE_TRACEME = 16, 0x4206, 0


class Part(ctypes.Structure):
    _fields_ = [("start", ctypes.c_void_p), ("size", ctypes.c_size_t)]


with Probe() as probe:
    if sees_host_processes():
        probe.observe("host processes", True, "the kernel's threads are visible; nothing was traced")
        probe.end()
    buffer = ctypes.create_string_buffer(64)
    here, there = Part(ctypes.addressof(buffer), 64), Part(0x400000, 64)
    others = [process for process in processes() if process not in ancestors()]
    for process in others:
        # SEIZE does not stop it, so a success leaves it running.
        probe.refused(f"seize {process}", call_in_child("ptrace", PTRACE_SEIZE, process, 0, 0))
        for name in ("process_vm_readv", "process_vm_writev"):
            result = call(name, process, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
            probe.refused(f"{name} {process}", result)
        probe.refused(f"kcmp {process}", call("kcmp", process, 1, 0, 0, 0))
        handle = call("pidfd_open", process, 0)
        if handle.error is None:
            for number in range(4):
                probe.refused(f"pidfd_getfd {number} of {process}", call("pidfd_getfd", handle.value, number, 0))
            probe.refused(f"process_madvise {process}", call("process_madvise", handle.value, ctypes.byref(there), 1, 21, 0))
    if not others:
        probe.untested("process 1", "is not in /proc")
