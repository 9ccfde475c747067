# tries: to restart the machine, to change its name, swap, quotas, accounting and ports
# must observe: EPERM or ENOSYS before the arguments are looked at (all are such that nothing would happen)
from ctypes import c_char_p, create_string_buffer

from kernel import call, call_in_child, exists
from probe import Probe

NOTHING = c_char_p(b"/no/such/file")

with Probe() as probe:
    # With a wrong magic number the kernel refuses after it has looked at the caller's rights.
    probe.refused("reboot", call("reboot", 0, 0, 0, None))
    probe.refused("sethostname", call("sethostname", None, -1))
    probe.refused("setdomainname", call("setdomainname", None, -1))
    probe.refused("swapon", call("swapon", NOTHING, 0))
    probe.refused("swapoff", call("swapoff", NOTHING))
    probe.refused("acct", call("acct", NOTHING))
    probe.refused("quotactl", call("quotactl", 0x800002 << 8, NOTHING, 0, None))
    probe.refused("quotactl_fd", call("quotactl_fd", -1, 0, 0, None))
    if exists("iopl"):
        probe.refused("iopl", call_in_child("iopl", 3))
        probe.refused("ioperm", call_in_child("ioperm", 0x80, 1, 1))
    probe.refused("vhangup", call_in_child("vhangup"))
    probe.refused("memory of processes", call("process_madvise", -1, create_string_buffer(16), 1, 21, 0))
