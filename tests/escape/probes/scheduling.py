# tries: real-time scheduling, deadlines, negative nice, priority at the disk, a lower score for the killer of processes
# must observe: refused; the score cannot be made lower than the one it began with
import os
import struct
from ctypes import create_string_buffer

from kernel import call_in_child, in_child
from probe import Probe

with Probe() as probe:

    def policy(number, priority):
        os.sched_setscheduler(0, number, os.sched_param(priority))
        return "worked"

    for name, number in (("FIFO", os.SCHED_FIFO), ("RR", os.SCHED_RR)):
        probe.observe(name, in_child(lambda number=number: policy(number, 1)).value == "worked")
    deadline = create_string_buffer(struct.pack("<IIQiIQQQ", 48, 6, 0, 0, 0, 10**7, 10**8, 10**8))
    probe.observe("deadline", call_in_child("sched_setattr", 0, deadline, 0).error is None)
    probe.observe("nice", in_child(lambda: os.nice(-1)).value.lstrip("-").isdigit(), "a negative value was taken")
    probe.observe("disk priority", call_in_child("ioprio_set", 1, 0, 1 << 13).error is None, "real time was taken")
    with open("/proc/self/oom_score_adj", encoding="ascii") as file:
        score = int(file.read())

    def spared():
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("-1000")
        return "worked"

    probe.observe("never killed", in_child(spared).value == "worked", "oom_score_adj is -1000")
    probe.observe("killed before the worker", score < 1, f"oom_score_adj is {score}")
    for process in (1, os.getppid()):
        try:
            os.setpriority(os.PRIO_PROCESS, process, -5)
            probe.observe(f"priority of {process}", True, "raised")
        except OSError:
            probe.observe(f"priority of {process}", False)
