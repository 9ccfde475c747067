# tries: to rename, remove, replace and cover what is mounted, and to find a mount with more rights than it should have
# must observe: mount points stay where they are; all are nosuid, those that could hold devices nodev; what is read-only stays so
import os

from around import in_own_layer, mounts, opens
from probe import Probe

OURS = ("/proc", "/dev", "/outwork")


def worked(change, *paths):
    try:
        change(*paths)
    except OSError:
        return False
    return True


with Probe() as probe:
    points = mounts()
    for point, options, _, kind, *_ in points:
        # What covers a file in /proc is the null device or an empty folder, for ever.
        is_mask = point.startswith("/proc/") and "ro" in options
        probe.observe(f"{point} nosuid", "nosuid" not in options and not is_mask, ",".join(options))
        # Device files are bound one by one, and the kernel's own file systems have no nodes that could be made.
        has_devices = is_mask or f"{point}/".startswith("/dev/") or kind in ("proc", "devpts") or os.path.exists(point) and not os.path.isdir(point)
        probe.observe(f"{point} nodev", "nodev" not in options and not has_devices, ",".join(options))
        if point == "/" or point in (os.getcwd(), os.path.expanduser("~")):
            continue
        moved = point + ".escape"
        if worked(os.rename, point, moved):
            os.rename(moved, point)
            probe.observe(f"rename {point}", True)
        else:
            probe.observe(f"rename {point}", False)
        if os.path.isdir(point):
            probe.observe(f"rmdir {point}", worked(os.rmdir, point))
        elif point.startswith(OURS):
            probe.observe(f"unlink {point}", worked(os.unlink, point))
        if "ro" in options and os.path.isfile(point):
            probe.observe(f"write {point}", opens(point, os.O_WRONLY))
    # Through the folder that a mount point lies in, in case that can be written.
    for folder in {os.path.dirname(point) for point, *_ in points}:
        if folder in ("/", "/proc", "/dev") or folder.startswith("/outwork"):
            link = os.path.join(folder, ".escape-link")
            probe.observe(f"link in {folder}", worked(os.symlink, "/etc", link) and not in_own_layer(folder))
