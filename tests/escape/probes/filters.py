# tries: to take the system call filter off, to answer its calls by a notifier of its own, to lift landlock, to be dumpable for others
# must observe: a further filter makes nothing allowed that was refused; no filter is removed or suspended
import ctypes
import os
import struct
from ctypes import c_char_p

from kernel import LIBC, call, call_in_child, in_child, status
from probe import Probe

MODE_STRICT, MODE_FILTER, NEW_LISTENER = 0, 1, 8
RET_ALLOW, RET_NOTIFY = 0x7FFF0000, 0x7FC00000
PR_SET_SECCOMP, PR_SET_MM, PR_SET_PTRACER, PR_SET_NO_NEW_PRIVS = 22, 35, 0x59616D61, 38
PTRACE_SETOPTIONS, SUSPEND_SECCOMP = 0x4200, 1 << 21


def program(*instructions):
    """A `sock_fprog`, with what it points to."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *instruction) for instruction in instructions))
    return ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(instructions), ctypes.addressof(code))), code


def mount_works():
    return call("mount", c_char_p(b"none"), c_char_p(b"/tmp"), c_char_p(b"tmpfs"), 0, None).error


with Probe() as probe:
    probe.observe("mode 0", LIBC.prctl(PR_SET_SECCOMP, 0, 0, 0, 0) == 0, "seccomp was switched off")
    allow_all = program((6, 0, 0, RET_ALLOW))

    def more_allowed():
        result = call("seccomp", MODE_FILTER, 0, allow_all[0])
        return f"{result.error} {mount_works()} {status()['Seccomp']}"

    ended = in_child(more_allowed)
    probe.observe("a filter that allows all", ended.value is not None and ended.value.split(" ")[1] not in ("EPERM", "ENOSYS"), str(ended))
    # A notifier can let a call "continue"; the kernel must still ask the older filter.
    notify_all = program((0x20, 0, 0, 0), (0x15, 0, 1, 165), (6, 0, 0, RET_NOTIFY), (6, 0, 0, RET_ALLOW))

    def notified():
        listener = call("seccomp", MODE_FILTER, NEW_LISTENER, notify_all[0])
        if listener.error:
            return f"none {listener.error}"
        child = os.fork()
        if child == 0:
            os._exit(0 if mount_works() is None else 1)
        _, ended = os.waitpid(child, os.WNOHANG)
        return "refused " + str(ended) if refused_at_once(child) else "asked"

    def refused_at_once(child):
        """The older filter's refusal comes first, so nobody waits for the notifier."""
        import time

        for _ in range(100):
            done, code = os.waitpid(child, os.WNOHANG)
            if done:
                return os.WEXITSTATUS(code) == 1
            time.sleep(0.02)
        os.kill(child, 9)
        return False

    ended = in_child(notified)
    probe.observe("a notifier", ended.value == "asked", "decides about a call that was refused")
    probe.observe("mount afterwards", mount_works() not in ("EPERM", "ENOSYS", "EACCES"), str(mount_works()))
    for what, arguments in {"suspend": (PTRACE_SETOPTIONS, os.getppid(), 0, SUSPEND_SECCOMP), "read a filter": (0x420C, os.getppid(), 0, 0)}.items():
        probe.observe(what, call("ptrace", *arguments).error is None)
    probe.observe("memory map", call_in_child("prctl", PR_SET_MM, 1, 0x10000, 0, 0).error is None, "PR_SET_MM worked")
    probe.observe("no_new_privs", call_in_child("prctl", PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0).error is None, "lowered")
    for path in ("/proc/self/attr/current", "/proc/self/attr/exec", "/proc/self/attr/apparmor/exec"):
        try:
            with open(path, "w", encoding="ascii") as file:
                file.write("changeprofile unconfined")
            probe.observe(path, True, "another profile")
        except OSError:
            probe.observe(path, False)
    # A ruleset of its own may only take more away.
    rules = call("landlock_create_ruleset", ctypes.create_string_buffer(struct.pack("<Q", 1 << 2)), 8, 0)
    if rules.error is None:
        probe.observe("write after landlock", in_child(lambda: os.access("/usr/bin", os.W_OK)).value == "True")
        os.close(rules.value)
    probe.observe("filters in status", int(status().get("Seccomp_filters", "1")) < 1, status().get("Seccomp_filters"))
