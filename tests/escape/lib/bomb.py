"""What bombs of memory and disk have in common: they stop themselves at twice the limit, and say how far they came, because
the kernel may end them and everything around at any moment."""

import os

from probe import say

MIB = 1 << 20
# Some of what is counted is not the bomb's own: Python, the agent's shell, page tables.
FACTOR = 1.25


def noise():
    """A MiB that no kernel can merge or compress."""
    return os.urandom(65536) * 16


class Bomb:
    def __init__(self, probe, limit):
        self.probe, self.limit, self.held = probe, limit, 0

    def grow(self, one_more, what, most=None):
        """Calls it for each MiB until it fails; the number of MiB that are held at the end."""
        held = 0
        say({"probe": self.probe.name, "reached": held})
        try:
            while held < (most or 2 * self.limit):
                one_more(held)
                held += 1
                if held % max(1, self.limit // 8) == 0:
                    say({"probe": self.probe.name, "reached": held})
        except (OSError, MemoryError):
            pass
        self.probe.observe(what, held > self.limit * FACTOR, f"{held} MiB with a limit of {self.limit}")
        return held
