# tries: open_by_handle_at with the root of each file system and with guessed inodes; fanotify; listing mounts by number
# must observe: EPERM or ENOSYS; nothing opens by its handle
import ctypes
import os
import struct
from ctypes import c_char_p, create_string_buffer

from around import mounts
from kernel import call
from probe import Probe

AT_FDCWD = -100

with Probe() as probe:
    place = create_string_buffer(struct.pack("<Ii", 64, 0) + bytes(64))
    number = ctypes.c_int()
    probe.refused("name_to_handle_at", call("name_to_handle_at", AT_FDCWD, c_char_p(b"/"), place, ctypes.byref(number), 0))
    for point, *_ in mounts():
        try:
            folder = os.open(point, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            continue
        # Inode 2 is the root of ext4, 128 of xfs, 256 of btrfs, 1 of tmpfs; generation 0 or unknown.
        for inode in (1, 2, 128, 256):
            for kind, length in ((1, 8), (0x81, 12), (0x4D, 40)):
                handle = create_string_buffer(struct.pack("<Ii", length, kind) + struct.pack("<QI", inode, 0).ljust(length, b"\0"))
                probe.refused(f"inode {inode} of {point}", call("open_by_handle_at", folder, handle, os.O_RDONLY))
        os.close(folder)
    for flags in (0, 4, 8, 0x200):
        probe.refused(f"fanotify_init {flags:#x}", call("fanotify_init", flags, os.O_RDONLY))
    probe.refused("fanotify_mark", call("fanotify_mark", -1, 1, 1, AT_FDCWD, c_char_p(b"/")))
