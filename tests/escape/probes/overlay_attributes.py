# tries: to forge the attributes by which overlays redirect, hide and delete, and those that the kernel trusts
# must observe: trusted and security attributes are refused; a forged one changes nothing, now or in the next layer
import os
import shutil
import tempfile

from probe import Probe

NAMES = ("opaque", "redirect", "origin", "metacopy", "upper", "whiteout", "whiteouts", "nlink", "impure", "protattr", "uuid", "verity")
TRUSTED = ("trusted.escape", "security.capability", "security.ima", "security.evm", "system.posix_acl_access")


def sets(path, name, value):
    try:
        os.setxattr(path, name, value)
        return True
    except OSError:
        return False


with Probe() as probe:
    for place in (os.getcwd(), os.path.expanduser("~"), "/tmp"):
        folder = tempfile.mkdtemp(prefix=".escape-", dir=place)
        file = os.path.join(folder, "file")
        with open(file, "w", encoding="ascii") as made:
            made.write("own")
        for name in NAMES:
            for target in (folder, file):
                probe.observe(f"trusted.overlay.{name}", sets(target, f"trusted.overlay.{name}", b"y"), target)
                # Inside an overlay the kernel keeps these away from its own; what counts is that nothing follows them.
                for value in (b"y", b"/etc", b"../../../../../etc", b"/"):
                    sets(target, f"user.overlay.{name}", value)
                    sets(target, f"user.overlay.overlay.{name}", value)
        for name in TRUSTED:
            probe.observe(name, sets(file, name, b"\x01\0\0\x02" + bytes(16)), f"set in {place}")
        probe.observe(f"folder in {place}", os.listdir(folder) != ["file"], f"lists {os.listdir(folder)[:5]}")
        with open(file, encoding="ascii") as made:
            probe.observe(f"file in {place}", made.read() != "own", "another content")
        for name, arguments in {"char": 0o020000, "block": 0o060000}.items():
            try:
                os.mknod(os.path.join(folder, name), arguments | 0o666, 0)
                probe.observe(f"whiteout as {name}", True, "made")
            except OSError:
                probe.observe(f"whiteout as {name}", False)
        for name in (".wh.file", ".wh..wh..opq"):
            # Archives of images delete by these names; here they are files like any other.
            with open(os.path.join(folder, name), "w", encoding="ascii"):
                pass
            probe.observe(name, not os.path.exists(file), "deleted its neighbour")
            os.unlink(os.path.join(folder, name))
        shutil.rmtree(folder)
