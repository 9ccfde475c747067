# tries: to crash with a core dump, and to have the host's helper for core dumps called with memory of the sandbox
# must observe: a limit of one byte that cannot be raised; no core file; the helper's pattern cannot be written
import glob
import os
import resource
import signal

from around import opens
from kernel import in_child
from probe import Probe

with Probe() as probe:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    # Zero would still start a helper that the pattern names after a bar.
    probe.observe("limit", (soft, hard) != (1, 1), f"{soft}, {hard}")

    def raised():
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return "raised"

    probe.observe("raise", in_child(raised).value == "raised")
    folder = os.getcwd()
    before = set(glob.glob(folder + "/core*"))
    for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGQUIT, signal.SIGILL, signal.SIGBUS, signal.SIGSYS):
        child = os.fork()
        if child == 0:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        probe.observe(f"core of {number.name}", os.WCOREDUMP(status), "dumped")
    probe.observe("files", set(glob.glob(folder + "/core*")) - before, "a core file")
    for name in ("core_pattern", "core_uses_pid", "core_pipe_limit"):
        probe.observe(name, opens(f"/proc/sys/kernel/{name}", os.O_WRONLY), "can be written")
