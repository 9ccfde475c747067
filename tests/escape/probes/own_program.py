# tries: to change the agent's program, its runtimes and the system, on disk and while they run; to be executed in their place
# must observe: nothing below /outwork, /usr, /bin, /lib and /etc can be written, renamed, linked or mapped for writing
import mmap
import os
import sys
import tempfile

from around import ancestors, in_own_layer, opens
from probe import Probe

TOPS = ("/outwork", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/local/bin", "/usr/local/sbin", "/bin", "/sbin", "/lib", "/lib64", "/etc")
MOST_FILES = 3000


def tries(change, *arguments):
    try:
        change(*arguments)
        return True
    except OSError:
        return False


def makes_a_file(folder):
    try:
        tempfile.TemporaryFile(dir=folder).close()
        return True
    except OSError:
        return False


def changed(path, name):
    """The ways to put something else in the place of a file."""
    yield "open", opens(path, os.O_WRONLY)
    yield "append", opens(path, os.O_WRONLY | os.O_APPEND)
    yield "mode", tries(os.chmod, path, os.stat(path).st_mode & 0o7777)
    yield "times", tries(os.utime, path)
    yield "attribute", tries(os.setxattr, path, f"user.{name}", b"x")


with Probe() as probe:
    seen = 0
    for top in TOPS:
        if not os.path.isdir(top):
            continue
        if in_own_layer(top):
            continue
        probe.observe(f"a file in {top}", makes_a_file(top), "was made")
        for folder, _, files in os.walk(top):
            # Some kernels say that it could be written where it is mounted read-only.
            probe.observe(folder, os.access(folder, os.W_OK) and makes_a_file(folder), "a file was made")
            for file in files:
                seen += 1
                path = os.path.join(folder, file)
                if seen < MOST_FILES and os.path.isfile(path) and os.access(path, os.W_OK):
                    probe.observe(path, not in_own_layer(path), "can be written")
    for path in {sys.executable, "/bin/sh", "/usr/bin/env", "/usr/bin/git", *(f"/proc/{process}/exe" for process in ancestors())}:
        if not os.path.exists(path):
            continue
        for what, worked in changed(path, "escape"):
            probe.observe(f"{what} {path}", worked)
        real = os.path.realpath(path)
        probe.observe(f"rename {real}", tries(os.rename, real, real + ".escape"))
        with open(path, "rb") as file:
            try:
                mmap.mmap(file.fileno(), 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
                probe.observe(f"map {path}", True, "shared and writable")
            except OSError:
                probe.observe(f"map {path}", False)
            # The same file again, by its descriptor.
            probe.observe(f"reopen {path}", opens(f"/proc/self/fd/{file.fileno()}", os.O_RDWR), "for writing")
    # What comes before the system's own programs.
    for folder in os.environ.get("PATH", "").split(":"):
        own = folder.startswith((os.path.expanduser("~"), os.getcwd())) or in_own_layer(folder)
        probe.observe(f"{folder} on PATH", not own and os.path.isdir(folder) and os.access(folder, os.W_OK), "can be written")
    probe.observe("programs", seen == 0, "there are none")
