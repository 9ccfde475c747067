# tries: a fork bomb, one of threads, and one whose processes leave their session
# must observe: EAGAIN at the limit that was promised, and a sandbox that works afterwards
# alone: may end the attempt with process_limit
import errno
import os
import signal
import subprocess
import threading
import time

from kernel import in_child
from probe import Probe, say
from told import needed, number

FACTOR = 1.25


def processes_made(most, leave_session):
    """How many could be at once, and the error that stopped it. Small ones, so that no limit of memory comes first."""
    children, stopped = [], None
    while len(children) < most:
        try:
            children.append(os.posix_spawn("/bin/sleep", ["sleep", "60"], {}, setsid=leave_session))
        except OSError as error:
            stopped = errno.errorcode[error.errno]
            break
    for child in children:
        os.kill(child, signal.SIGKILL)
    for child in children:
        os.waitpid(child, 0)
    return len(children), stopped


def threads_made(most):
    count, gate = 0, threading.Event()
    threading.stack_size(65536)
    try:
        while count < most:
            threading.Thread(target=gate.wait, daemon=True).start()
            count += 1
    except (RuntimeError, MemoryError):
        pass
    return count


with Probe() as probe:
    limit = needed(probe, "PROCESSES", number)
    say({"probe": probe.name, "reached": 0})
    most = min(2 * limit + 64, 20000)
    for what, leave_session in (("processes", False), ("processes of sessions of their own", True)):
        count, stopped = processes_made(most, leave_session)
        say({"probe": probe.name, "reached": count})
        probe.observe(what, count > limit * FACTOR or stopped != "EAGAIN", f"{count} with a limit of {limit}, stopped by {stopped}")
    count = in_child(lambda: threads_made(most), 60).value or "0"
    probe.observe("threads", not count.isdigit() or int(count) > limit * FACTOR, f"{count} with a limit of {limit}")
    for _ in range(50):
        try:
            works = subprocess.run(["true"], check=False).returncode == 0
            break
        except OSError:
            works = False
            time.sleep(0.1)
    probe.observe("afterwards", not works, "the sandbox does not work any more")
