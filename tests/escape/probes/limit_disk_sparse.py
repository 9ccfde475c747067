# tries: files that say that they are huge and are not, and the calls that give them space later
# must observe: a hole takes no space of others; space that is asked for is refused at the limit
# alone: may end the attempt with disk_limit
import os
import shutil
import tempfile

from bomb import MIB, Bomb
from probe import Probe
from told import needed, number

HUGE = 1 << 40

with Probe() as probe:
    limit = needed(probe, "DISK_MB", number)
    top = tempfile.mkdtemp(prefix=".escape-", dir=os.getcwd())
    holes = os.path.join(top, "holes")
    try:
        with open(holes, "wb") as file:
            file.truncate(HUGE)
            file.seek(HUGE - 1)
            file.write(b"x")
        probe.observe("a hole", os.stat(holes).st_blocks * 512 > 64 * MIB, f"takes {os.stat(holes).st_blocks * 512} bytes")
    except OSError as error:
        probe.observe("a hole", False, str(error))
    with open(os.path.join(top, "asked"), "wb") as file:
        Bomb(probe, limit).grow(lambda count: os.posix_fallocate(file.fileno(), count * MIB, MIB), "asked for")
        # Not more: where nothing holds it, a larger one takes all space of the machine before it is refused.
        at_once = 4 * limit
        try:
            os.posix_fallocate(file.fileno(), 0, at_once * MIB)
            probe.observe("all at once", True, f"{at_once} MiB were given")
        except OSError as error:
            probe.observe("all at once", False, str(error))
    shutil.rmtree(top, ignore_errors=True)
