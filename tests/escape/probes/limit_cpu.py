# tries: to take more of the processors than promised, by many processes and by ones that ended already
# must observe: processor time of at most 1.2 times the promised number of processors
# alone: takes all that it gets
import os
import signal
import time

from probe import Probe
from told import needed, number

SECONDS = 4.0

with Probe() as probe:
    promised = needed(probe, "CPUS", number)
    spinners = 4 * (os.cpu_count() or 1)
    start, children = time.monotonic(), []
    for _ in range(spinners):
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            while True:
                pass
        children.append(child)
    time.sleep(SECONDS)
    took = time.monotonic() - start
    for child in children:
        os.kill(child, signal.SIGKILL)
    used = 0.0
    for child in children:
        _, _, usage = os.wait4(child, 0)
        used += usage.ru_utime + usage.ru_stime
    probe.observe("processors", used / took > promised * 1.2, f"{used / took:.2f} of {promised}")
    probe.observe("seen", os.sched_getaffinity(0) and os.access("/sys/fs/cgroup/cpu.max", os.W_OK), "the share can be written")
