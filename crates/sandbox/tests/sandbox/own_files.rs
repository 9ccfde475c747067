//! Root inside with privileges over the sandbox's own files: what a setup needs works, and nothing more.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use outwork_sandbox::{LayerIds, Lower, Mount, Spec, change_owner};
use tokio::io::AsyncReadExt;

use crate::harness::{
    NAMESPACES, copy_program, directory, finish, is_root, privileged, python, run, set_mode, shell,
    spawn, stdout, within,
};
use crate::store::{As, SLOTS, Store, workers};

/// CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID.
const KEPT: &str = "00000000000000fb";

fn at_usr_local(spec: &mut Spec, store: &Store, name: &str, lowers: Vec<Lower>) {
    let overlay = store.overlay(&format!("{name}-usr-local"), lowers);
    let target = "/usr/local".into();
    spec.mounts.push(Mount::Overlay { overlay, target });
}

fn stored(store: &Store, name: &str) -> Lower {
    Lower {
        path: store.path(name).join("upper"),
        ids: LayerIds::Stored,
    }
}

const SETUP: &str = r#"set -e
    install -d /usr/local/bin /usr/local/lib/tool
    printf '#!/bin/sh\necho tool of $(id -un)\n' > /usr/local/lib/tool/run
    install -m 755 /usr/local/lib/tool/run /usr/local/bin/tool
    cp /usr/bin/id /usr/local/bin/set-uid; chmod 6755 /usr/local/bin/set-uid
    mkdir -p /var/lib/db /home/agent/.config /root
    echo secret > /root/secret; chmod 700 /root
    echo mine > /home/agent/.config/file
    chmod 000 /var/lib/db; echo '#' > /var/lib/db/file; chmod 755 /var/lib/db
    echo "$AS" | grep -q Root || exit 0
    chown -R agent:agent /home/agent /workspace; echo m > /workspace/made
    chown 101:102 /var/lib/db; chmod 2775 /var/lib/db
    mkdir /tmp/t; touch /tmp/t/f; chown 33:34 /tmp/t/f; tar -C /tmp -cf /tmp/t.tar t; tar -C /var -xpf /tmp/t.tar
    setpriv --reuid=agent --regid=agent --init-groups sh -c 'id -u; grep CapEff /proc/self/status | cut -f2; cat /root/secret 2>&1 || touch /home/agent/made'
    setpriv --reuid=101 --clear-groups sleep 1000 & kill $!; wait $! || echo killed
    useradd --system --no-create-home daemon2 2>/dev/null || groupadd daemon2 2>/dev/null || true"#;

#[tokio::test]
async fn what_setup_makes_as_root_the_agent_finds_in_another_slot() {
    for store in workers() {
        let is_root_worker = store.worker == As::Root;
        store.write("snapshot/workspace/file", 0, 0o644, "x\n");
        let lowers = vec![store.stored("snapshot"), store.skeleton()];
        store.make("local");
        let mut setup = store.setup("setup", lowers.clone(), SETUP);
        let name = format!("{:?}", store.worker);
        setup.environment.insert("AS".to_owned(), name);
        at_usr_local(&mut setup, &store, "setup", vec![store.stored("local")]);
        let seen = store.stdout(&setup).await;
        if is_root_worker {
            assert_eq!(
                seen,
                "1000\n0000000000000000\ncat: /root/secret: Permission denied\nkilled\n"
            );
            let meta = store.path("setup/upper/var/lib/db").metadata().unwrap();
            assert_eq!(
                (meta.uid(), meta.gid()),
                (store.owner(101).0, store.owner(102).1)
            );
            // As a worker gives what setup left as root's to the agent, on disk.
            let workspace = store.path("setup/upper/workspace");
            change_owner(&workspace, store.owner(0), store.owner(1000)).unwrap();
        }

        let script = "tool; set-uid -u; cd /; stat -c '%n %a %u:%g' workspace/file home/agent/.config/file var/lib/db usr/local/bin/tool root
            [ -e var/t/f ] && stat -c '%n %u:%g' var/t/f home/agent/made workspace/made; cat root/secret 2>/dev/null; touch usr/local/bin/x 2>&1 | sed 's/.*: //'
            rm usr/local/bin/tool 2>/dev/null; echo more >> workspace/file; ls usr/local/bin; id -un";
        let lowers = [vec![stored(&store, "setup")], lowers].concat();
        let mut agent = store.spec("agent", lowers, script);
        agent.uid_base = SLOTS[1];
        let local = vec![stored(&store, "setup-usr-local"), store.stored("local")];
        at_usr_local(&mut agent, &store, "agent", local);
        let seen = store.stdout(&agent).await;
        let expected = if is_root_worker {
            "tool of agent\n1000\nworkspace/file 644 1000:1000\nhome/agent/.config/file 644 1000:1000\nvar/lib/db 2775 101:102\n\
             usr/local/bin/tool 755 0:0\nroot 700 0:0\nvar/t/f 33:34\nhome/agent/made 1000:1000\nworkspace/made 1000:1000\nPermission denied\nset-uid\ntool\nagent\n"
        } else {
            // One id: everything is the worker's, and so the agent's.
            "tool of agent\n1000\nworkspace/file 644 1000:1000\nhome/agent/.config/file 644 1000:1000\nvar/lib/db 755 1000:1000\n\
             usr/local/bin/tool 755 1000:1000\nroot 700 1000:1000\nsecret\nset-uid\nx\nagent\n"
        };
        assert_eq!(seen, expected, "{:?}", store.worker);
    }
}

#[tokio::test]
async fn capabilities_are_those_and_no_others() {
    let spec = privileged(shell(
        "grep ^Cap /proc/self/status | cut -f2 | tr '\\n' ' '; grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status | cut -f2 | tr '\\n' ' '",
    ));
    // Inheritable, permitted, effective, bounding, ambient.
    let expected = format!("{KEPT} {KEPT} {KEPT} {KEPT} {KEPT} 1 2 ");
    assert_eq!(stdout(&spec).await, expected);
}

/// Each of these must be refused.
const ATTEMPTS: &str = r#"
import ctypes, errno, os, socket, fcntl, struct, subprocess
libc = ctypes.CDLL(None, use_errno=True)
def call(*a):
    r = libc.syscall(*a) if isinstance(a[0], int) else getattr(libc, a[0])(*a[1:])
    if r < 0: raise OSError(ctypes.get_errno(), '')
def write(path, data=b'x'):
    fd = os.open(path, os.O_WRONLY); os.write(fd, data); os.close(fd)
def capset(bits):
    header = struct.pack('Ii', 0x20080522, 0)
    data = struct.pack('IIIIII', bits, bits, bits, 0, 0, 0)
    call('capset', header, data)
open('/tmp/file', 'w').close()
os.mkdir('/tmp/dir')
V2 = struct.pack('<IIIII', 0x02000001, 0xffffffff, 0, 0xff, 0)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
attempts = {
    'mount': lambda: call('mount', b'none', b'/tmp/dir', b'tmpfs', 0, None),
    'bind': lambda: call('mount', b'/tmp', b'/tmp/dir', None, 4096, None),
    'remount': lambda: call('mount', None, b'/usr', None, 32 | 4096, None),
    'umount': lambda: call('umount2', b'/proc', 2),
    'chroot': lambda: os.chroot('/tmp'),
    'unshare user': lambda: call('unshare', 0x10000000),
    'unshare mount': lambda: call('unshare', 0x20000),
    'setns': lambda: call('setns', os.open('/proc/self/ns/user', 0), 0),
    'device': lambda: os.mknod('/tmp/null', 0o20666, os.makedev(1, 3)),
    'disk': lambda: os.mknod('/tmp/disk', 0o60666, os.makedev(8, 0)),
    'whiteout': lambda: os.mknod('/tmp/gone', 0o20000, 0),
    'ptrace of the first process': lambda: call('ptrace', 16, 1, 0, 0),
    'memory of the first process': lambda: open('/proc/1/mem', 'rb'),
    'environment of the first process': lambda: open('/proc/1/environ', 'rb'),
    'descriptors of the first process': lambda: os.listdir('/proc/1/fd'),
    'root of the first process': lambda: os.listdir('/proc/1/root/'),
    'host name': lambda: socket.sethostname('x'),
    'host name by /proc': lambda: write('/proc/sys/kernel/hostname'),
    'core pattern': lambda: write('/proc/sys/kernel/core_pattern'),
    'forwarding': lambda: write('/proc/sys/net/ipv4/ip_forward', b'1'),
    'chmod of a switch': lambda: os.chmod('/proc/sys/kernel/core_pattern', 0o666),
    'id map': lambda: write('/proc/self/uid_map', b'0 0 1'),
    'out of memory score': lambda: write('/proc/self/oom_score_adj', b'-1000'),
    'chown of the system': lambda: os.chown('/usr/bin/env', 0, 0),
    'writing the system': lambda: write('/usr/bin/env'),
    'chown of a file of the host': lambda: os.chown('/given/closed', 0, 0),
    'reading a file of the host': lambda: open('/given/closed').read(),
    'unlinking a file of the host': lambda: os.unlink('/given/closed'),
    'capability of a file': lambda: os.setxattr('/tmp/file', 'security.capability', V2),
    'trusted attribute': lambda: os.setxattr('/tmp/file', 'trusted.overlay.opaque', b'y'),
    'more capabilities': lambda: capset(0xffffffff),
    'one more capability': lambda: capset(0xfb | 1 << 21),
    'ambient capability': lambda: call('prctl', 47, 2, 21, 0, 0),
    'secure bits': lambda: call('prctl', 28, 0, 0, 0, 0),
    'interface': lambda: fcntl.ioctl(s, 0x8914, struct.pack('16sh', b'lo', 0)),
    'raw socket': lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
    'file handle': lambda: call(304 if os.uname().machine == 'x86_64' else 265, 0, 0, 0),
    'ids of the host': lambda: os.setresuid(70000, 70000, 70000),
}
for name, attempt in attempts.items():
    try: attempt(); print('WENT THROUGH:', name)
    except OSError as e:
        if e.errno not in (errno.EPERM, errno.EACCES, errno.EROFS, errno.EINVAL): print(name, errno.errorcode[e.errno])
for signal in (9, 19):
    try: os.kill(1, signal)
    except PermissionError: pass
print('alive' if subprocess.run(['true']).returncode == 0 else 'dead')
os.mkfifo('/tmp/pipe'); print('pipe')
"#;

#[tokio::test]
async fn nothing_beyond_its_own_files_is_allowed() {
    for store in workers() {
        // As root this is a file of the host's root; for an ordinary user it is somebody else's or does not exist.
        let given = tempfile::tempdir().unwrap();
        set_mode(given.path(), 0o755);
        let closed = given.path().join("closed");
        std::fs::write(&closed, "secret").unwrap();
        set_mode(&closed, if is_root() { 0o600 } else { 0o000 });
        let bind = Mount::ReadOnlyBind {
            source: given.path().to_owned(),
            target: "/given".into(),
        };
        let mut plain = privileged(python(ATTEMPTS));
        plain.mounts.push(bind.clone());
        let mut layered = store.setup("escape", vec![store.skeleton()], "");
        layered.command = plain.command.clone();
        layered.mounts.push(bind);
        for (spec, name) in [(plain, "read-only"), (layered, "layers")] {
            let ended = store.run(&spec).await;
            let mut expected = String::from("alive\npipe\n");
            if !is_root() {
                // The test's own file is the worker's own: a worker can open it, and so can root inside.
                expected.insert_str(0, "WENT THROUGH: reading a file of the host\n");
            }
            if store.backend != NAMESPACES {
                // Root inside has started it, and so may count them; not look at them.
                let went_through = "WENT THROUGH: descriptors of the first process\n";
                expected.insert_str(0, went_through);
            }
            assert_eq!(ended.stdout, expected, "{store} {name}: {ended:?}");
        }
        assert_eq!(
            std::fs::read_to_string(&closed).ok(),
            is_root().then(|| "secret".into())
        );
    }
}

/// What a layer brings along counts as little as what is made inside.
#[tokio::test]
async fn capabilities_of_a_file_in_a_layer_have_no_effect() {
    for store in workers()
        .into_iter()
        .filter(|store| store.worker == As::Root)
    {
        store.make("layer/bin2");
        let program = store.path("layer/bin2/cat");
        copy_program(Path::new("/usr/bin/cat"), &program);
        let (uid, gid) = store.owner(0);
        chown(&program, Some(uid), Some(gid)).unwrap();
        set_mode(&program, 0o6755);
        let all = [0x0200_0001_u32, u32::MAX, 0, 0x1ff, 0]
            .map(u32::to_le_bytes)
            .concat();
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(&program, "security.capability", &all, flags).unwrap();
        let lowers = vec![store.stored("layer"), store.skeleton()];
        let script =
            "/bin2/cat /proc/self/status | grep -E '^(CapEff|CapPrm|Uid)' | tr -s '\\t' ' '";
        let agent = store.spec("agent", lowers.clone(), script);
        let none = "Uid: 1000 1000 1000 1000\nCapPrm: 0000000000000000\nCapEff: 0000000000000000\n";
        assert_eq!(store.stdout(&agent).await, none);
        let setup = store.setup("setup", lowers, script);
        let own = format!("Uid: 0 0 0 0\nCapPrm: {KEPT}\nCapEff: {KEPT}\n");
        assert_eq!(store.stdout(&setup).await, own);
    }
}

#[tokio::test]
async fn a_signal_reaches_processes_of_other_users() {
    if !is_root() {
        return; // An ordinary user has no other id inside.
    }
    let mut spec = privileged(shell(
        "setpriv --reuid=101 --clear-groups sh -c 'trap \"exit 7\" TERM; echo ready; while :; do sleep 0.01; done'; echo $?",
    ));
    // The shell that waits goes on.
    spec.command[2] = format!("trap : TERM; {}", spec.command[2]);
    let mut running = spawn(&spec).await.unwrap();
    let mut line = [0; 6];
    let stdout = running.stdout.as_mut().unwrap();
    stdout.read_exact(&mut line).await.unwrap();
    running.signal(15).unwrap();
    let output = within("the end", finish(&mut running)).await;
    assert_eq!(output.stdout, "7\n", "{output:?}");
}

#[tokio::test]
async fn a_workspace_has_room_for_one_owner() {
    let root = directory();
    std::fs::write(root.path().join("file"), "x").unwrap();
    let mut spec = privileged(shell(
        "cd /workspace; chown 5:5 file 2>/dev/null || echo refused; chmod 600 file; echo y > file; stat -c %u:%g file",
    ));
    spec.mounts.push(Mount::Bind {
        source: root.path().to_owned(),
        target: "/workspace".into(),
    });
    assert_eq!(run(&spec).await.stdout, "refused\n0:0\n");
    let worker = rustix::process::geteuid().as_raw();
    let meta = root.path().join("file").metadata().unwrap();
    assert_eq!(meta.uid(), worker);
}
