# tries: to open every file below /proc/sys, and the other switches of the kernel, for writing
# must observe: none opens
import os

from around import opens, takes
from kernel import in_child
from probe import Probe

SWITCHES = ("sysrq-trigger", "acpi/wakeup", "mtrr", "fs/nfsd", "irq/default_smp_affinity", "scsi/scsi", "dynamic_debug/control",
            "timer_stats", "driver/rtc", "ide", "latency_stats", "lock_stat")
NAMED = ("kernel/core_pattern", "kernel/modprobe", "kernel/hotplug", "kernel/poweroff_cmd", "kernel/hostname", "kernel/domainname",
         "kernel/ns_last_pid", "kernel/shmmax", "kernel/yama/ptrace_scope", "kernel/randomize_va_space", "kernel/usermodehelper/bset",
         "vm/overcommit_memory", "vm/drop_caches", "vm/panic_on_oom", "fs/binfmt_misc/register", "fs/suid_dumpable",
         "fs/protected_hardlinks", "fs/mqueue/msg_max", "net/ipv4/ip_forward", "net/ipv4/ping_group_range", "user/max_user_namespaces")
# Anybody may open these; what counts is what they take.
OWN = {"uid_map": b"0 0 1", "gid_map": b"0 0 1", "setgroups": b"allow", "loginuid": b"0"}

with Probe() as probe:
    for name in SWITCHES:
        probe.observe(f"/proc/{name}", opens(f"/proc/{name}", os.O_WRONLY), "opens for writing")
    for name, content in OWN.items():
        probe.observe(f"/proc/self/{name}", in_child(lambda name=name, content=content: takes(f"/proc/self/{name}", content)).value == "True")
    for name in NAMED:
        probe.observe(f"/proc/sys/{name}", opens(f"/proc/sys/{name}", os.O_WRONLY), "opens for writing")
    for top in ("/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/driver", "/proc/tty", "/proc/acpi"):
        for folder, _, files in os.walk(top):
            for file in files:
                path = os.path.join(folder, file)
                probe.observe(path, opens(path, os.O_WRONLY), "opens for writing")
            probe.observe(folder, os.access(folder, os.W_OK) and os.stat(folder).st_uid == os.getuid(), "a folder of ours")
