//! The disk is not filled.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::scene::{OnDisk, Scene, acquire, build, builder, numbered, ready, recipe, why};
use crate::meta::Meta;
use crate::{Acquired, CacheError, CommitError, Removed, tree_bytes};

const KIB: u64 = 1024;

fn keys(cache: &crate::Cache<String>) -> Vec<String> {
    let mut keys: Vec<_> = cache
        .list()
        .iter()
        .map(|info| info.key.to_string())
        .collect();
    keys.sort();
    keys
}

fn numbers(numbers: &[u32]) -> Vec<String> {
    let keys = numbers
        .iter()
        .map(|number| numbered(*number).key().to_string());
    let mut keys: Vec<_> = keys.collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn the_least_recently_used_go_first_and_never_one_in_use() {
    let mut scene = Scene::new();
    scene.config.max_bytes = 350 * KIB;
    let cache = scene.open().await;
    let in_use = build(&cache, &numbered(0), 100).await;
    for number in 1..3 {
        scene.pass(1000);
        drop(build(&cache, &numbered(number), 100).await);
    }
    assert_eq!(keys(&cache), numbers(&[0, 1, 2]));
    // The clock stands still now: the order counts all the same.
    drop(ready(&cache, &numbered(1)).await);
    drop(build(&cache, &numbered(3), 100).await);
    assert_eq!(keys(&cache), numbers(&[0, 1, 3]));
    assert_eq!(why(&cache, &numbered(2)).await, "removed for lack of space");
    // What was just made stays, even if everything else is in use.
    let others = [
        ready(&cache, &numbered(1)).await,
        ready(&cache, &numbered(3)).await,
    ];
    let newest = build(&cache, &numbered(4), 100).await;
    assert_eq!(keys(&cache), numbers(&[0, 1, 3, 4]));
    drop(newest);
    assert_eq!(keys(&cache), numbers(&[0, 1, 3]));
    drop((in_use, others));
    cache.settled().await;
    assert_eq!(scene.on_disk().named, 3);
}

#[tokio::test]
async fn the_order_of_uses_outlives_the_process_and_a_smaller_limit_counts_at_once() {
    let mut scene = Scene::new();
    let cache = scene.open().await;
    for number in 0..3 {
        scene.pass(1000);
        drop(build(&cache, &numbered(number), 100).await);
    }
    scene.pass(1000);
    drop(ready(&cache, &numbered(0)).await);
    scene.config.max_bytes = 250 * KIB;
    let cache = scene.reopen(cache).await;
    assert_eq!(keys(&cache), numbers(&[0, 2]));
    scene.config.max_bytes = 50 * KIB;
    let cache = scene.reopen(cache).await;
    assert_eq!(keys(&cache), numbers(&[]));
    let said = why(&cache, &numbered(0)).await;
    assert!(said.starts_with("too large to be kept: it takes"), "{said}");
}

#[tokio::test]
async fn one_that_is_larger_than_all_may_be_serves_its_users_and_goes() {
    let mut scene = Scene::new();
    scene.config.max_bytes = 250 * KIB;
    let cache = scene.open().await;
    drop(build(&cache, &numbered(1), 100).await);
    let large = build(&cache, &numbered(2), 2000).await;
    let warning = large.given_up().map(|why| why.to_string());
    assert_eq!(
        warning.as_deref(),
        Some("too large to be kept: it takes 2 MiB, and all together may take 0 MiB")
    );
    // Nothing else has to go for it, and others may use it meanwhile.
    assert_eq!(keys(&cache), numbers(&[1, 2]));
    let other = ready(&cache, &numbered(2)).await;
    drop(large);
    assert_eq!(keys(&cache), numbers(&[1, 2]));
    drop(other);
    assert_eq!(keys(&cache), numbers(&[1]));
    assert_eq!(
        why(&cache, &numbered(2)).await,
        "too large to be kept: it takes 2 MiB, and all together may take 0 MiB"
    );
    cache.settled().await;
    assert_eq!(scene.on_disk().named, 1);
}

#[tokio::test]
async fn room_is_made_when_the_disk_is_short_of_it() {
    let scene = Scene::new();
    let cache = scene.open().await;
    let in_use = build(&cache, &numbered(0), 10).await;
    for number in 1..4 {
        scene.pass(1);
        drop(build(&cache, &numbered(number), 10).await);
    }
    assert_eq!(cache.prune(1).await.unwrap(), Removed::default());
    // As much as there cannot be: all that may go goes.
    let removed = cache.prune(u64::MAX).await.unwrap();
    assert_eq!(removed.snapshots, 3);
    let left = OnDisk {
        named: 1,
        unnamed: 0,
        unfinished: 0,
    };
    assert_eq!(scene.on_disk(), left);
    drop(in_use);
    assert_eq!(why(&cache, &numbered(1)).await, "removed for lack of space");
}

#[tokio::test]
async fn a_full_disk_is_said_to_be_full() {
    let full = std::io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error());
    let error = CacheError::at(std::path::Path::new("/cache"), full);
    assert_eq!(
        error.to_string(),
        "the disk of /cache is full: free some space there, or let snapshots take less of it"
    );
}

#[test]
fn size_is_what_is_allocated_and_links_count_once() {
    let directory = tempfile::tempdir().unwrap();
    let top = directory.path();
    let empty = tree_bytes(top).unwrap();
    assert_eq!(empty, 0);
    fs::write(top.join("file"), vec![1; 100 << 10]).unwrap();
    let one = tree_bytes(top).unwrap();
    assert!((100 << 10..120 << 10).contains(&one), "{one}");
    fs::hard_link(top.join("file"), top.join("again")).unwrap();
    assert_eq!(tree_bytes(top).unwrap(), one);
    let sparse = fs::File::create(top.join("sparse")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    std::os::unix::fs::symlink("/usr", top.join("link")).unwrap();
    assert_eq!(tree_bytes(top).unwrap(), one);
    fs::create_dir(top.join("below")).unwrap();
    fs::write(top.join("below/file"), vec![1; 100 << 10]).unwrap();
    assert!(tree_bytes(top).unwrap() >= 2 * one);
}

#[test]
fn a_tree_as_deep_as_it_likes_has_a_size() {
    use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
    let directory = tempfile::tempdir().unwrap();
    let top = directory.path().join("top");
    fs::create_dir(&top).unwrap();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = openat(CWD, &top, flags, Mode::empty()).unwrap();
    for _ in 0..200 {
        mkdirat(&at, c"deeper", Mode::RWXU).unwrap();
        // On the way back, the walk meets these.
        mkdirat(&at, c"beside", Mode::RWXU).unwrap();
        at = openat(&at, c"deeper", flags, Mode::empty()).unwrap();
    }
    fs::set_permissions(top.join("deeper/beside"), fs::Permissions::from_mode(0o000)).unwrap();
    drop(at);
    tree_bytes(&top).unwrap();
    crate::remove_tree(&top).unwrap();
}

#[tokio::test]
async fn a_thousand_snapshots_are_listed_and_found() {
    let scene = Scene::new();
    drop(scene.open().await);
    for number in 0..1000 {
        let recipe = recipe(&format!("env_{}", number % 50))
            .part(crate::Part::Variable("N".into()), number.to_string());
        let place = scene
            .path("snapshots")
            .join(format!("{}.{number}", recipe.key()));
        fs::create_dir_all(place.join("data/root")).unwrap();
        let meta = Meta {
            key: recipe.key(),
            recipe,
            built_at: scene.now() - number,
            reason: "first time".to_owned(),
            size_bytes: 4096,
            volumes: vec!["root".to_owned()],
            boot_id: scene.config.boot_id.clone(),
            payload: json!(null),
        };
        fs::write(place.join("meta.json"), serde_json::to_vec(&meta).unwrap()).unwrap();
    }
    let cache = scene.open().await;
    let list = cache.list();
    assert_eq!(list.len(), 1000);
    let sorted = list.is_sorted_by_key(|info| (info.scope.clone(), -info.built_at));
    assert!(sorted);
    for info in list.iter().step_by(100) {
        let number = scene.now() - info.built_at;
        let recipe =
            recipe(&info.scope).part(crate::Part::Variable("N".into()), number.to_string());
        assert!(matches!(acquire(&cache, &recipe).await, Acquired::Ready(_)));
    }
    assert_eq!(cache.reset(Some("env_7")).await.snapshots, 20);
    assert_eq!(cache.list().len(), 980);
    cache.settled().await;
    assert_eq!(scene.on_disk().named, 980);
    drop(builder(&cache, &recipe("other")).await);
}

/// The test below runs it in a mount namespace of its own, where temporary files lie on a disk of 512 KiB.
#[tokio::test]
#[ignore = "run by another test"]
async fn on_a_small_disk() {
    let scene = Scene::new();
    let cache = scene.open().await;
    drop(build(&cache, &recipe("env_1"), 100).await);
    let building = builder(&cache, &recipe("env_2")).await;
    let root = building.dir().join("root");
    fs::create_dir(&root).unwrap();
    let full = fs::write(root.join("file"), vec![1; 1 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let error = building.commit(json!(null)).await.unwrap_err();
    match &*error {
        CommitError::Cache(CacheError::DiskFull { .. }) => {}
        other => panic!("{other}"),
    }
    // What it had written is gone, and with one more snapshot given up there is room.
    assert_eq!(
        cache.prune(500 * KIB).await.unwrap().snapshots,
        1,
        "everything else was removed"
    );
    drop(build(&cache, &recipe("env_2"), 300).await);
}

#[test]
fn a_build_that_fills_the_disk_fails_clearly_and_leaves_nothing() {
    let disk = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=512k none \"$TMPDIR\" && exec \"$0\" \"$@\"";
    let mut command = std::process::Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
    command.arg(std::env::current_exe().unwrap());
    command.args(["--exact", "tests::room::on_a_small_disk", "--ignored"]);
    let output = command.env("TMPDIR", disk.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{output:?}"
    );
}
