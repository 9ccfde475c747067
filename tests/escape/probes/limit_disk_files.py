# tries: very many empty files, folders and links, which take little space and many inodes
# must observe: an error, or the attempt ended, before as many as would fill a disk's table
# alone: may end the attempt with disk_limit
import os
import shutil
import tempfile

from probe import Probe, say
from told import needed, number

STEP = 1000

with Probe() as probe:
    limit = needed(probe, "INODES", number)
    say({"probe": probe.name, "reached": 0})
    top = tempfile.mkdtemp(prefix=".escape-", dir=os.getcwd())
    made, stopped = 0, None
    try:
        while made < limit * 2:
            folder = f"{top}/{made}"
            os.mkdir(folder)
            for number in range(STEP):
                os.close(os.open(f"{folder}/{number}", os.O_CREAT | os.O_WRONLY))
            made += STEP
            if made % (20 * STEP) == 0:
                say({"probe": probe.name, "reached": made})
    except OSError as error:
        stopped = error
    probe.observe("files", made > limit * 1.25, f"{made} with a limit of {limit}, stopped by {stopped}")
    shutil.rmtree(top, ignore_errors=True)
