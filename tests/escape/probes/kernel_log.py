# tries: to read, clear and write the kernel's log
# must observe: refused by system call, by device and by file
import os
from ctypes import create_string_buffer

from around import opens, read
from kernel import call
from probe import Probe

with Probe() as probe:
    space = create_string_buffer(4096)
    for name, kind in {"read": 2, "read all": 3, "unread": 9, "size": 10, "open": 1, "console level": 99}.items():
        probe.refused(name, call("syslog", kind, space, 4096 if kind in (2, 3) else 0))
    probe.observe("/dev/kmsg", opens("/dev/kmsg", os.O_RDONLY) or opens("/dev/kmsg", os.O_WRONLY), "opens")
    # It would wait for a message if it could be read.
    probe.observe("/proc/kmsg", opens("/proc/kmsg", os.O_RDONLY) and os.stat("/proc/kmsg").st_rdev == 0, "opens")
    for path in ("/var/log/kern.log", "/var/log/dmesg", "/var/log/syslog", "/run/log/journal", "/var/log/journal"):
        probe.observe(path, read(path, 16) or os.path.isdir(path), "can be read")
