# tries: System V segments that are filled and detached, which live without any process
# must observe: an error, or ended by the kernel, before 1.25 times the limit
# alone: may end the attempt with out_of_memory
import ctypes

from bomb import MIB, Bomb, noise
from kernel import LIBC, call
from probe import Probe
from told import needed, number

LIBC.shmat.restype = ctypes.c_void_p
STEP = 8

with Probe() as probe:
    limit = needed(probe, "MEMORY_MB", number)
    segments = []

    def one_more(held):
        if held % STEP:
            return
        segment = call("shmget", 0, STEP * MIB, 0o1600)
        if segment.error:
            raise OSError(segment.error)
        segments.append(segment.value)
        address = LIBC.shmat(segment.value, None, 0)
        content = noise() * STEP
        ctypes.memmove(address, content, len(content))
        LIBC.shmdt(ctypes.c_void_p(address))

    Bomb(probe, limit).grow(one_more, "segments")
    for segment in segments:
        call("shmctl", segment, 0, None)
