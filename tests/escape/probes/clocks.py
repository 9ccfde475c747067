# tries: to set the machine's clocks and its corrections, and its alarms
# must observe: EPERM or ENOSYS; the time is as before
import time
from ctypes import create_string_buffer

from around import opens, takes
from kernel import call
from probe import Probe

with Probe() as probe:
    difference = time.time() - time.monotonic()
    # Impossible values: whoever may set the clock gets EINVAL, and nothing is set.
    impossible = create_string_buffer((2**62).to_bytes(8, "little") + (-1).to_bytes(8, "little", signed=True))
    probe.refused("settimeofday", call("settimeofday", impossible, None))
    for clock in (0, 1, 7, 11):
        probe.refused(f"clock_settime {clock}", call("clock_settime", clock, impossible))
    change = create_string_buffer((0x8000).to_bytes(4, "little") + bytes(204))
    probe.refused("clock_adjtime", call("clock_adjtime", 0, change))
    probe.refused("adjtimex", call("adjtimex", change))
    for device in ("/dev/rtc", "/dev/rtc0", "/dev/ptp0", "/dev/hpet"):
        probe.observe(device, opens(device, 0), "opens")
    moved = abs(time.time() - time.monotonic() - difference)
    probe.observe("the clock", moved > 1, f"moved by {moved:.1f} s")
    probe.observe("offsets of time", takes("/proc/self/timens_offsets", b"monotonic 1 0"), "were taken")
