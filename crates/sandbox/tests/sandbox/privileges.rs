//! What a command may not do, whatever it tries. A sample; the project's hostile suite goes further.

use outwork_sandbox::ExitStatus;

use crate::harness::{is_root, privileged, python, run, shell, stdout};

#[tokio::test]
async fn there_are_no_capabilities_and_none_can_be_had() {
    for uid in [1000, 0] {
        let mut spec = shell(
            "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status | cut -f2 | sort -u | tr '\\n' ' '",
        );
        spec.user.uid = uid;
        assert_eq!(stdout(&spec).await, "0000000000000000 1 2 ", "uid {uid}");
    }
}

#[tokio::test]
async fn nobody_inside_is_an_id_of_the_host() {
    let map = stdout(&shell("cat /proc/self/uid_map")).await;
    let numbers: Vec<u32> = map
        .split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect();
    let expected = if is_root() {
        [0, 200_000, 65_536]
    } else {
        [1000, rustix::process::geteuid().as_raw(), 1]
    };
    assert_eq!(numbers, expected);
}

#[tokio::test]
async fn the_first_process_cannot_be_read_traced_or_killed() {
    let script = "
        kill -9 1 2>/dev/null; kill -STOP 1 2>/dev/null
        for f in environ mem maps cwd/x fd/0 root/x; do (cat /proc/1/$f) >/dev/null 2>&1 && echo read $f; done
        (echo 5 > /proc/1/oom_score_adj) 2>/dev/null && echo adjusted
        grep -c . /proc/1/status > /dev/null && echo alive";
    assert_eq!(stdout(&shell(script)).await, "alive\n");
    assert_eq!(stdout(&privileged(shell(script))).await, "alive\n");
}

#[tokio::test]
async fn switches_of_the_host_do_not_open() {
    let script = "
        for f in /proc/sysrq-trigger /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/vm/overcommit_memory \
            /proc/sys/net/ipv4/ip_forward /proc/irq/default_smp_affinity; do
            [ -L $f ] || [ $(stat -c %t:%T $f 2>/dev/null || echo none) = 1:3 ] || (: >> $f) 2>/dev/null && [ $(stat -c %t:%T $f) != 1:3 ] && echo $f
        done; [ $(head -c 16 /proc/kallsyms | wc -c) = 0 ] && [ $(wc -c < /proc/keys) = 0 ] && echo masked";
    assert_eq!(stdout(&shell(script)).await, "masked\n");
    assert_eq!(stdout(&privileged(shell(script))).await, "masked\n");
}

#[tokio::test]
async fn the_kernel_ends_the_sandbox_before_the_worker() {
    let inside = stdout(&shell("cat /proc/self/oom_score_adj")).await;
    let inside: i32 = inside.trim().parse().unwrap();
    let own = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    let own: i32 = own.trim().parse().unwrap();
    assert!(
        inside >= 500 && inside >= own,
        "{inside} inside, {own} here"
    );
}

#[tokio::test]
async fn set_uid_programs_gain_nothing() {
    let script = "cp /usr/bin/id /tmp/id && chmod 4755 /tmp/id && /tmp/id -u; grep -E ' (/usr|/tmp|/dev/shm) ' /proc/self/mounts | grep -vc nosuid";
    assert_eq!(run(&shell(script)).await.stdout, "1000\n0\n");
}

/// Numbers are of x86_64 and aarch64 alike where the C library has the call; the rest by name of the C library.
#[tokio::test]
async fn refused_calls_do_not_reach_the_kernel() {
    let script = "
import ctypes, errno, socket, platform
libc = ctypes.CDLL(None, use_errno=True)
def name(result): return 'OK' if result >= 0 else errno.errorcode[ctypes.get_errno()]
print(name(libc.unshare(0x10000000)), name(libc.setns(0, 0)), name(libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)),
      name(libc.umount2(b'/tmp', 2)), name(libc.chroot(b'/tmp')), name(libc.ptrace(0, 0, 0, 0)))
x86 = platform.machine() == 'x86_64'
numbers = dict(bpf=321, perf=298, keyctl=250, userfaultfd=323, open_by_handle=304) if x86 else dict(bpf=280, perf=241, keyctl=219, userfaultfd=282, open_by_handle=265)
numbers.update(io_uring=425)
print({name(libc.syscall(n, 0, 0, 0, 0, 0)) for n in numbers.values()}, {name(libc.syscall(n, 0, 0, 0, 0, 0)) for n in (428, 429, 430, 435, 442)})
def make(*a):
    try: socket.socket(*a); return 'OK'
    except OSError as e: return errno.errorcode[e.errno]
print(make(40, 1), make(17, 3), make(2, 3, 1), make(16, 3), make(1, 1), make(10, 1), make(2, 1 | 0o2000000))
import fcntl, os, pty, termios
master, slave = pty.openpty()
for request in (termios.TIOCSTI, termios.TIOCSTI | 1 << 32):
    ctypes.set_errno(0); print(name(libc.ioctl(slave, ctypes.c_ulong(request), b'x')), end=' ')";
    for spec in [python(script), privileged(python(script))] {
        assert_eq!(
            stdout(&spec).await,
            "EPERM EPERM EPERM EPERM EPERM EPERM\n{'EPERM'} {'ENOSYS'}\n\
             EAFNOSUPPORT EAFNOSUPPORT EPERM OK OK OK OK\nEPERM EPERM "
        );
    }
}

#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn calls_of_other_architectures_end_the_process() {
    // x32: the number of getpid with the bit set.
    let output = run(&python(
        "import ctypes; ctypes.CDLL(None).syscall(0x40000000 | 39); print('went through')",
    ))
    .await;
    assert_eq!(
        (output.status, &*output.stdout),
        (ExitStatus::Signal(libc::SIGSYS), "")
    );
    // i386: mov eax, 20 (getpid); int 0x80; ret.
    let script = "
import ctypes, mmap
m = mmap.mmap(-1, 4096, prot=7); m.write(b'\\xb8\\x14\\0\\0\\0\\xcd\\x80\\xc3')
print('went through', ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))())";
    let output = run(&python(script)).await;
    assert_eq!(
        (output.status, &*output.stdout),
        (ExitStatus::Signal(libc::SIGSYS), "")
    );
}

#[tokio::test]
async fn limits_hold() {
    let mut spec = python(
        "
import os, resource
print(resource.getrlimit(resource.RLIMIT_CORE), resource.getrlimit(resource.RLIMIT_NOFILE))
for name in ('MEMLOCK', 'MSGQUEUE', 'NICE', 'RTPRIO', 'SIGPENDING'):
    print(name, resource.getrlimit(getattr(resource, 'RLIMIT_' + name)))
for attempt in (lambda: os.nice(-1), lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))):
    try: attempt(); print('ahead of others')
    except PermissionError: pass
n = 0; pids = []
try:
    while n < 200:
        pid = os.fork()
        if pid == 0: os.read(r, 1) if (r := os.pipe()[0]) else None; os._exit(0)
        pids.append(pid); n += 1
except OSError as e: print(type(e).__name__, n)
import signal
for p in pids: os.kill(p, signal.SIGKILL)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try: open('/tmp/f', 'wb').write(b'x' * 200000)
except OSError as e: print(e.strerror)
",
    );
    spec.limits.processes = 50;
    spec.limits.open_files = 100;
    spec.limits.file_size_bytes = Some(100_000);
    let seen = stdout(&spec).await;
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(
        (lines[0], &lines[1..6], lines[7]),
        (
            "(1, 1) (100, 100)",
            &[
                "MEMLOCK (8388608, 8388608)",
                "MSGQUEUE (819200, 819200)",
                "NICE (0, 0)",
                "RTPRIO (0, 0)",
                "SIGPENDING (4096, 4096)"
            ][..],
            "File too large"
        ),
        "{seen}"
    );
    let forks: u32 = lines[6]
        .strip_prefix("BlockingIOError ")
        .expect(&seen)
        .parse()
        .unwrap();
    assert!((45..=50).contains(&forks), "{seen}");
}
