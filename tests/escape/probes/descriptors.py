# tries: every descriptor that the agent was started with, and those of all processes in sight
# must observe: 0, 1 and 2 only; pipes, terminals or /dev/null; none is a folder, a socket of the worker, or a file of the host
import os
import stat

from around import ancestors, processes
from probe import Probe

OWN_OUTPUT = "/memfd:escape-output"


def descriptors(process):
    """Number to (target, mode of the file, whether it can be written)."""
    found, folder = {}, f"/proc/{process}/fd"
    for name in os.listdir(folder):
        try:
            path = f"{folder}/{name}"
            found[int(name)] = (os.readlink(path), os.stat(path).st_mode, os.lstat(path).st_mode & 0o200)
        except OSError:
            continue
    return found


with Probe() as probe:
    # The eldest is what the worker started; the others inherited from it.
    eldest = min(ancestors())
    for number, (target, mode, writable) in descriptors(eldest).items():
        what = f"descriptor {number}"
        # Shells keep the script they read and a copy of the terminal above 9.
        own = target.startswith((os.getcwd(), OWN_OUTPUT)) or number >= 10 and target.startswith("/dev/pts/")
        if number > 2 and not own:
            probe.observe(what, True, target)
        elif stat.S_ISDIR(mode):
            probe.observe(what, True, f"a folder: {target}")
        elif stat.S_ISSOCK(mode):
            # A socket could carry descriptors in both directions.
            probe.observe(what, True, f"a socket: {target}")
        else:
            is_host_file = stat.S_ISREG(mode) and writable and not target.startswith((OWN_OUTPUT, os.getcwd()))
            probe.observe(what, is_host_file, f"can write {target}")
    for number in range(3):
        probe.observe(f"reopen {number}", os.path.realpath(f"/proc/{eldest}/fd/{number}").endswith(".log"), os.path.realpath(f"/proc/{eldest}/fd/{number}"))
    for process in processes():
        if process in ancestors():
            continue
        try:
            seen = descriptors(process)
        except OSError:
            probe.observe(f"descriptors of {process}", False)
            continue
        # Leftovers of the agent are its own; process 1 and strangers are not.
        probe.observe(f"descriptors of {process}", process == 1, f"{list(seen.values())[:3]}")
