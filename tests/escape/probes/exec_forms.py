# tries: to execute from memory, by descriptor, from a deleted file, by links in /proc, and as process 1's program
# must observe: what runs so has no right, no_new_privs and the filter like everything else
import ctypes
import os

from kernel import call, in_child, status
from probe import Probe

AT_EMPTY_PATH = 0x1000
EXPECTED = {"CapEff": "0000000000000000", "CapBnd": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2"}


def output_of(execute):
    """What `cat /proc/self/status` printed when it was started that way."""

    def start():
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.dup2(writing, 1)
            execute()
            os._exit(9)
        os.close(writing)
        with os.fdopen(reading) as file:
            text = file.read()
        os.wait()
        return text

    return in_child(start).value or ""


def array(*words):
    return (ctypes.c_char_p * (len(words) + 1))(*words, None)


with Probe() as probe:
    with open("/bin/cat", "rb") as file:
        program = file.read()
    arguments = array(b"cat", b"/proc/self/status")

    def in_memory(flags):
        memory = os.memfd_create("escape", flags)
        os.write(memory, program)
        return memory

    def by_descriptor(descriptor):
        call("execveat", descriptor, ctypes.c_char_p(b""), arguments, array(), AT_EMPTY_PATH)

    def deleted():
        path = f"/tmp/.escape-{os.getpid()}"
        with open(path, "wb") as copy:
            copy.write(program)
        os.chmod(path, 0o6755)
        descriptor = os.open(path, os.O_RDONLY)
        os.unlink(path)
        os.execve(f"/proc/self/fd/{descriptor}", ["cat", "/proc/self/status"], {})

    def set_uid_memory():
        memory = in_memory(0)
        os.fchmod(memory, 0o6755)
        by_descriptor(memory)

    forms = {
        "memory": lambda: by_descriptor(in_memory(0)),
        "memory by its link": lambda: os.execve(f"/proc/self/fd/{in_memory(0)}", ["cat", "/proc/self/status"], {}),
        "memory with set-id bits": set_uid_memory,
        "a descriptor": lambda: by_descriptor(os.open("/bin/cat", os.O_PATH)),
        "a deleted file with set-id bits": deleted,
        "the loader": lambda: os.execv("/lib64/ld-linux-x86-64.so.2", ["ld", "/bin/cat", "/proc/self/status"]),
    }
    own = status()
    for name, execute in forms.items():
        text = output_of(execute)
        told = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        if not told:
            probe.observe(name, False, "does not start")
            continue
        for field, value in EXPECTED.items():
            # Of anybody: some kernels do not tell.
            if field in own:
                probe.observe(f"{name}: {field}", told.get(field) != value, told.get(field))
        probe.observe(f"{name}: ids", told["Uid"].split() != [str(os.getuid())] * 4, told["Uid"])

    probe.observe("process 1's program", os.access("/proc/1/exe", os.X_OK), "can be executed")
