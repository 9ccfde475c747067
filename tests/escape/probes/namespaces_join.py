# tries: setns with every namespace file and process handle in sight; the ioctls that lead to a parent or an owner
# must observe: nothing is joined, and no namespace above this one can be opened
import fcntl
import os

from around import processes
from kernel import call, call_in_child
from probe import Probe

NS_GET_USERNS, NS_GET_PARENT, NS_GET_OWNER_UID = 0xB701, 0xB702, 0xB704
EVERY = 0x7E020080

with Probe() as probe:
    for process in processes():
        folder = f"/proc/{process}/ns"
        try:
            names = os.listdir(folder)
        except OSError:
            probe.observe(folder, False)
            continue
        for name in names:
            try:
                handle = os.open(f"{folder}/{name}", os.O_RDONLY)
            except OSError:
                probe.observe(f"{folder}/{name}", False)
                continue
            probe.refused(f"setns {folder}/{name}", call_in_child("setns", handle, 0))
            for what, request in (("owner", NS_GET_USERNS), ("parent", NS_GET_PARENT)):
                if what == "parent" and name not in ("user", "pid"):
                    continue
                try:
                    above = fcntl.ioctl(handle, request)
                except OSError:
                    probe.observe(f"{what} of {name}", False)
                    continue
                # Its own user namespace owns the others; that is no way up.
                own = os.stat("/proc/self/ns/user").st_ino
                probe.observe(f"{what} of {name}", os.fstat(above).st_ino != own, "a namespace outside can be opened")
                os.close(above)
            os.close(handle)
        handle = call("pidfd_open", process, 0)
        if handle.error is None:
            probe.refused(f"setns by handle of {process}", call_in_child("setns", handle.value, EVERY))
            os.close(handle.value)
    probe.refused("setns of nothing", call_in_child("setns", -1, 0))
