//! A full disk: said clearly, nothing half written, and all works again when there is space.
//!
//! The disk is a small tmpfs that exists in a mount namespace of a process of its own, so that it
//! is gone with that process.

use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use outwork_domain::{AttemptId, Epoch, ObjectKey, TaskId};
use outwork_store::{Objects, StoreError, Submission, TaskFilter};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::bed::{Bed, Place, at};

const CHILD: &str = "OUTWORK_STORE_TEST_DISK";
const SIZE: &str = "OUTWORK_STORE_TEST_DISK_SIZE";

#[test]
fn a_full_disk_is_said_and_survived() {
    on_a_disk_of("3m");
}

#[test]
fn a_cancel_finds_room_on_a_disk_that_others_filled() {
    on_a_disk_of("24m");
}

/// Runs the child with a disk of that size.
fn on_a_disk_of(size: &str) {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let program = std::env::current_exe().expect("it runs");
    let mount = r#"mount -t tmpfs -o "size=$3" small "$1" && exec "$2" --exact full_disk::child_of_a_test --nocapture"#;
    let output = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            mount,
            "sh",
        ])
        .arg(dir.path())
        .arg(program)
        .arg(size)
        .env(SIZE, size)
        .env(CHILD, dir.path())
        .output()
        .expect("unshare (util-linux) starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(
        said.contains("all is well"),
        "the child did nothing: {said}\n{errors}"
    );
}

/// Not a test: what the test above runs where the disk is small. Started by the test runner it has
/// nothing to do.
#[test]
fn child_of_a_test() {
    let Some(dir) = std::env::var_os(CHILD) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let dir = PathBuf::from(&dir);
        if std::env::var_os(SIZE).is_some_and(|size| size == "3m") {
            database(&dir).await;
            objects(&dir).await;
        } else {
            reserve(&dir).await;
        }
    });
    use std::io::Write;
    std::io::stdout()
        .write_all(b"all is well\n")
        .expect("the parent reads");
}

async fn database(dir: &Path) {
    let (ballast, spare) = (dir.join("ballast"), dir.join("spare"));
    std::fs::write(&spare, vec![0; 128 * 1024]).expect("there is room");
    std::fs::write(&ballast, vec![0; 700 * 1024]).expect("there is room");
    let bed = Bed::new(Place::Sqlite(dir.join("outwork.db"))).await;
    let mut acknowledged = fill(&bed).await;
    let refused = bed.store.submit(larger(&bed), None).await;
    assert!(matches!(refused, Err(StoreError::DiskFull)), "{refused:?}");
    assert_eq!(
        stored(&bed).await,
        acknowledged,
        "nothing half, nothing lost"
    );
    std::fs::remove_file(&spare).expect("it is there");
    small_beside_large(&bed).await;
    std::fs::remove_file(&ballast).expect("it is there");
    let submission = large(&bed);
    acknowledged.push(submission.task.id);
    bed.store
        .submit(submission, None)
        .await
        .expect("there is room again");
    acknowledged.sort();
    assert_eq!(stored(&bed).await, acknowledged);
    bed.store.close().await;
    let store = bed.place.open().await;
    let again = Bed { store, ..bed };
    assert_eq!(stored(&again).await, acknowledged);
    again.store.close().await;
    for file in std::fs::read_dir(dir).expect("it is there") {
        std::fs::remove_file(file.expect("it is there").path()).expect("it is a file");
    }
}

/// What was kept for it is used, and kept again when others have made room.
async fn reserve(dir: &Path) {
    let bed = Bed::new(Place::Sqlite(dir.join("outwork.db"))).await;
    let held = bed.held(at(0)).await.attempt;
    let kept = dir.join("outwork.db.reserve");
    assert_eq!(kept.metadata().expect("it is kept").len(), 16 << 20);
    let ballast = dir.join("ballast");
    let filled = std::fs::write(&ballast, vec![0; 24 << 20]);
    assert!(filled.is_err(), "the disk is full now");
    // Until the log of the database has no room left either.
    let mut now = 1;
    while kept.exists() {
        bed.store.mark_alive(at(now)).await.expect("it finds room");
        now += 1;
    }
    let cancelled = bed.store.cancel(bed.workspace, held.id, at(now)).await;
    cancelled.expect("it finds room");
    bed.store.keep_reserve().await;
    assert!(!kept.exists(), "there is not enough room for it");
    std::fs::remove_file(&ballast).expect("it is there");
    bed.store.keep_reserve().await;
    assert!(kept.exists());
    bed.store.close().await;
}

/// Writes that wait together: the large one does not fit, the small ones still do.
async fn small_beside_large(bed: &Bed) {
    let (refused, first, second) = tokio::join!(
        bed.store.submit(larger(bed), None),
        bed.store.mark_alive(at(1)),
        bed.store.mark_alive(at(2)),
    );
    assert!(matches!(refused, Err(StoreError::DiskFull)), "{refused:?}");
    first.expect("it is small");
    second.expect("it is small");
    assert_eq!(
        bed.store.last_alive().await.expect("reading works"),
        Some(at(2))
    );
}

fn large(bed: &Bed) -> Submission {
    let mut submission = bed.submission(1, at(0));
    submission.turn.prompt = "x".repeat(100 * 1024);
    submission
}

/// Does not fit where the last [`large`] one did not, whatever room it left, nor into `spare`.
fn larger(bed: &Bed) -> Submission {
    let mut submission = bed.submission(1, at(0));
    submission.turn.prompt = "x".repeat(512 * 1024);
    submission
}

/// Writes, several at once, until nothing fits any more. Answers what was acknowledged.
async fn fill(bed: &Bed) -> Vec<TaskId> {
    let mut writers = JoinSet::new();
    for _ in 0..8 {
        let bed = bed.clone();
        writers.spawn(async move {
            let mut acknowledged = Vec::new();
            loop {
                let submission = large(&bed);
                match bed.store.submit(submission.clone(), None).await {
                    Ok(_) => acknowledged.push(submission.task.id),
                    Err(StoreError::DiskFull) => return acknowledged,
                    Err(other) => panic!("{other:?}"),
                }
            }
        });
    }
    let mut acknowledged: Vec<_> = writers.join_all().await.into_iter().flatten().collect();
    assert!(!acknowledged.is_empty(), "it was full from the beginning");
    acknowledged.sort();
    acknowledged
}

async fn stored(bed: &Bed) -> Vec<TaskId> {
    let page = bed
        .store
        .tasks(bed.workspace, TaskFilter::default(), 10_000, None)
        .await;
    let page = page.expect("reading works");
    let mut tasks: Vec<_> = page.items.iter().map(|record| record.task.id).collect();
    tasks.sort();
    tasks
}

async fn objects(dir: &Path) {
    let objects = Objects::open_directory(&dir.join("objects")).expect("there is room");
    let key = ObjectKey::diff(AttemptId::from_uuid(Uuid::from_u128(1)), Epoch::new(1));
    let old = Bytes::from_static(b"old");
    objects.put(&key, old.clone()).await.expect("there is room");
    let refused = objects.put(&key, Bytes::from(vec![1; 8 << 20])).await;
    assert!(matches!(refused, Err(StoreError::DiskFull)), "{refused:?}");
    assert_eq!(
        objects.get(&key).await.expect("works"),
        Some(old),
        "the old one is whole"
    );
    let new = Bytes::from(vec![2; 1 << 20]);
    objects
        .put(&key, new.clone())
        .await
        .expect("nothing was left behind");
    assert_eq!(objects.get(&key).await.expect("works"), Some(new));
}
