# tries: the calls that attacks on the kernel use to win races and to shape its memory
# must observe: EPERM or ENOSYS for io_uring, userfaultfd, NUMA placement and the machine's descriptor tables
import os
from ctypes import create_string_buffer

from around import opens
from kernel import call, exists
from probe import Probe

with Probe() as probe:
    probe.refused("io_uring_setup", call("io_uring_setup", 4, create_string_buffer(120)))
    probe.refused("io_uring_enter", call("io_uring_enter", -1, 0, 0, 0, None, 0))
    probe.refused("io_uring_register", call("io_uring_register", -1, 0, None, 0))
    for flags in (0, 1, os.O_CLOEXEC | 1):
        probe.refused(f"userfaultfd {flags}", call("userfaultfd", flags))
    probe.observe("/dev/userfaultfd", opens("/dev/userfaultfd", os.O_RDWR), "opens")
    for name, arguments in {
        "mbind": (0, 4096, 0, 0, 0, 0), "set_mempolicy": (99, 0, 0), "migrate_pages": (0, 0, 0, 0), "move_pages": (0, 0, 0, 0, 0, 99),
    }.items():
        probe.refused(name, call(name, *arguments))
    if exists("modify_ldt"):
        probe.refused("modify_ldt", call("modify_ldt", 17, None, 0))
