# tries: to type into a terminal, to take or keep one, to open the console; with a terminal of its own, too
# must observe: TIOCSTI and TIOCLINUX are refused also with upper bits; only its own terminals show
import fcntl
import os
import pty
import termios

from around import opens
from kernel import call, in_child
from probe import Probe

TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSCTTY, TIOCGPTPEER = 0x5412, 0x541C, 0x541D, 0x540E, 0x5441


def asked(descriptor, request, argument):
    return call("ioctl", descriptor, request, argument)


with Probe() as probe:
    for descriptor in range(3):
        probe.observe(f"descriptor {descriptor}", os.isatty(descriptor), "is a terminal of the worker's")
    for path in ("/dev/tty", "/dev/console", "/dev/tty0", "/dev/tty1", "/dev/ttyS0", "/dev/hvc0", "/dev/vcs"):
        probe.observe(path, opens(path, os.O_RDWR), "opens")
    before = set(os.listdir("/dev/pts"))
    probe.observe("/dev/pts", before - {"ptmx"}, f"lists {before}")
    ours, theirs = pty.openpty()

    def on_own_terminal():
        """As a session leader that has it: then the kernel itself would not object."""
        os.setsid()
        fcntl.ioctl(theirs, TIOCSCTTY, 0)
        worked = []
        for name, request in (("TIOCSTI", TIOCSTI), ("TIOCLINUX", TIOCLINUX)):
            for upper in (0, 1 << 32, 1 << 40, 0xFFFFFFFF << 32):
                import ctypes

                result = asked(theirs, ctypes.c_ulong(request | upper), ctypes.c_char_p(b"\x03"))
                if result.error not in ("EPERM", "ENOSYS", "EACCES"):
                    worked.append(f"{name} {upper:#x}: {result.error or 'worked'}")
        return "; ".join(worked)

    ended = in_child(on_own_terminal)
    if ended.value and ended.value.startswith(("OSError", "PermissionError")):
        probe.untested("own terminal", ended.value)
    else:
        probe.observe("typing", ended.value != "" and ended.signal != 31, str(ended))
    probe.observe("redirect the console", asked(theirs, TIOCCONS, 0).error is None)
    for request in (TIOCSCTTY, termios.TIOCNOTTY):
        for argument in (0, 1):
            # Steals a terminal from its session; only for whoever may administer the machine.
            result = in_child(lambda request=request, argument=argument: asked(0, request, argument).error)
            probe.observe(f"ioctl {request:#x} {argument} on 0", result.value == "None", "worked on standard input")
    try:
        name = os.ttyname(theirs)
        probe.observe("own name", not name.startswith("/dev/pts/"), name)
    except OSError as error:
        probe.observe("own name", False, str(error))
    probe.observe("numbers", len(set(os.listdir("/dev/pts")) - before) != 1, "more terminals appeared than were made")
