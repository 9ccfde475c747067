# tries: four processes that each take half of the memory
# must observe: together they come no further than 1.25 times the limit
# alone: may end the attempt with out_of_memory
import mmap
import os
import struct
import time

from bomb import MIB, noise
from probe import Probe, say
from told import needed, number

CHILDREN = 4
PATIENCE_S = 60

with Probe() as probe:
    limit = needed(probe, "MEMORY_MB", number)
    say({"probe": probe.name, "reached": 0})
    # What each holds, where the parent can read it after the kernel ended the child.
    table = mmap.mmap(-1, mmap.PAGESIZE)
    children = []
    ready_reading, ready_writing = os.pipe()
    hold_reading, hold_writing = os.pipe()
    for child in range(CHILDREN):
        process = os.fork()
        if process == 0:
            os.close(hold_writing)
            kept = []
            try:
                for count in range(1, limit // 2 + 1):
                    kept.append(bytearray(noise()))
                    struct.pack_into("<Q", table, child * 8, count)
            except MemoryError:
                pass
            os.write(ready_writing, b".")
            os.read(hold_reading, 1)
            os._exit(0)
        children.append(process)
    os.close(ready_writing)
    os.close(hold_reading)
    os.set_blocking(ready_reading, False)
    ready, alive, end = 0, list(range(CHILDREN)), time.monotonic() + PATIENCE_S
    while ready < len(alive) and time.monotonic() < end:
        time.sleep(0.05)
        # Only what is held at the same time counts: one that was ended gave its memory back.
        alive = [child for child in alive if os.waitpid(children[child], os.WNOHANG)[0] == 0]
        try:
            ready += len(os.read(ready_reading, CHILDREN))
        except BlockingIOError:
            continue
    held = sum(struct.unpack_from("<Q", table, child * 8)[0] for child in alive)
    say({"probe": probe.name, "reached": held})
    probe.observe("together", held * MIB > limit * MIB * 1.25, f"{held} MiB in {len(alive)} processes with a limit of {limit}")
    os.close(hold_writing)
