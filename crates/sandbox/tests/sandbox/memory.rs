//! However memory is taken, all together stays near the limit, and who took it is named.

use outwork_sandbox::{Consequence, ExitStatus, LimitKind};
use tokio::sync::Mutex;

use crate::harness::python;
use crate::limited::{By, Ended, each};

const LIMIT_MIB: u64 = 192;

/// `bomb` calls `took()` for each MiB.
fn script(bomb: &str) -> String {
    format!(
        "
import ctypes, mmap, os, signal, sys, threading, time
LIMIT = {LIMIT_MIB}
MIB = 1 << 20
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
BLOCK = os.urandom(MIB)
def took(): os.write(1, b'.')
def touch(m, n): m[n * MIB:(n + 1) * MIB] = BLOCK
def fill(m, most):
    for n in range(most): touch(m, n); took()
def grow(most):
    held = []
    try:
        for n in range(most):
            held.append(mmap.mmap(-1, MIB, flags=mmap.MAP_PRIVATE)); touch(held[-1], 0); took()
    except OSError: time.sleep(60)
    return held
def child(f):
    pid = os.fork()
    if pid == 0:
        f(); os._exit(0)
    return pid
{bomb}
"
    )
}

/// Of machine-wide shared memory nobody can say whose it is: one of these at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

async fn run(by: By, bomb: &str) -> Ended {
    let _alone = ALONE.lock().await;
    let mut spec = python(&script(bomb));
    spec.limits.memory_bytes = Some(LIMIT_MIB << 20);
    by.run(&spec).await
}

/// At most a quarter more than the limit was taken, and it was said. What tests beside this one take can end it early where
/// it hides what it takes.
fn assert_stopped(by: By, what: &str, ended: &Ended) {
    let taken = ended.stdout.matches('.').count() as u64;
    assert!(
        (LIMIT_MIB / 8..LIMIT_MIB * 5 / 4).contains(&taken),
        "{by:?} {what}: {taken} MiB: {ended:?}"
    );
    let hit = ended
        .hits
        .first()
        .unwrap_or_else(|| panic!("{by:?}: {ended:?}"));
    assert_eq!(
        (hit.kind, hit.limit),
        (LimitKind::Memory, LIMIT_MIB << 20),
        "{by:?}"
    );
}

#[tokio::test]
async fn one_process() {
    for by in each() {
        let ended = run(by, "grow(2 * LIMIT)").await;
        assert_stopped(by, "anonymous", &ended);
        assert_eq!(ended.status, ExitStatus::Signal(9), "{by:?}");
        let hit = ended.hit.unwrap();
        assert_eq!(hit.command.as_deref(), Some("python3"), "{by:?}");
        assert_eq!(hit.consequence, Consequence::ProcessKilled, "{by:?}");
    }
}

/// The command lives on and can tell; a shell's code for a killed child counts as an end by the limit.
#[tokio::test]
async fn a_child_that_takes_too_much_is_killed_alone() {
    for by in each() {
        let ended = run(
            by,
            "
def bomb():
    libc.prctl(15, b'npm test', 0, 0, 0)
    grow(2 * LIMIT)
print(os.waitpid(child(bomb), 0)[1], flush=True)
sys.exit(137)",
        )
        .await;
        assert_stopped(by, "anonymous", &ended);
        assert!(ended.stdout.ends_with("9\n"), "{by:?}: {ended:?}");
        let hit = ended
            .hit
            .unwrap_or_else(|| panic!("{by:?}: {:?}", ended.hits));
        assert_eq!(hit.command.as_deref(), Some("npm test"), "{by:?}");
    }
}

#[tokio::test]
async fn four_processes() {
    for by in each() {
        let ended = run(
            by,
            "
def bomb():
    held = grow(LIMIT // 2)
    time.sleep(60)
pids = [child(bomb) for _ in range(4)]
killed = os.wait()[0]
for pid in pids:
    if pid != killed: os.kill(pid, signal.SIGKILL)",
        )
        .await;
        // Those that were killed had taken theirs before.
        let taken = ended.stdout.matches('.').count() as u64;
        assert!(taken < LIMIT_MIB * 2, "{by:?}: {taken}");
        assert_eq!(ended.hits[0].kind, LimitKind::Memory, "{by:?}");
        assert_eq!(ended.status, ExitStatus::Code(0), "{by:?}: {ended:?}");
    }
}

#[tokio::test]
async fn shared_memory_of_every_kind() {
    let bombs = [
        (
            "memfd, not mapped",
            "
fd = os.memfd_create('x')
for n in range(2 * LIMIT): os.write(fd, BLOCK); took()",
        ),
        (
            "memfd of a process that hides",
            "
print(libc.prctl(4, 0, 0, 0, 0))
fd = os.memfd_create('x')
for n in range(2 * LIMIT): os.write(fd, BLOCK); took()",
        ),
        (
            "memfd, mapped and closed",
            "
fd = os.memfd_create('x'); os.ftruncate(fd, 2 * LIMIT * MIB)
m = mmap.mmap(fd, 2 * LIMIT * MIB); os.close(fd)
fill(m, 2 * LIMIT)",
        ),
        (
            "shared and without a name",
            "fill(mmap.mmap(-1, 2 * LIMIT * MIB), 2 * LIMIT)",
        ),
        (
            "System V",
            "
for n in range(2 * LIMIT):
    at = libc.shmat(libc.shmget(0, MIB, 0o1600), 0, 0)
    ctypes.memmove(at, BLOCK, MIB); libc.shmdt(ctypes.c_void_p(at)); took()",
        ),
    ];
    for by in each() {
        for (what, bomb) in bombs {
            let ended = run(by, bomb).await;
            assert!(ended.hit.is_some(), "{by:?} {what}: {ended:?}");
            assert_stopped(by, what, &ended);
        }
    }
}

/// Held by no process while it waits in a socket. By watching it is found out only by what the whole machine has, in which
/// tests beside this one take and give back: later, but surely.
#[tokio::test]
async fn shared_memory_that_is_sent_and_not_received() {
    for by in each() {
        let ended = run(
            by,
            "
import socket
a, b = socket.socketpair()
for n in range(10 * LIMIT):
    fd = os.memfd_create('x'); os.write(fd, BLOCK); took()
    socket.send_fds(a, [b'x'], [fd]); os.close(fd)
    if n % (LIMIT // 8) == 0: time.sleep(0.1)",
        )
        .await;
        let hit = ended
            .hit
            .as_ref()
            .unwrap_or_else(|| panic!("{by:?}: {ended:?}"));
        assert_eq!(hit.kind, LimitKind::Memory, "{by:?}");
    }
}

/// Each memory file system is full before the limit; all of them and a process are not.
#[tokio::test]
async fn memory_file_systems() {
    for by in each() {
        let ended = run(
            by,
            "
for path in ('/tmp/f', '/dev/shm/f'):
    try:
        with open(path, 'wb', buffering=0) as f:
            for n in range(LIMIT):
                if f.write(BLOCK) != MIB: raise OSError(28, 'full')
                took()
            print('not full')
    except OSError as e: print(e.errno, flush=True)
# Ended by the limit; if there were none, by this.
signal.alarm(10); signal.pause()",
        )
        .await;
        let taken = ended.stdout.matches('.').count() as u64;
        assert!(taken <= LIMIT_MIB, "{by:?}: {ended:?}");
        assert!(!ended.stdout.contains("not full"), "{by:?}: {ended:?}");
        // With what Python takes it is too much together, and no process is to blame.
        assert!(ended.hit.is_some(), "{by:?}: {ended:?}");
    }
}

/// The first thread can end, and what is left shows elsewhere.
#[tokio::test]
async fn a_process_without_its_first_thread() {
    for by in each() {
        let ended = run(
            by,
            "
def bomb(): grow(2 * LIMIT)
threading.Thread(target=bomb).start()
libc.syscall(93 if os.uname().machine == 'aarch64' else 60, 0)",
        )
        .await;
        assert_stopped(by, "threads", &ended);
    }
}

/// What looks like more than the limit but is not: pages shared after a fork, mapped by many, or of a process that is
/// about to become another program.
#[tokio::test]
async fn shared_pages_count_once() {
    for by in each() {
        let ended = run(
            by,
            "
import subprocess
own = mmap.mmap(-1, LIMIT * MIB // 2, flags=mmap.MAP_PRIVATE)
for n in range(LIMIT // 3): touch(own, n)
shared = mmap.mmap(-1, LIMIT * MIB // 4)
for n in range(LIMIT // 4): touch(shared, n)
r, w = os.pipe()
def look(): bytes(shared[:1]); sum(shared[n * 4096] for n in range(LIMIT * 64)); os.write(w, b'x'); signal.pause()
pids = [child(look) for _ in range(3)]
for _ in pids: os.read(r, 1)
for _ in range(60): subprocess.run(['true'], check=True)
for pid in pids: os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
print('fine')",
        )
        .await;
        assert_eq!(ended.stdout, "fine\n", "{by:?}: {ended:?}");
        assert_eq!((ended.hit, ended.hits), (None, vec![]), "{by:?}");
    }
}
