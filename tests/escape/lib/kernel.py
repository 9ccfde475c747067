"""System calls by number, and a process of its own for those that change the caller."""

import ctypes
import errno
import os
import platform
import select
import signal
import time
from typing import NamedTuple, Optional

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long

MACHINE = platform.machine()

# Number on x86_64, on aarch64; None where the architecture has no such call.
NUMBERS = {
    "accept4": (288, 242), "acct": (163, 89), "add_key": (248, 217), "adjtimex": (159, 171), "bpf": (321, 280),
    "capset": (126, 91), "chroot": (161, 51), "clock_adjtime": (305, 266), "clock_settime": (227, 112),
    "clone": (56, 220), "clone3": (435, 435), "delete_module": (176, 106), "execveat": (322, 281),
    "fanotify_init": (300, 262), "fanotify_mark": (301, 263), "finit_module": (313, 273), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fsopen": (430, 430), "fspick": (433, 433), "get_mempolicy": (239, 236),
    "init_module": (175, 105), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425), "ioctl": (16, 29), "ioperm": (173, None), "iopl": (172, None),
    "ioprio_set": (251, 30), "kcmp": (312, 272), "kexec_file_load": (320, 294), "kexec_load": (246, 104),
    "keyctl": (250, 219), "landlock_create_ruleset": (444, 444), "listmount": (458, 458),
    "lookup_dcookie": (212, 18), "mbind": (237, 235), "migrate_pages": (256, 238), "mknodat": (259, 33),
    "modify_ldt": (154, None), "mount": (165, 40), "mount_setattr": (442, 442), "move_mount": (429, 429),
    "move_pages": (279, 239), "mq_open": (240, 180), "mq_unlink": (241, 181), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265), "open_tree": (428, 428), "open_tree_attr": (467, 467),
    "perf_event_open": (298, 241), "pidfd_getfd": (438, 438), "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424), "pivot_root": (155, 41), "prctl": (157, 167), "process_madvise": (440, 440),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "ptrace": (101, 117), "quotactl": (179, 60),
    "quotactl_fd": (443, 443), "reboot": (169, 142), "request_key": (249, 218), "rt_sigqueueinfo": (129, 138),
    "sched_setattr": (314, 274), "seccomp": (317, 277), "set_mempolicy": (238, 237), "setdomainname": (171, 162),
    "sethostname": (170, 161), "setns": (308, 268), "settimeofday": (164, 170), "shmat": (30, 196),
    "shmctl": (31, 195), "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190), "statmount": (457, 457),
    "swapoff": (168, 225), "swapon": (167, 224), "syslog": (103, 116), "tgkill": (234, 131), "umount2": (166, 39),
    "unshare": (272, 97), "uselib": (134, None), "userfaultfd": (323, 282), "vhangup": (153, 58),
    "vmsplice": (278, 75), "fsetxattr": (190, 7), "memfd_secret": (447, 447), "_sysctl": (156, None),
}
COLUMN = {"x86_64": 0, "aarch64": 1}

# Says no before anything was looked at.
REFUSALS = {errno.EPERM, errno.ENOSYS, errno.EACCES}


class Result(NamedTuple):
    value: int
    error: Optional[str]

    @property
    def refused(self):
        return self.error in {errno.errorcode[code] for code in REFUSALS}


def exists(name):
    """Whether this architecture has the call at all."""
    return NUMBERS[name][COLUMN[MACHINE]] is not None


def call(name, *arguments):
    """Ask the kernel itself: C libraries refuse some arguments on their own."""
    return numbered(NUMBERS[name][COLUMN[MACHINE]], *arguments)


def numbered(number, *arguments):
    ctypes.set_errno(0)
    given = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    value = LIBC.syscall(ctypes.c_long(number), *given)
    if value != -1:
        return Result(value, None)
    code = ctypes.get_errno()
    return Result(-1, errno.errorcode.get(code, str(code)))


class Ended(NamedTuple):
    """How a child ended: `value` is what its function returned, as text."""

    value: Optional[str]
    signal: Optional[int]
    late: bool = False


def in_child(function, seconds=10):
    """Runs it in a process of its own: it may be killed, or lose or gain rights."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            value = str(function())
        except BaseException as error:  # Also what a library raises to end the process.
            value = f"{type(error).__name__}: {error}"
        os.write(writing, value.encode(errors="replace")[:60000])
        os._exit(0)
    os.close(writing)
    written, late = b"", False
    end = time.monotonic() + seconds
    while True:
        ready, _, _ = select.select([reading], [], [], max(0, end - time.monotonic()))
        part = os.read(reading, 65536) if ready else b""
        if not part:
            late = not ready
            break
        written += part
    os.close(reading)
    if late:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    died = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    return Ended(written.decode(errors="replace") if died is None else None, died, late)


def call_in_child(name, *arguments):
    """The same as `call`, without its effect on this process. A filter that kills refuses, too."""

    def attempt():
        result = call(name, *arguments)
        return f"{result.value} {result.error}"

    return result_of(in_child(attempt))


def result_of(ended):
    if ended.value is None or " " not in ended.value:
        return Result(-1, "EPERM" if ended.signal == signal.SIGSYS else f"ended by {ended}")
    value, error = ended.value.split(" ", 1)
    return Result(int(value), None if error == "None" else error) if value.lstrip("-").isdigit() else Result(-1, error)


def status(process="self"):
    """`/proc/PROCESS/status` as a dictionary."""
    with open(f"/proc/{process}/status", encoding="utf-8") as lines:
        pairs = (line.rstrip("\n").split(":", 1) for line in lines if ":" in line)
        return {name: value.strip() for name, value in pairs}
