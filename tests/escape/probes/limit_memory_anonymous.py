# tries: one process that takes twice the memory
# must observe: ended by the kernel, or an error, before 1.25 times the limit
# alone: may end the attempt with out_of_memory
from bomb import Bomb, noise
from probe import Probe
from told import needed, number

with Probe() as probe:
    kept = []
    Bomb(probe, needed(probe, "MEMORY_MB", number)).grow(lambda _: kept.append(bytearray(noise())), "memory")
