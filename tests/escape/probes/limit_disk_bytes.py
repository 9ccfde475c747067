# tries: to write twice the disk space, in the checkout, the home and every other place, as one file and as many
# must observe: ENOSPC or EDQUOT, or the attempt ended, before 1.25 times the limit
# alone: may end the attempt with disk_limit
import os
import shutil

from around import file_system, writable_places
from bomb import Bomb, noise
from probe import Probe
from told import needed, number

with Probe() as probe:
    limit = needed(probe, "DISK_MB", number)
    bomb, held = Bomb(probe, limit), 0
    places = writable_places()
    for place in places:
        if file_system(place) == "tmpfs":
            continue  # Counts as memory.

        def one_more(count, place=place):
            # A new file every 64 MiB, so that no limit of one file's size is taken for that of the disk.
            with open(f"{place}/bomb-{count // 64}", "ab", buffering=0) as file:
                file.write(noise())

        held += bomb.grow(one_more, place, max(1, 2 * limit - held))
    probe.observe("together", held > limit * 1.25, f"{held} MiB with a limit of {limit}")
    for place in places:
        shutil.rmtree(place, ignore_errors=True)
