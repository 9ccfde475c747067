//! However a sandbox ends, with every backend: by a signal, a limit, or the death of its worker.

use outwork_sandbox::{ExitStatus, LimitHit, LimitKind, Mount, PidNamespace, Spec};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::harness::{eventually, line, python};
use crate::store::{As, Store, workers_with_every_backend};

/// The runtime and its kernel count as well, so there is room for them. Where nothing but watching holds memory, and
/// gVisor's is not taken in small steps, more is taken on a busy machine until it is seen.
#[tokio::test]
async fn memory_is_held_and_the_limit_is_named() {
    const LIMIT_BYTES: u64 = 256 << 20;
    let script = "
import os
held = []
for n in range(512): held.append(os.urandom(1 << 20)); os.write(1, b'.')
print('all')";
    for store in workers_with_every_backend() {
        let mut spec = python(script);
        spec.limits.memory_bytes = Some(LIMIT_BYTES);
        let mut worker = store.start(&spec);
        let mut lines = BufReader::new(worker.stdout.take().unwrap()).lines();
        let started = line(&mut lines).await;
        assert!(started["started"].is_u64(), "{store}: {started}");
        let said = line(&mut lines).await;
        let ended = store.ended(&said);
        assert!(!ended.status.success(), "{store}: {ended:?}");
        let taken = ended.stdout.matches('.').count();
        assert!((64..512).contains(&taken), "{store}: {taken} MiB");
        let hit: LimitHit = serde_json::from_value(said["limit_hits"][0].clone())
            .unwrap_or_else(|e| panic!("{store}: {e}: {said}"));
        assert_eq!(
            (hit.kind, hit.limit),
            (LimitKind::Memory, LIMIT_BYTES),
            "{store}"
        );
    }
}

/// Says in a directory of the worker's that it is ready.
fn with_meeting(store: &Store, spec: &mut Spec) -> std::path::PathBuf {
    let place = store.path("meeting");
    std::fs::create_dir(&place).unwrap();
    if store.worker == As::OrdinaryUser {
        store.own(&place, 0);
    }
    spec.mounts.push(Mount::Bind {
        source: place.clone(),
        target: "/meeting".into(),
    });
    place.join("ready")
}

async fn appears(path: &std::path::Path) {
    let look = || match path.exists() {
        true => Ok(()),
        false => Err("no file".to_owned()),
    };
    eventually("the command to be ready", look).await;
}

#[tokio::test]
async fn a_signal_reaches_the_command_and_its_children_but_no_daemon() {
    let script = "
import os, signal, sys, time
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
if os.fork() == 0:
    os.setsid()
    open('/meeting/daemon', 'w').close()
    while True: signal.sigwait([signal.SIGTERM]); open('/meeting/hit', 'w').close()
child = os.fork()
while not os.path.exists('/meeting/daemon'): time.sleep(0.01)
if child: open('/meeting/ready', 'w').close()
signal.sigwait([signal.SIGTERM])
if child == 0: os._exit(3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), os.path.exists('/meeting/hit'))
sys.exit(5)";
    for store in workers_with_every_backend() {
        let mut spec = python(script);
        let ready = with_meeting(&store, &mut spec);
        let mut worker = store.start(&spec);
        let mut lines = BufReader::new(worker.stdout.take().unwrap()).lines();
        let started = line(&mut lines).await;
        assert!(started["started"].is_u64(), "{store}: {started}");
        appears(&ready).await;
        worker
            .stdin
            .as_mut()
            .unwrap()
            .write_all(b"15\n")
            .await
            .unwrap();
        let ended = store.ended(&line(&mut lines).await);
        assert_eq!(
            (ended.status, &*ended.stdout),
            (ExitStatus::Code(5), "3 False\n"),
            "{store}"
        );
    }
}

/// Forked twice, own sessions, deaf.
const DAEMONS: &str = "
import os, signal, time
open('/tmp/written', 'w').write('before the end')
for n in range(3):
    if os.fork() == 0:
        os.setsid(); signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0: time.sleep(1000)
        os._exit(0)
    os.wait()
open('/meeting/ready', 'w').close()
time.sleep(1000)";

async fn becomes_empty(store: &Store, namespace: PidNamespace) {
    let look = || match &*namespace.processes() {
        [] => Ok(()),
        left => Err(format!("{store}: {left:?}")),
    };
    eventually("the sandbox to be empty", look).await;
}

#[tokio::test]
async fn killing_leaves_no_process_and_loses_no_file() {
    for store in workers_with_every_backend() {
        let mut spec = python(DAEMONS);
        spec.handles = vec!["/tmp".into()];
        let ready = with_meeting(&store, &mut spec);
        let mut worker = store.start(&spec);
        let mut lines = BufReader::new(worker.stdout.take().unwrap()).lines();
        let started = line(&mut lines).await;
        let namespace = PidNamespace(started["started"].as_u64().unwrap());
        appears(&ready).await;
        let inside = namespace.processes().len();
        assert!(inside >= 4, "{store}: {inside} processes");
        worker
            .stdin
            .as_mut()
            .unwrap()
            .write_all(b"9\n")
            .await
            .unwrap();
        let ended = store.ended(&line(&mut lines).await);
        assert_eq!(ended.status, ExitStatus::Signal(9), "{store}");
        assert_eq!(ended.handles, [["written: before the end"]], "{store}");
        assert_eq!(namespace.processes(), [] as [u32; 0], "{store}");
    }
}

#[tokio::test]
async fn a_worker_that_is_killed_leaves_nothing() {
    for store in workers_with_every_backend() {
        let mut spec = python(DAEMONS);
        let ready = with_meeting(&store, &mut spec);
        let mut worker = store.start(&spec);
        let mut lines = BufReader::new(worker.stdout.take().unwrap()).lines();
        let started = line(&mut lines).await;
        let namespace = PidNamespace(started["started"].as_u64().unwrap());
        appears(&ready).await;
        worker.start_kill().unwrap();
        becomes_empty(&store, namespace).await;
    }
}
