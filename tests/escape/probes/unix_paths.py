# tries: to find and reach unix sockets by path: the runner's, those of container engines, buses and agents
# must observe: none is there, none answers
import os
import socket
import stat

from probe import Probe
from told import needed, several_backwards

KNOWN = ("/run/docker.sock", "/var/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock", "/run/crio/crio.sock",
         "/run/dbus/system_bus_socket", "/run/systemd/private", "/run/systemd/notify", "/run/systemd/journal/socket", "/run/udev/control",
         "/run/snapd.socket", "/run/libvirt/libvirt-sock", "/run/acpid.socket", "/run/nscd/socket", "/dev/log", "/tmp/.X11-unix/X0",
         "/var/run/postgresql/.s.PGSQL.5432", "/run/lxd.socket", "/var/lib/kubelet/pod-resources/kubelet.sock", "/run/buildkit/buildkitd.sock")


def reached(path):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        with socket.socket(socket.AF_UNIX, kind) as tried:
            tried.settimeout(2)
            try:
                tried.connect(path)
                return True
            except OSError:
                continue
    return False


with Probe() as probe:
    for path in needed(probe, "HOST_SOCKETS", several_backwards):
        probe.observe(path, os.path.exists(path), "is there")
        probe.observe(f"{path} answers", reached(path))
    if probe.escapes:
        # This is the host. Others listen there, who have nothing to do with it.
        probe.end()
    for path in KNOWN:
        probe.observe(path, os.path.exists(path), "is there")
        probe.observe(f"{path} answers", reached(path))
    for variable in ("SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "DOCKER_HOST", "NOTIFY_SOCKET", "GPG_AGENT_INFO", "XDG_RUNTIME_DIR"):
        probe.observe(variable, os.environ.get(variable), os.environ.get(variable))
    for top in ("/run", "/tmp", "/var", "/dev", "/opt", "/srv", "/mnt", "/home", "/outwork", "/etc"):
        for folder, _, files in os.walk(top):
            for file in files:
                path = os.path.join(folder, file)
                try:
                    found = stat.S_ISSOCK(os.lstat(path).st_mode)
                except OSError:
                    continue
                probe.observe(path, found and reached(path), "a socket that answers")
