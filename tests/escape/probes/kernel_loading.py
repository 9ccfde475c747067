# tries: bpf, performance counters, modules and another kernel
# must observe: EPERM or ENOSYS, whatever the arguments
from ctypes import c_char_p, create_string_buffer

from kernel import call, exists
from probe import Probe

with Probe() as probe:
    for command in range(0, 40):
        probe.refused(f"bpf {command}", call("bpf", command, create_string_buffer(128), 128))
    for kind in (0, 1, 2, 4, 5, 6):
        attributes = create_string_buffer(kind.to_bytes(4, "little") + (128).to_bytes(4, "little") + bytes(120))
        probe.refused(f"perf_event_open {kind}", call("perf_event_open", attributes, 0, -1, -1, 0))
    probe.refused("init_module", call("init_module", None, 0, c_char_p(b"")))
    probe.refused("finit_module", call("finit_module", -1, c_char_p(b""), 0))
    probe.refused("delete_module", call("delete_module", c_char_p(b"no-such-module"), 0x800))
    probe.refused("kexec_load", call("kexec_load", 0, 0, None, 1 << 30))
    probe.refused("kexec_file_load", call("kexec_file_load", -1, -1, 0, None, 1 << 30))
    if exists("uselib"):
        probe.refused("uselib", call("uselib", c_char_p(b"/no-such-library")))
    probe.refused("lookup_dcookie", call("lookup_dcookie", 0, None, 0))
