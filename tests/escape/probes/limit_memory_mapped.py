# tries: shared memory without a name that is mapped, written, unmapped and kept by a descriptor
# must observe: an error, or ended by the kernel, before 1.25 times the limit
# alone: may end the attempt with out_of_memory
import mmap
import os

from bomb import MIB, Bomb, noise
from probe import Probe
from told import needed, number

with Probe() as probe:
    limit = needed(probe, "MEMORY_MB", number)
    kept = []

    def one_more(_):
        # No process has it mapped afterwards, so that no process' own size tells.
        file = os.memfd_create("escape")
        os.ftruncate(file, MIB)
        with mmap.mmap(file, MIB) as memory:
            memory.write(noise())
        kept.append(file)
        if len(kept) > 256:
            # Stay below the limit of descriptors: one large file from here on.
            last = kept[-2]
            size = os.fstat(last).st_size
            os.ftruncate(last, size + MIB)
            with mmap.mmap(last, MIB, offset=size) as memory:
                memory.write(noise())
            os.close(kept.pop())

    Bomb(probe, limit).grow(one_more, "mapped")
