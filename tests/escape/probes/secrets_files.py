# tries: to read the runner's canaries, planted in root's home, /tmp, /var/tmp, /run, the data directory and setup's secret, and any file like a credential
# must observe: no file with the canary, no home of another user, no data directory, no key or token
import os
import re
import stat
import time

from around import read
from probe import Probe
from told import backwards, needed, several_backwards

CLOSED = ("/root", "/var/lib/outwork", "/var/lib/docker", "/var/lib/kubelet", "/var/run/secrets", "/run/secrets", "/etc/shadow", "/etc/gshadow",
          "/etc/sudoers", "/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_rsa_key", "/etc/krb5.keytab", "/etc/machine-id", "/var/lib/dbus/machine-id",
          "/boot", "/var/log", "/var/backups", "/var/spool", "/lost+found", "/etc/kubernetes", "/etc/wireguard", "/proc/1/environ", "/.dockerenv",
          "/run/.containerenv", "/var/lib/cloud", "/etc/netplan", "/etc/NetworkManager")
CREDENTIAL = re.compile(r"^(id_(rsa|ed25519|ecdsa)|\.netrc|\.pgpass|\.git-credentials|credentials(\.json|\.db)?|.*\.token|secret\.key|.*\.kdbx|\.npmrc|\.pypirc|auth\.json|kubeconfig)$")
PATIENCE_S, LARGEST = 15, 1 << 20
SKIPPED = ("/proc", "/sys", "/dev")


def list_or_nothing(folder):
    try:
        return os.listdir(folder)
    except OSError:
        return []


def files(top, end):
    for folder, names, entries in os.walk(top):
        names[:] = [name for name in names if os.path.join(folder, name) not in SKIPPED]
        for entry in entries:
            if time.monotonic() > end:
                return
            yield os.path.join(folder, entry)


with Probe() as probe:
    canary = needed(probe, "CANARY", backwards).encode()
    for path in needed(probe, "HOST_PATHS", several_backwards):
        probe.observe(path, os.path.exists(path), "is there")
    for path in CLOSED:
        content = list_or_nothing(path) if os.path.isdir(path) else read(path, 64)
        probe.observe(path, content, "can be read")
    homes = [name for name in os.listdir("/home") if f"/home/{name}" != os.path.expanduser("~")] if os.path.isdir("/home") else []
    probe.observe("/home", homes, f"lists {homes}")
    end, seen = time.monotonic() + PATIENCE_S, set()
    # What is the attempt's own first, then all the rest as far as time allows.
    for top in (os.getcwd(), os.path.expanduser("~"), "/tmp", "/dev/shm", "/run", "/etc", "/opt", "/var", "/srv", "/mnt", "/outwork", "/usr/local", "/usr", "/"):
        for path in files(top, end):
            try:
                status = os.lstat(path)
                if (status.st_dev, status.st_ino) in seen or not stat.S_ISREG(status.st_mode):
                    continue
                seen.add((status.st_dev, status.st_ino))
                if CREDENTIAL.match(os.path.basename(path)):
                    example = path.startswith("/usr/") or "/node_modules/" in path
                    probe.observe(path, not example and os.access(path, os.R_OK), "looks like a credential and can be read")
                if status.st_size <= LARGEST:
                    with open(path, "rb") as file:
                        found = canary in file.read()
                    probe.observe(path, found, "has the canary")
                    if found:
                        # One is enough to know; the rest of the disk may be large.
                        probe.end()
            except OSError:
                continue
