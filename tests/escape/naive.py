"""What a machine without a sandbox has around a process: services that answer everybody, and canaries.

The suite checks itself with it: probes that run here, in namespaces made for the purpose, must tell of an escape. Prints the
lines of the probes named on its command line.
"""

import os
import socket
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
CANARY = "naive-canary-4711"
KEY = "naive-key-0815"
WORD = "naive-word-1234"
PROXY, GATEWAY, LISTENER = 47101, 47100, 41999
LIMITS = {"MEMORY_MB": 48, "DISK_MB": 16, "PROCESSES": 40, "INODES": 1000, "OPEN_FILES": 64, "CPUS": 0.1, "LOG_MB": 1}


def serve(port, answer):
    """Gives everybody the same answer, in a tunnel, too."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    made.listen(64)

    def talk(stream):
        try:
            tunnel = True
            while tunnel and (request := stream.recv(65536)):
                stream.sendall(answer)
                tunnel = request.startswith(b"CONNECT ")
        except OSError:
            pass
        stream.close()

    def accept():
        while True:
            stream, _ = made.accept()
            threading.Thread(target=talk, args=(stream,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def unix(name):
    made = socket.socket(socket.AF_UNIX)
    made.bind(name)
    made.listen(64)
    return made


def segment():
    done = subprocess.run(["ipcmk", "--shmem", "64"], capture_output=True, text=True, check=True)
    return done.stdout.split()[-1]


def variables(scratch):
    host_paths = f"{scratch}/data"
    given = {
        "SANDBOX": "naive", "WORKER_UID": "0", "CANARY": CANARY[::-1], "HOST_PATHS": host_paths[::-1], "HOST_NAME": os.uname().nodename[::-1],
        "HOST_PORTS": str(LISTENER), "HOST_ABSTRACT": "escape-naive"[::-1], "HOST_SOCKETS": f"{scratch}/socket"[::-1], "HOST_SHM": segment(),
        "MODEL": "1", "MODEL_UNSEEN": KEY[::-1], "MODEL_WORD": WORD[::-1], "PROXY": "1", "PROXY_ALLOWED": "control.invalid:443", "PROXY_WORD": WORD[::-1],
        "NEIGHBOUR": "1", "HOLD": "3", **{name: str(value) for name, value in LIMITS.items()},
    }
    return {**os.environ, **{f"ESCAPE_{name}": value for name, value in given.items()}, "https_proxy": f"http://127.0.0.1:{PROXY}",
            "WORKER_TOKEN": CANARY, "HOME": scratch, "OUTWORK_ATTEMPT": "1"}


def private_memory():
    """What probes leave in shared places goes with the namespace. This suite may lie below /tmp itself."""
    above = os.path.dirname(HERE)
    kept, here = os.open(above, os.O_PATH), os.getcwd()
    for place in ("/tmp", "/var/tmp", "/dev/shm"):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", place], check=True)
    if not os.path.exists(HERE):
        os.makedirs(above, exist_ok=True)
        subprocess.run(["mount", "--no-canonicalize", "--bind", f"/proc/{os.getpid()}/fd/{kept}", above], check=True)
    os.close(kept)
    os.chdir(here)


def main():
    scratch = os.getcwd()
    private_memory()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # Every address is this namespace's own, so that packets go somewhere and nowhere else.
    for version in ("-4", "-6"):
        subprocess.run(["ip", version, "route", "add", "local", "default", "dev", "lo"], check=True)
    os.makedirs("data", exist_ok=True)
    with open("canary", "w", encoding="ascii") as file:
        file.write(CANARY)
    body = f"HTTP/1.1 200 OK\r\nContent-Length: {len(WORD) + len(KEY)}\r\n\r\n{WORD}{KEY}".encode()
    for port in (PROXY, GATEWAY, LISTENER):
        serve(port, body)
    kept = [unix("\0escape-naive"), unix(f"{scratch}/socket")]
    environment = variables(scratch)
    run = [sys.executable, f"{HERE}/run.py"]
    for name in sys.argv[1:]:
        others = []
        if name == "neighbour":
            second = {**environment, "OUTWORK_ATTEMPT": "2"}
            others = [subprocess.Popen([*run, name], env=second, stdout=subprocess.DEVNULL)]
        subprocess.run([*run, name], env=environment, check=False)
        for other in others:
            other.wait()
    for made in kept:
        made.close()


if __name__ == "__main__":
    main()
