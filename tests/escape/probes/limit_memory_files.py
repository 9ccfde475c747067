# tries: files in the file systems that lie in memory, /dev/shm and /tmp
# must observe: no space, or ended by the kernel, before 1.25 times the limit, both together
# alone: may end the attempt with out_of_memory or disk_limit
import os

from bomb import Bomb, noise
from probe import Probe
from told import needed, number

with Probe() as probe:
    limit = needed(probe, "MEMORY_MB", number)
    bomb, held, made = Bomb(probe, limit), 0, []
    for folder in ("/dev/shm", "/tmp"):
        path = os.path.join(folder, ".escape-bomb")
        made.append(path)
        with open(path, "wb", buffering=0) as file:
            held += bomb.grow(lambda _, file=file: file.write(noise()), folder, 2 * limit - held or 1)
    probe.observe("together", held > limit * 1.25, f"{held} MiB with a limit of {limit}")
    for path in made:
        os.unlink(path)
