# tries: its own copies of a program with set-id bits, file capabilities and other owners, in every place that can be written
# must observe: no such program starts with other ids or with a capability
import os
import shutil
import struct
import subprocess

from around import writable_places
from probe import Probe

# Version 2 of the attribute, effective, all capabilities; version 3 the same for root of this user namespace.
CAPABILITIES = {
    "2": struct.pack("<IIIII", 0x02000001, 0xFFFFFFFF, 0, 0x1FF, 0),
    "3": struct.pack("<IIIIII", 0x03000001, 0xFFFFFFFF, 0, 0x1FF, 0, 0),
}


def rights(program):
    """User ids and effective capabilities that a copy of `cat` has."""
    done = subprocess.run([program, "/proc/self/status"], capture_output=True, text=True, timeout=10)
    lines = dict(line.split(":\t", 1) for line in done.stdout.splitlines() if ":\t" in line)
    return lines.get("Uid"), lines.get("Gid"), lines.get("CapEff")


with Probe() as probe:
    usual = rights("/bin/cat")
    for place in writable_places():
        program = os.path.join(place, "cat")
        shutil.copy("/bin/cat", program)
        for owner in (None, (0, 0), (65534, 0), (1, 1)):
            if owner:
                try:
                    os.chown(program, *owner)
                except OSError:
                    continue
            for mode in (0o4755, 0o2755, 0o6755):
                try:
                    os.chmod(program, mode)
                    seen = rights(program)
                except OSError:
                    continue
                probe.observe(f"mode {mode:o} in {place}", seen != usual, f"{seen} instead of {usual}")
        for version, value in CAPABILITIES.items():
            try:
                os.setxattr(program, "security.capability", value)
            except OSError:
                probe.observe(f"file capabilities {version} in {place}", False)
                continue
            seen = rights(program)
            probe.observe(f"file capabilities {version} in {place}", seen != usual, f"{seen} instead of {usual}")
        shutil.rmtree(place, ignore_errors=True)
