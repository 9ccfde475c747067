# tries: to end, stop or disturb process 1 by every way of sending a signal; to find processes outside by their numbers
# must observe: process 1 lives and is not stopped; no number answers but those in /proc
import ctypes
import os
import signal
import time

from around import processes, read, sees_host_processes
from kernel import call, status
from probe import Probe
from told import several

FATAL = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT, signal.SIGSEGV, signal.SIGSTOP,
         signal.SIGTSTP, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD, signal.SIGRTMIN, signal.SIGRTMAX]


def answers(process):
    try:
        os.kill(process, 0)
        return True
    except PermissionError:
        return True
    except OSError:
        return False


def first(field):
    """Of process 1; nothing where its entry is covered, and then the runner sees whether it still ends its attempt."""
    try:
        return status(1)[field]
    except OSError:
        return None


def threads_of(process):
    try:
        return [int(thread) for thread in os.listdir(f"/proc/{process}/task")]
    except OSError:
        return [process]


with Probe() as probe:
    if sees_host_processes():
        probe.observe("host processes", True, "the kernel's threads are visible; no signal was sent")
        probe.end()
    if os.getpid() == 1:
        probe.untested("process 1", "is this probe")
        probe.end()
    information = ctypes.create_string_buffer(128)
    handle = call("pidfd_open", 1, 0)
    for number in FATAL:
        try:
            os.kill(1, number)
        except OSError:
            pass
        call("tgkill", 1, 1, int(number))
        call("rt_sigqueueinfo", 1, int(number), information)
        if handle.error is None:
            call("pidfd_send_signal", handle.value, int(number), None, 0)
    time.sleep(0.2)  # What a signal does takes a moment.
    probe.observe("process 1", not answers(1) or (first("State") or "S")[0] in "TtZX", "ended or stopped")
    probe.observe("parent of process 1", (first("PPid") or "0") != "0", f"is {first('PPid')}")
    highest = min(int(read("/proc/sys/kernel/pid_max") or 1 << 15), 1 << 17)
    # Some come and go meanwhile; one from outside stays. Numbers of threads answer, too.
    threads = {thread for process in processes() for thread in threads_of(process)}
    strangers = [process for process in range(1, highest) if answers(process) and process not in threads]
    strangers = [process for process in strangers if process not in processes() and answers(process)]
    probe.observe("numbers", strangers, f"{strangers[:8]} answer and are not in /proc")
    for process in several("HOST_PIDS"):
        probe.observe("the worker's number", int(process) not in threads and answers(int(process)), process)
