# tries: to put links to other places where the next mount, the host's diff or the next turn will look
# must observe: directories that the worker walks later cannot be moved away, or only within the agent's own tree
import os

from probe import Probe
from told import text

TARGETS = ("/etc", "/proc/1/root", "/proc/self/root", "/../../..")


def replaced(path):
    """Moves it away and puts a link there, then puts all back; whether that worked."""
    kept = path + ".escape-kept"
    try:
        os.rename(path, kept)
    except OSError:
        return False
    try:
        os.symlink("/etc", path)
        os.unlink(path)
        worked = True
    except OSError:
        worked = False
    os.rename(kept, path)
    return worked


with Probe() as probe:
    checkout, home = os.getcwd(), os.path.expanduser("~")
    for path in (checkout, os.path.dirname(checkout), home, os.path.dirname(home), "/tmp", "/dev/shm", "/outwork", "/usr", "/etc", "/var"):
        if path != "/" and os.path.isdir(path) and not os.path.islink(path):
            probe.observe(f"replace {path}", replaced(path))
    # The host looks at these after the attempt: the runner tells whether anything followed them.
    if text("PLANT"):
        for number, target in enumerate(TARGETS):
            for where in (checkout, home):
                try:
                    os.symlink(target, os.path.join(where, f"escape-link-{number}"))
                except FileExistsError:
                    pass
