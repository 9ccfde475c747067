# tries: mknod of devices that reach memory, disks, terminals and drivers, in every place that can be written; the overlay's whiteout
# must observe: no node is made, or none that opens
import os
import shutil
import stat

from around import opens, writable_places
from probe import Probe

CHARACTER = {"mem": (1, 1), "port": (1, 4), "kmsg": (1, 11), "null": (1, 3), "tty0": (4, 0), "console": (5, 1), "ptmx": (5, 2),
             "fuse": (10, 229), "kvm": (10, 232), "loop-control": (10, 237), "tun": (10, 200), "vhost-net": (10, 238), "vfio": (10, 196),
             "sg0": (21, 0), "uhid": (10, 239), "userfaultfd": (10, 126), "whiteout": (0, 0)}
BLOCK = {"ram0": (1, 0), "loop0": (7, 0), "sda": (8, 0), "md0": (9, 0), "dm-0": (253, 0), "vda": (254, 0), "nvme": (259, 0)}

with Probe() as probe:
    for place in writable_places():
        for kind, devices in ((stat.S_IFCHR, CHARACTER), (stat.S_IFBLK, BLOCK)):
            for name, numbers in devices.items():
                path = os.path.join(place, name)
                try:
                    os.mknod(path, kind | 0o666, os.makedev(*numbers))
                except OSError:
                    probe.observe(path, False)
                    continue
                opened = opens(path, os.O_RDONLY) or opens(path, os.O_RDWR)
                probe.observe(path, True, "made, and it opens" if opened else "made, but it does not open")
        shutil.rmtree(place, ignore_errors=True)
