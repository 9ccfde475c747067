# tries: every device that is there, and by name those that lead out
# must observe: null, zero, full, random, urandom, tty and private terminals, and nothing else anywhere
import os
import stat

from around import opens
from probe import Probe

# By number, because a name can lie.
HARMLESS = {(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)}
TERMINAL = range(136, 144)
NAMES = ("mem kmem port kmsg kvm fuse loop0 loop-control console tty0 tty1 ttyS0 vcs vcsa hpet rtc0 nvram net/tun vhost-net vhost-vsock "
         "vsock vfio/vfio uinput uhid userfaultfd btrfs-control mapper/control dm-0 sda vda nvme0n1 sg0 snapshot autofs cuse ppp rfkill "
         "input/event0 dri/card0 dri/renderD128 snd/seq watchdog hwrng tpm0 tpmrm0 mqueue hugepages dma_heap/system udmabuf sev sgx_enclave "
         "ptp0 gpiochip0 i2c-0 mcelog cpu/0/msr cpu/0/cpuid cpu_dma_latency binder ashmem ion nvidia0 nvidiactl kfd").split()

with Probe() as probe:
    for name in NAMES:
        path = f"/dev/{name}"
        is_folder = os.path.isdir(path)
        probe.observe(path, not is_folder and opens(path, os.O_RDONLY), "opens")
        probe.observe(f"{path} for writing", not is_folder and opens(path, os.O_WRONLY), "opens")
    for top in ("/dev", "/run", "/tmp", "/var", "/opt", os.getcwd()):
        for folder, _, files in os.walk(top):
            for file in files:
                path = os.path.join(folder, file)
                try:
                    found = os.lstat(path)
                except OSError:
                    continue
                if stat.S_ISBLK(found.st_mode):
                    probe.observe(path, True, "a block device")
                elif stat.S_ISCHR(found.st_mode):
                    major, minor = os.major(found.st_rdev), os.minor(found.st_rdev)
                    known = (major, minor) in HARMLESS or major in TERMINAL
                    probe.observe(path, not known, f"device {major}:{minor}")
    for path in ("/dev/fd", "/dev/stdin"):
        target = os.path.realpath(path) if os.path.exists(path) else "/proc/"
        probe.observe(path, not target.startswith(("/proc/", "/dev/", "/tmp/")), target)
