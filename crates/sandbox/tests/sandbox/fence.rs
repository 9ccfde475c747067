//! The second fence around files (Landlock): it holds by itself, and nobody who stays within notices it.

use outwork_sandbox::{FencedFiles, Mount, Sandbox, Spec, SystemRoot, plan, probe};

use crate::harness::{directory, finish, launcher, privileged, python, shell, within};
use crate::store::workers;

/// What a fence needs.
const RENAMES: u32 = 2;
const SCOPES: u32 = 6;

fn has(version: u32) -> bool {
    probe().landlock.is_some_and(|found| found >= version)
}

/// A mount that can be written is taken out of the fence by hand: what is left is the fence.
#[tokio::test]
async fn it_holds_where_mounts_do_not() {
    let spec = shell(
        "touch /tmp/x /dev/shm/x 2>&1 | sed 's/.*: //'; echo y > /proc/self/comm; ls /dev/shm",
    );
    let mut plan = plan(&spec, &probe()).unwrap();
    match &mut plan.fence {
        Some(fence) => match &mut fence.files {
            FencedFiles::Below(paths) => paths.retain(|path| !path.path.ends_with("tmp")),
            FencedFiles::Unfenced => panic!("there is no need to mount"),
        },
        None => assert!(!has(RENAMES), "the kernel has it"),
    }
    let mut running = Sandbox::spawn(plan, launcher()).await.unwrap();
    let seen = within("the end", finish(&mut running)).await;
    let expected = if has(RENAMES) {
        "Permission denied\nx\n"
    } else {
        "x\n"
    };
    assert_eq!(seen.stdout, expected, "{seen:?}");
}

#[tokio::test]
async fn what_was_opened_outside_is_not_opened_again_for_writing() {
    let seen = crate::harness::run(&shell("(: >> /dev/stdin) 2>/dev/null && echo opened")).await;
    assert_eq!(seen.stdout, if has(RENAMES) { "" } else { "opened\n" });
}

#[tokio::test]
async fn no_signal_leaves() {
    let script = "
import os
try: os.kill(1, 0); print('reached')
except PermissionError: print('kept in')
os.kill(os.getpid(), 0); os.kill(0, 0); print('own')";
    // Root inside may signal every user's processes, so that only the fence is in the way.
    for store in workers() {
        let seen = store.stdout(&privileged(python(script))).await;
        let kept = if has(SCOPES) { "kept in" } else { "reached" };
        assert_eq!(seen, format!("{kept}\nown\n"), "{:?}", store.worker);
    }
}

/// Moves between directories, links, truncation, terminals, what a process says about itself, sockets by name.
const USUAL: &str = r#"
import ctypes, fcntl, os, pty, socket, struct, termios
def put(path, text='x'):
    with open(path, 'w') as f: f.write(text)
for top in TOPS:
    os.makedirs(top + '/a/deep'); os.makedirs(top + '/b')
    put(top + '/a/deep/file', 'one'); os.rename(top + '/a/deep/file', top + '/b/file')
    os.link(top + '/b/file', top + '/a/link'); os.rename(top + '/a/deep', top + '/b/deep')
    os.symlink('file', top + '/b/symlink'); os.truncate(top + '/b/symlink', 1); put(top + '/a/link', 'two')
    os.mkfifo(top + '/b/pipe'); os.unlink(top + '/b/pipe'); os.rmdir(top + '/b/deep')
    server = socket.socket(socket.AF_UNIX); server.bind(top + '/socket'); server.listen()
    socket.socket(socket.AF_UNIX).connect(top + '/socket')
    fd = os.open(top, os.O_TMPFILE | os.O_RDWR); os.write(fd, b'kept')
    assert ctypes.CDLL(None).linkat(-100, b'/proc/self/fd/%d' % fd, -100, (top + '/b/kept').encode(), 0x400) == 0
    print(open(top + '/b/file').read(), open(top + '/b/kept').read())
for name, text in (('comm', 'me'), ('oom_score_adj', '900'), ('coredump_filter', '0x33'), ('timerslack_ns', '50000')):
    put('/proc/self/' + name, text)
print(open('/proc/self/oom_score_adj').read().strip())
master, slave = pty.openpty()
fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack('HHHH', 5, 6, 0, 0))
put(os.ttyname(slave), 'hello\n'); print(os.read(master, 100))
put('/dev/null'); put('/dev/shm/file'); put('/dev/stdout', 'out\n')
name = socket.socket(socket.AF_UNIX); name.bind('\0name'); name.listen()
socket.socket(socket.AF_UNIX).connect('\0name'); print('abstract')
"#;

fn usual(tops: &[&str]) -> Spec {
    python(&format!("TOPS = {tops:?}\n{USUAL}"))
}

#[tokio::test]
async fn whoever_stays_within_notices_nothing() {
    const REST: &str = "900\nb'hello\\r\\n'\nabstract\n";
    for store in workers() {
        let worker = store.worker;
        let workspace = directory();
        store.own_workspace(workspace.path());
        let bind = Mount::Bind {
            source: workspace.path().to_owned(),
            target: "/workspace".into(),
        };
        let mut plain = usual(&["/tmp/t", "/workspace/t"]);
        plain.mounts.push(bind.clone());
        assert_eq!(
            store.stdout(&plain).await,
            format!("out\n{}{REST}", "two kept\n".repeat(2)),
            "{worker:?}"
        );

        let mut layered = store.setup("usual", vec![store.skeleton()], "");
        assert!(matches!(layered.system, SystemRoot::Overlay(_)));
        layered.command = usual(&["/home/t", "/tmp/t", "/t"]).command;
        assert_eq!(
            store.stdout(&layered).await,
            format!("out\n{}{REST}", "two kept\n".repeat(3)),
            "{worker:?}"
        );
    }
}
