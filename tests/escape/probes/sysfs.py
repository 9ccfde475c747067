# tries: to read from and write to /sys
# must observe: not there, empty, or without anything that can be written and without the kernel's debugging, firmware and cgroups
import os

from around import opens
from probe import Probe

SENSITIVE = ("kernel/debug", "kernel/tracing", "kernel/security", "kernel/btf", "kernel/kexec_loaded", "kernel/uevent_helper",
             "kernel/vmcoreinfo", "kernel/notes", "kernel/livepatch", "firmware", "fs/bpf", "fs/pstore", "fs/fuse/connections", "fs/cgroup",
             "power/state", "power/disk", "class/net", "class/block", "class/dmi", "class/tpm", "devices/virtual/dmi", "devices/platform",
             "devices/virtual/block", "module", "bus/pci", "bus/usb", "hypervisor", "block")
MOST_FILES = 20000

with Probe() as probe:
    for name in SENSITIVE:
        path = f"/sys/{name}"
        if os.path.isdir(path):
            try:
                entries = os.listdir(path)
            except OSError:
                entries = []
            probe.observe(path, entries, f"lists {entries[:4]}")
        else:
            probe.observe(path, opens(path, os.O_RDONLY), "opens")
    count = 0
    for folder, _, files in os.walk("/sys"):
        for file in files:
            count += 1
            path = os.path.join(folder, file)
            if count < MOST_FILES:
                probe.observe(path, os.access(path, os.W_OK) and opens(path, os.O_WRONLY), "opens for writing")
