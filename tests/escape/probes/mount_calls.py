# tries: to mount, bind, move, remount and unmount by the old and the new calls; pivot_root, chroot
# must observe: each is refused before it looks at its arguments
import os
import tempfile
from ctypes import c_char_p, create_string_buffer

from around import mounts
from kernel import call_in_child
from probe import Probe

AT_FDCWD = -100
TYPES = ("tmpfs proc sysfs cgroup cgroup2 devtmpfs devpts overlay bpf debugfs tracefs securityfs mqueue ramfs fuse fuseblk "
         "ext4 btrfs xfs vfat iso9660 squashfs erofs nfs 9p virtiofs configfs pstore efivarfs binfmt_misc hugetlbfs").split()
FLAGS = {
    "bind": 0x1000, "recursive bind": 0x5000, "remount writable": 0x20, "remount bind writable": 0x1020,
    "move": 0x2000, "shared": 1 << 20, "private": 1 << 18, "unbindable": 1 << 17,
}

with Probe() as probe:
    place = tempfile.mkdtemp(prefix=".escape-", dir=os.getcwd()).encode()
    for kind in TYPES:
        probe.refused(f"mount {kind}", call_in_child("mount", c_char_p(b"none"), c_char_p(place), c_char_p(kind.encode()), 0, None))
    for what, flags in FLAGS.items():
        for source in (b"/", b"/proc", b"/dev"):
            result = call_in_child("mount", c_char_p(source), c_char_p(place if flags in (0x1000, 0x5000, 0x2000) else source), None, flags, None)
            probe.refused(f"{what} {source.decode()}", result)
    for point, *_ in mounts():
        for flags in (0, 2, 8):
            probe.refused(f"umount2 {point}", call_in_child("umount2", c_char_p(os.fsencode(point)), flags))
    probe.refused("fsopen", call_in_child("fsopen", c_char_p(b"tmpfs"), 0))
    probe.refused("fspick", call_in_child("fspick", AT_FDCWD, c_char_p(b"/"), 0))
    probe.refused("fsconfig", call_in_child("fsconfig", -1, 6, None, None, 0))
    probe.refused("fsmount", call_in_child("fsmount", -1, 0, 0))
    probe.refused("open_tree", call_in_child("open_tree", AT_FDCWD, c_char_p(b"/"), 1))
    probe.refused("open_tree_attr", call_in_child("open_tree_attr", AT_FDCWD, c_char_p(b"/"), 1, None, 0))
    probe.refused("move_mount", call_in_child("move_mount", AT_FDCWD, c_char_p(b"/proc"), AT_FDCWD, c_char_p(place), 0))
    attributes = create_string_buffer(32)
    probe.refused("mount_setattr", call_in_child("mount_setattr", AT_FDCWD, c_char_p(b"/"), 0x8000, attributes, 32))
    probe.refused("pivot_root", call_in_child("pivot_root", c_char_p(place), c_char_p(place)))
    probe.refused("chroot", call_in_child("chroot", c_char_p(place)))
    os.rmdir(place)
