//! What a command may add to the disk.

use outwork_sandbox::{Consequence, ExitStatus, LimitKind, Spec};

use crate::harness::{python, shell};
use crate::limited::{By, bytes_on_disk, each};
use crate::store::workers;

const MIB: u64 = 1 << 20;

fn limited(mut spec: Spec) -> Spec {
    spec.limits.disk_bytes = Some(16 * MIB);
    spec.limits.disk_files = Some(400);
    spec
}

/// Writes until it is ended; what `look` says after is true of the workspace.
async fn ends_by(by: By, kind: LimitKind, script: &str) -> u64 {
    let mut spec = limited(python(&format!(
        "
import os, signal, time
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
BLOCK = b'x' * (1 << 20)
{script}
time.sleep(1000)"
    )));
    let workspace = by.workspace(&mut spec);
    // It was there before and counts for nothing.
    std::fs::write(workspace.path().join("before"), vec![1; 24 * MIB as usize]).unwrap();
    let ended = by.run(&spec).await;
    let hit = ended
        .hit
        .unwrap_or_else(|| panic!("{by:?}: {:?} {}", ended.status, ended.stderr));
    assert_eq!(
        (hit.kind, hit.consequence, hit.command.as_deref()),
        (kind, Consequence::SandboxKilled, Some("python3")),
        "{by:?}"
    );
    bytes_on_disk(workspace.path()) - 24 * MIB
}

#[tokio::test]
async fn many_files_of_some_size() {
    for by in each() {
        let script = "
for n in range(200):
    with open(f'file{n}', 'wb') as f: f.write(BLOCK)
    time.sleep(0.005)";
        let left = ends_by(by, LimitKind::DiskBytes, script).await;
        assert!(left > 8 * MIB, "{by:?}: {left}");
    }
}

#[tokio::test]
async fn many_files_of_no_size() {
    for by in each() {
        let script = "
for n in range(100_000):
    open(f'file{n}', 'w').close()
    if n % 100 == 0: time.sleep(0.005)";
        ends_by(by, LimitKind::DiskFiles, script).await;
    }
}

#[tokio::test]
async fn one_file_is_stopped_by_an_error() {
    for by in each() {
        let mut spec = limited(python(
            "
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open('f', 'wb', buffering=0) as f:
    try:
        while True: f.write(b'x' * (1 << 20))
    except OSError as e: print(e.strerror, f.tell())",
        ));
        let _workspace = by.workspace(&mut spec);
        let ended = by.run(&spec).await;
        assert_eq!(
            ended.stdout,
            format!("File too large {}\n", 16 * MIB),
            "{by:?}"
        );
    }
}

#[tokio::test]
async fn deleted_files_that_are_open() {
    for by in each() {
        let script = "
held = []
for n in range(40):
    f = open('f', 'wb', buffering=0); os.unlink('f'); f.write(BLOCK); held.append(f)";
        assert!(ends_by(by, LimitKind::DiskBytes, script).await < MIB);
    }
}

#[tokio::test]
async fn below_directories_that_are_closed_or_deep() {
    for by in each() {
        let closed = "
os.mkdir('closed'); os.chdir('closed')
held = [open(f'f{n}', 'wb') for n in range(40)]
os.chmod('.', 0)
for f in held: f.write(BLOCK); f.close()";
        ends_by(by, LimitKind::DiskBytes, closed).await;
        let deep = "
for n in range(450): os.mkdir('d'); os.chdir('d')";
        ends_by(by, LimitKind::DiskFiles, deep).await;
    }
}

#[tokio::test]
async fn what_is_not_on_the_disk_does_not_count() {
    for by in each() {
        let mut spec = limited(shell(
            "for n in 1 2 3 4 5 6 7 8; do truncate -s 12M sparse$n; done; ln -s /usr out; ln -s . round
             head -c 12M /dev/zero > /tmp/memory; head -c 12M /dev/zero > 1; for n in 2 3 4; do ln 1 $n; done
             rm -r /tmp/memory; sleep 1.5; echo fine",
        ));
        spec.limits.disk_bytes = Some(14 * MIB);
        let _workspace = by.workspace(&mut spec);
        let ended = by.run(&spec).await;
        assert_eq!((&*ended.stdout, ended.hit), ("fine\n", None), "{by:?}");
    }
}

/// A layer that is written counts, those below do not.
#[tokio::test]
async fn upper_layers_count() {
    for store in workers() {
        store.write("below/large", 0, 0o644, &"x".repeat(24 * MIB as usize));
        let script = "for n in $(seq 200); do head -c 1M /dev/zero > /opt/file$n; sleep 0.01; done";
        let mut spec = store.setup(
            "attempt",
            vec![store.stored("below"), store.skeleton()],
            script,
        );
        spec.limits.disk_bytes = Some(16 * MIB);
        let ended = store.run(&spec).await;
        assert_eq!(ended.status, ExitStatus::Signal(9), "{ended:?}");
    }
}
