# tries: to take more of the processors than promised, by many processes and by ones that ended already
# must observe: at most 1.2 times the work that the promised number of processors does (work, because a kernel may count time as it likes)
# alone: takes all that it gets
import mmap
import os
import signal
import time

from probe import Probe
from told import needed, number

SECONDS = 4.0
# Alone, and for so short a time that nothing holds it up in one of them.
SLICES, SLICE_S = 40, 0.05
SLOT = 64


def work():
    for _ in range(1000):
        pass


def rate():
    """Of one process that nobody holds up, in pieces of work each second."""
    best = 0.0
    for _ in range(SLICES):
        count, start = 0, time.monotonic()
        while time.monotonic() - start < SLICE_S:
            work()
            count += 1
        best = max(best, count / (time.monotonic() - start))
    return best


with Probe() as probe:
    promised = needed(probe, "CPUS", number)
    alone = rate()
    spinners = 4 * (os.cpu_count() or 1)
    counts = mmap.mmap(-1, SLOT * spinners)
    start, children = time.monotonic(), []
    for index in range(spinners):
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            count = 0
            while True:
                work()
                count += 1
                counts[SLOT * index:SLOT * index + 8] = count.to_bytes(8, "little")
        children.append(child)
    time.sleep(SECONDS)
    took = time.monotonic() - start
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    done = sum(int.from_bytes(counts[SLOT * index:SLOT * index + 8], "little") for index in range(spinners))
    processors = done / took / alone
    probe.observe("processors", processors > promised * 1.2, f"{processors:.2f} of {promised}")
    probe.observe("work", done == 0, "none was done")
    probe.observe("seen", os.sched_getaffinity(0) and os.access("/sys/fs/cgroup/cpu.max", os.W_OK), "the share can be written")
