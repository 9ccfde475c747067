# tries: flags and requests of file systems: immutable files, projects of a quota, encryption, verity, freezing, trimming, growing, swapping
# must observe: each is refused; a file that the agent made can be removed afterwards
import fcntl
import os
import shutil
import struct

from around import writable_places
from probe import Probe

GET_FLAGS, SET_FLAGS = 0x80086601, 0x40086602
GET_ATTRIBUTES, SET_ATTRIBUTES = 0x801C581F, 0x401C5820
IMMUTABLE, APPEND_ONLY, JOURNAL_DATA = 0x10, 0x20, 0x4000
REQUESTS = {
    "freeze": (0xC0045877, 0), "thaw": (0xC0045878, 0), "trim": (0xC0185879, bytes(24)), "shut down": (0x8004587D, struct.pack("<I", 2)),
    "encrypt": (0x800C6613, bytes(12)), "add a key": (0xC0506617, bytes(80)), "verity": (0x40806685, struct.pack("<IIII", 1, 1, 4096, 0) + bytes(112)),
    "grow ext4": (0x40086610, struct.pack("<Q", 1)), "checkpoint": (0x4004662B, struct.pack("<I", 0)), "boot loader": (0x6611, 0),
    "btrfs snapshot": (0x50009401, bytes(4096)), "btrfs subvolume": (0x5000940E, bytes(4096)), "btrfs search": (0xD0009411, bytes(4096)),
    "xfs handle": (0xC0385868, bytes(56)), "new label": (0x41009432, b"escape".ljust(256, b"\0")),
}


def asked(file, request, argument):
    try:
        # A buffer that may be written has no limit of length.
        fcntl.ioctl(file, request, bytearray(argument) if isinstance(argument, bytes) else argument)
        return True
    except OSError:
        return False


with Probe() as probe:
    for place in writable_places():
        path = os.path.join(place, "file")
        with open(path, "wb") as file:
            for name, flag in (("immutable", IMMUTABLE), ("append only", APPEND_ONLY), ("journal", JOURNAL_DATA)):
                try:
                    (flags,) = struct.unpack("<Q", fcntl.ioctl(file, GET_FLAGS, bytes(8)))
                except OSError:
                    flags = 0
                worked = asked(file, SET_FLAGS, struct.pack("<Q", flags | flag))
                probe.observe(f"{name} in {place}", worked)
                if worked:
                    asked(file, SET_FLAGS, struct.pack("<Q", flags))
            # A file of another project would not count against this one's quota.
            try:
                attributes = bytearray(fcntl.ioctl(file, GET_ATTRIBUTES, bytes(28)))
            except OSError:
                attributes = bytearray(28)
            struct.pack_into("<I", attributes, 12, 4242)
            probe.observe(f"project in {place}", asked(file, SET_ATTRIBUTES, bytes(attributes)))
            for name, (request, argument) in REQUESTS.items():
                probe.observe(f"{name} in {place}", asked(file, request, argument))
        shutil.rmtree(place, ignore_errors=True)
        probe.observe(f"remove {place}", os.path.exists(place), "cannot be removed")
