//! Sandboxes within a sandbox: only where they were asked for, and with no way out of either.

use outwork_sandbox::{Hold, Spec};

use crate::harness::{python, shell};
use crate::limited::By;
use crate::store::{Store, workers_without_runtime};

fn nested(mut spec: Spec) -> Spec {
    spec.nested_namespaces = true;
    spec
}

/// With the host's system, and with one in layers.
fn both(store: &Store, name: &str, spec: Spec) -> [Spec; 2] {
    let mut layered = store.spec(name, vec![store.skeleton()], "");
    layered.command = spec.command.clone();
    layered.nested_namespaces = spec.nested_namespaces;
    [spec, layered]
}

#[tokio::test]
async fn they_are_refused_unless_the_spec_asks() {
    let script =
        "cat /proc/sys/user/max_user_namespaces; unshare -Ur true 2>&1 || ls -d /dev/.nested 2>&1";
    for store in workers_without_runtime() {
        for spec in both(&store, "refused", shell(script)) {
            let seen = store.run(&spec).await.stdout;
            let [limit, refusal, place] = seen.lines().collect::<Vec<_>>()[..] else {
                panic!("three lines: {seen}");
            };
            assert_eq!(limit, "0");
            assert!(refusal.ends_with("Operation not permitted"), "{refusal}");
            assert!(place.ends_with("No such file or directory"), "{place}");
        }
    }
}

/// What bubblewrap and Chromium do: all namespaces, a root of their own, a fresh `/proc`, memory.
const INNER: &str = r#"set -e
    mount -t tmpfs none /tmp
    cd /tmp
    mkdir proc usr old
    for name in bin lib lib64 sbin; do [ ! -e /$name ] || ln -s usr/$name $name; done
    mount --rbind /usr usr
    mount -t proc proc proc
    hostname inner
    pivot_root . old
    umount -l old
    id -u; hostname; ls -d /proc/[0-9]* | head -n 1; ls -A old
    touch /usr/x 2>&1 | sed 's/.*: //'"#;

#[tokio::test]
async fn a_sandbox_within_starts() {
    for store in workers_without_runtime() {
        let script = format!("unshare -Urpfmniu sh -c \"$0\" 2>&1; id -u; hostname\n{INNER}");
        let (command, inner) = script.split_once('\n').unwrap();
        let mut spec = nested(shell(command));
        spec.command.push(inner.to_owned());
        for spec in both(&store, "starts", spec) {
            assert_eq!(
                store.stdout(&spec).await,
                "0\ninner\n/proc/1\nRead-only file system\n1000\nsandbox\n",
                "{:?}",
                store.worker
            );
        }
    }
}

/// As root of a namespace within; what must be refused.
const ATTEMPTS: &str = r#"
import ctypes, errno, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(*a):
    r = libc.syscall(*a) if isinstance(a[0], int) else getattr(libc, a[0])(*a[1:])
    if r < 0: raise OSError(ctypes.get_errno(), '')
def write(path, data=b'x'):
    fd = os.open(path, os.O_WRONLY); os.write(fd, data); os.close(fd)
def remount(path): call('mount', None, path, None, 32 | 4096, None)
outer = {kind: os.open('/proc/self/ns/' + kind, os.O_RDONLY) for kind in ('mnt', 'net', 'uts')}
user = os.open('/proc/self/ns/user', os.O_RDONLY)
uid, gid = os.getuid(), os.getgid()
call('unshare', 0x10000000 | 0x20000 | 0x40000000 | 0x04000000)
write('/proc/self/setgroups', b'deny')
write('/proc/self/uid_map', b'0 %d 1' % uid); write('/proc/self/gid_map', b'0 %d 1' % gid)
call('mount', None, b'/', None, 0x44000, None)
call('mount', b'none', b'/tmp', b'tmpfs', 0, None)
os.mkdir('/tmp/dir')
x86 = os.uname().machine == 'x86_64'
attempts = {
    'writing the system': lambda: remount(b'/usr') or os.open('/usr/x', os.O_CREAT | os.O_WRONLY),
    'showing what is masked': lambda: call('umount2', b'/proc/cmdline', 2),
    'uncovering the switches': lambda: call('umount2', b'/proc/sys', 2),
    'switches': lambda: remount(b'/proc/sys') or write('/proc/sys/kernel/core_pattern'),
    'a device': lambda: os.mknod('/tmp/null', 0o20666, os.makedev(1, 3)),
    'a disk': lambda: os.mknod('/tmp/disk', 0o60666, os.makedev(254, 0)),
    'devices of the host': lambda: call('mount', b'none', b'/tmp/dir', b'devtmpfs', 0, None),
    'the kernel\'s files': lambda: call('mount', b'none', b'/tmp/dir', b'sysfs', 0, None),
    'debugging': lambda: call('mount', b'none', b'/tmp/dir', b'debugfs', 0, None),
    'namespaces of the first process': lambda: os.open('/proc/1/ns/mnt', os.O_RDONLY),
    'root of the first process': lambda: os.listdir('/proc/1/root/'),
    'mounts of the outer sandbox': lambda: call('setns', outer['mnt'], 0),
    'network of the outer sandbox': lambda: call('setns', outer['net'], 0),
    'name of the outer sandbox': lambda: call('setns', outer['uts'], 0),
    'users of the outer sandbox': lambda: call('setns', user, 0),
    'tracing the first process': lambda: call('ptrace', 0x4206, 1, 0, 0),
    'keys': lambda: call(250 if x86 else 219, 0, -3, 0),
    'programs in the kernel': lambda: call(321 if x86 else 280, 0, 0, 0),
    'rings': lambda: call(425, 8, 0),
    'modules': lambda: call(175 if x86 else 105, 0, 0, 0),
    'file handles': lambda: call(304 if x86 else 265, 0, 0, 0),
    'raw packets': lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0),
    'raw addresses': lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
    'firewalls': lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12),
    'the hypervisor': lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM),
    'a set-uid program of the host': lambda: os.setuid(1) if os.getuid() else os.setresuid(7, 7, 7),
}
for name, attempt in attempts.items():
    try: attempt(); print('WENT THROUGH:', name)
    except OSError as e:
        if e.errno not in (errno.EPERM, errno.EACCES, errno.EROFS, errno.EINVAL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ENODEV): print(name, errno.errorcode[e.errno])
print('alive' if os.path.exists('/proc/1') else 'dead', open('/proc/1/comm').read().strip() != '')
"#;

#[tokio::test]
async fn being_root_within_gives_nothing_without() {
    for store in workers_without_runtime() {
        for spec in both(&store, "within", nested(python(ATTEMPTS))) {
            assert_eq!(
                store.stdout(&spec).await,
                "alive True\n",
                "{:?}",
                store.worker
            );
        }
    }
}

#[tokio::test]
async fn there_is_an_end_to_namespaces() {
    let script = "
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
made = 0
while made < 200:
    pid = os.fork()
    if pid == 0:
        if libc.unshare(0x10000000) != 0: os._exit(ctypes.get_errno())
        r, w = os.pipe()
        if os.fork() == 0: os.read(r, 1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code: break
    made += 1
print(made, errno.errorcode[code])";
    for store in workers_without_runtime() {
        let spec = nested(python(script));
        assert_eq!(
            store.stdout(&spec).await,
            "64 ENOSPC\n",
            "{:?}",
            store.worker
        );
    }
}

/// What lies in mounts and segments within is not seen by whoever watches memory, so that there are none.
#[tokio::test]
async fn memory_that_is_watched_has_nowhere_to_hide() {
    let script = "unshare -Urpf id -u; unshare -Urn true && echo network
        for flag in m i; do unshare -Ur$flag true 2>&1 | sed 's/.*: //'; done";
    let mut spec = nested(shell(script));
    spec.limits.memory_bytes = Some(256 << 20);
    let by = By::Watching;
    let holds = by.plan(&spec).holds;
    assert!(matches!(holds.memory, Some(Hold::Watched { .. })));
    let full = "No space left on device\n".repeat(2);
    assert_eq!(by.run(&spec).await.stdout, format!("0\nnetwork\n{full}"));
}
