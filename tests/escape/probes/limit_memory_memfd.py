# tries: files without a name in memory that are written and never mapped
# must observe: an error, or ended by the kernel, before 1.25 times the limit
# alone: may end the attempt with out_of_memory
import os

from bomb import Bomb, noise
from probe import Probe
from told import needed, number

with Probe() as probe:
    limit = needed(probe, "MEMORY_MB", number)
    file = os.memfd_create("escape")
    Bomb(probe, limit).grow(lambda _: os.write(file, noise()), "written")
