# tries: the entries of i386 and x32, whose call numbers a filter may not know
# must observe: the process is killed, or the call refused; on other architectures there is no such entry
import ctypes
import mmap
import struct

from kernel import MACHINE, in_child, numbered
from probe import Probe

X32 = 0x40000000
OLD = {"getpid": (20, ()), "mount": (21, (0, 0, 0)), "ptrace": (26, (0, 0, 0)), "umount2": (52, (0, 0)), "chroot": (61, (0,)), "reboot": (88, (0, 0, 0)),
       "socketcall": (102, (1, 0)), "syslog": (103, (10, 0, 0)), "clone": (120, (0x10000011, 0)), "init_module": (128, (0, 0)),
       "vm86": (166, (0, 0)), "keyctl": (288, (0, 0xFFFFFFFD, 0)), "unshare": (310, (0x10000000,)), "perf_event_open": (336, (0, 0, 0)), "setns": (346, (0xFFFFFFFF, 0)),
       "bpf": (357, (0, 0, 0)), "socket": (359, (40, 1, 0)), "userfaultfd": (374, (1,)), "io_uring_setup": (425, (1, 0)), "fsopen": (430, (0, 0)), "clone3": (435, (0, 0))}
NEW = {"getpid": (39, ()), "mount": (165, (0, 0, 0)), "unshare": (272, (0x10000000,)), "keyctl": (250, (0, -3, 0)), "ioctl": (514, (0, 0x5412, 0)), "ptrace": (521, (0, 0, 0)),
       "execveat": (545, (-1, 0, 0)), "process_vm_readv": (539, (1, 0, 0)), "rt_sigaction": (512, (0, 0, 0)), "socket": (41, (40, 1, 0))}
REFUSALS = {-1, -13, -38}  # EPERM, EACCES, ENOSYS


def interrupt(number, arguments):
    """`int 0x80` with the arguments in ebx, ecx, edx."""
    padded = [argument & 0xFFFFFFFF for argument in (*arguments, 0, 0, 0)][:3]
    code = b"\x53\xb8" + struct.pack("<I", number)
    code += b"".join(register + struct.pack("<I", value) for register, value in zip((b"\xbb", b"\xb9", b"\xba"), padded))
    code += b"\xcd\x80\x5b\xc3"
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()


def x32(number, arguments):
    result = numbered(X32 | number, *arguments)
    return result.value if result.error is None else {"EPERM": -1, "EACCES": -13, "ENOSYS": -38}.get(result.error, -22)


with Probe() as probe:
    if MACHINE != "x86_64":
        probe.observe("entries", False, f"{MACHINE} has none")
        probe.end()
    for entry, calls, enter in (("i386", OLD, interrupt), ("x32", NEW, x32)):
        for name, (number, arguments) in calls.items():
            ended = in_child(lambda enter=enter, number=number, arguments=arguments: enter(number, arguments))
            code = int(ended.value) if ended.value and ended.value.lstrip("-").isdigit() else None
            probe.observe(f"{entry} {name}", ended.signal is None and code not in REFUSALS, f"returned {ended.value}")
