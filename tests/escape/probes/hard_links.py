# tries: hard links, reflinks and renames that bring a file of the system or of another layer where it can be written
# must observe: no link is made, or what is written through it changes only a copy
import fcntl
import os
import tempfile

from around import in_own_layer
from probe import Probe

FICLONE = 0x40049409
FILES = ("/etc/passwd", "/etc/shadow", "/etc/hosts", "/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt", "/usr/bin/env", "/bin/sh", "/usr/bin/su",
         "/proc/self/exe", "/proc/self/fd/0", "/dev/null", "/outwork", "/proc/1/exe")


def tries(change, *arguments, **more):
    try:
        change(*arguments, **more)
        return True
    except (OSError, NotImplementedError):
        return False


with Probe() as probe:
    place = tempfile.mkdtemp(prefix=".escape-", dir=os.getcwd())
    for number, file in enumerate(FILES):
        link = os.path.join(place, f"link-{number}")
        for follow in (True, False):
            if tries(os.link, file, link, follow_symlinks=follow):
                same = os.path.exists(file) and os.path.samefile(file, link)
                probe.observe(f"link to {file}", same and os.access(link, os.W_OK), "the same file, and it can be written")
                os.unlink(link)
            else:
                probe.observe(f"link to {file}", False)
        moved = os.path.join(place, f"moved-{number}")
        if tries(os.rename, file, moved):
            os.rename(moved, file)
            probe.observe(f"move {file}", not in_own_layer(file))
        else:
            probe.observe(f"move {file}", False)
        of_system = file.startswith(("/etc", "/usr", "/bin")) and not in_own_layer(file)
        probe.observe(f"write {file}", of_system and os.access(file, os.W_OK), "can be written")
    # A reflink of a file that can only be read is a copy; one over a file of the system would change it.
    try:
        with open("/bin/sh", "rb") as source, open("/usr/bin/env", "r+b") as target:
            fcntl.ioctl(target, FICLONE, source.fileno())
        probe.observe("reflink over the system", True)
    except OSError:
        probe.observe("reflink over the system", False)
    os.rmdir(place)
