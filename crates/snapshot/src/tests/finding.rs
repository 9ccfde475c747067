//! What is found again, and why something is not.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use serde_json::json;

use super::scene::{
    HOUR_MS, OnDisk, Scene, build, builder, finish, numbered, on_disk, ready, recipe, why,
};
use crate::{CommitError, Counters, Key, Part, Removed, SnapshotInfo};

#[tokio::test]
async fn what_was_built_is_found_until_it_is_too_old() {
    let scene = Scene::new();
    let cache = scene.open().await;
    let built = build(&cache, &recipe("env_1"), 8).await;
    assert_eq!(built.reason_built(), "first time");
    assert_eq!(built.volumes(), ["root"]);
    assert!(!scene.path("building").join("x").exists());
    scene.pass(12 * HOUR_MS);
    let found = ready(&cache, &recipe("env_1")).await;
    assert_eq!(found.dir(), built.dir());
    assert_eq!(found.payload(), &json!({"kib": 8}));
    assert_eq!(found.age(), Duration::from_secs(12 * 3600));
    assert_eq!((found.hits(), found.given_up()), (1, None));
    let file = fs::read(found.dir().join("root/home/file")).unwrap();
    assert_eq!(file.len(), 8 * 1024);
    drop((built, found));

    scene.pass(1);
    let late = builder(&cache, &recipe("env_1")).await;
    assert_eq!(late.reason().to_string(), "expired after 12 h");
    drop(late);
    cache.settled().await;
    let nothing = OnDisk {
        named: 0,
        unnamed: 0,
        unfinished: 0,
    };
    assert_eq!(scene.on_disk(), nothing);
    // The reason outlives the process, too.
    let cache = scene.reopen(cache).await;
    assert_eq!(why(&cache, &recipe("env_1")).await, "expired after 12 h");
}

#[tokio::test]
async fn a_clock_that_was_put_back_keeps_nothing_for_ever() {
    let scene = Scene::new();
    let cache = scene.open().await;
    drop(build(&cache, &recipe("env_1"), 1).await);
    scene.pass(-HOUR_MS);
    assert_eq!(ready(&cache, &recipe("env_1")).await.age(), Duration::ZERO);
    scene.pass(-12 * HOUR_MS);
    assert_eq!(why(&cache, &recipe("env_1")).await, "expired after 12 h");
}

#[tokio::test]
async fn every_part_makes_another_snapshot_and_the_reason_names_it() {
    let scene = Scene::new();
    let cache = scene.open().await;
    drop(build(&cache, &recipe("env_1"), 1).await);
    let cases = [
        (Part::LayoutVersion, "layout of snapshots added"),
        (Part::BaseImage, "base image changed"),
        (Part::Runtime("node".into()), "runtime node added"),
        (Part::Repository("web".into()), "repository web added"),
        (Part::SetupScript, "setup script changed"),
        (Part::MaintenanceScript, "maintenance script added"),
        (Part::Variable("FOO".into()), "variable FOO added"),
        (Part::Secret("TOKEN".into()), "secret TOKEN added"),
        (Part::ResetCounter, "cache was reset"),
    ];
    for (part, said) in cases {
        let changed = recipe("env_1").part(part, "2");
        assert_eq!(why(&cache, &changed).await, said);
    }
    assert_eq!(why(&cache, &recipe("env_2")).await, "first time");
    // None of these was built, so the comparison is still with the first; it is still there.
    drop(ready(&cache, &recipe("env_1")).await);
}

#[tokio::test]
async fn several_recipes_of_a_scope_live_side_by_side() {
    let scene = Scene::new();
    let cache = scene.open().await;
    for number in 0..3 {
        drop(build(&cache, &numbered(number), 1).await);
    }
    let cache = scene.reopen(cache).await;
    for number in 0..3 {
        drop(ready(&cache, &numbered(number)).await);
    }
    let counters = Counters {
        scope: "env_1".to_owned(),
        hits: 3,
        builds: 3,
    };
    assert_eq!(cache.counters(), [counters]);
}

#[tokio::test]
async fn the_list_and_the_counts_outlive_the_process() {
    let scene = Scene::new();
    let cache = scene.open().await;
    let mut changed = cache.changed();
    changed.mark_unchanged();
    let built = build(&cache, &recipe("env_1"), 64).await;
    assert!(changed.has_changed().unwrap());
    scene.pass(1000);
    let found = ready(&cache, &recipe("env_1")).await;
    let info = |hits, in_use| SnapshotInfo {
        key: recipe("env_1").key(),
        scope: "env_1".to_owned(),
        built_at: scene.now() - 1000,
        last_used_at: scene.now(),
        size_bytes: built.size_bytes(),
        hits,
        in_use,
        reason_built: "first time".to_owned(),
        parts: vec![Part::BaseImage, Part::SetupScript],
        payload: json!({"kib": 64}),
    };
    assert_eq!(cache.list(), [info(1, 2)]);
    let again = found.clone();
    drop(found);
    assert_eq!(cache.list(), [info(1, 2)]);
    drop(again);
    assert_eq!(cache.list(), [info(1, 1)]);
    let expected = info(1, 0);
    drop(built);
    let cache = scene.reopen(cache).await;
    assert_eq!(cache.list(), [expected]);
}

#[tokio::test]
async fn a_snapshot_that_was_damaged_is_built_again_and_the_reason_says_how() {
    let data = |lease: &crate::Lease| lease.dir().to_owned();
    type Damage = fn(&std::path::Path);
    let cases: [(Damage, &str); 5] = [
        (
            |data| fs::remove_file(data.with_file_name("meta.json")).unwrap(),
            "broken: its description is gone",
        ),
        (
            |data| fs::write(data.with_file_name("meta.json"), "{\"key\":").unwrap(),
            "broken: its description is damaged: EOF while parsing a value at line 1 column 7",
        ),
        (
            |data| {
                let path = data.with_file_name("meta.json");
                let text = fs::read_to_string(&path).unwrap();
                fs::write(path, text.replace("env_1", "env_2")).unwrap();
            },
            "broken: its description belongs to another key",
        ),
        (
            |data| fs::remove_dir_all(data.join("root")).unwrap(),
            "broken: its directory root cannot be read: No such file or directory (os error 2)",
        ),
        (
            |data| {
                fs::rename(data.join("root"), data.join("moved")).unwrap();
                symlink("moved", data.join("root")).unwrap();
            },
            "broken: root is not a directory",
        ),
    ];
    for (damage, said) in cases {
        // Found so by the process that built it, and by the next one.
        for reopens in [false, true] {
            let scene = Scene::new();
            let mut cache = scene.open().await;
            damage(&data(&build(&cache, &recipe("env_1"), 1).await));
            if reopens {
                cache = scene.reopen(cache).await;
            }
            let rebuild = builder(&cache, &recipe("env_1")).await;
            assert_eq!(rebuild.reason().to_string(), said);
            let rebuilt = finish(rebuild, 1).await;
            assert_eq!(rebuilt.reason_built(), said);
            drop(rebuilt);
            drop(ready(&cache, &recipe("env_1")).await);
            cache.settled().await;
            assert_eq!(on_disk(&scene.config.root).named, 1);
        }
    }
}

#[tokio::test]
async fn what_was_not_on_the_disk_when_the_machine_stopped_is_built_again() {
    let mut scene = Scene::new();
    let cache = scene.open().await;
    drop(build(&cache, &recipe("env_1"), 1).await);
    // The process alone may end as it likes.
    let cache = scene.reopen(cache).await;
    drop(ready(&cache, &recipe("env_1")).await);
    cache.settled().await;
    drop(cache);
    scene.config.boot_id = "second boot".to_owned();
    scene.config.sync_after = Duration::ZERO;
    let cache = scene.open().await;
    let rebuild = builder(&cache, &recipe("env_1")).await;
    assert_eq!(
        rebuild.reason().to_string(),
        "broken: the machine stopped before it was on the disk"
    );
    drop(finish(rebuild, 1).await);
    cache.synced().await;
    cache.settled().await;
    drop(cache);
    scene.config.boot_id = "third boot".to_owned();
    let cache = scene.open().await;
    drop(ready(&cache, &recipe("env_1")).await);
}

#[tokio::test]
async fn a_process_that_takes_over_syncs_what_the_last_one_did_not() {
    let mut scene = Scene::new();
    let cache = scene.open().await;
    drop(build(&cache, &recipe("env_1"), 1).await);
    scene.config.sync_after = Duration::ZERO;
    let cache = scene.reopen(cache).await;
    cache.synced().await;
    drop(cache);
    scene.config.boot_id = "second boot".to_owned();
    drop(ready(&scene.open().await, &recipe("env_1")).await);
}

#[tokio::test]
async fn single_snapshots_and_whole_scopes_are_reset() {
    let scene = Scene::new();
    let cache = scene.open().await;
    for number in 0..3 {
        drop(build(&cache, &numbered(number), 1).await);
    }
    drop(build(&cache, &recipe("env_2"), 1).await);
    let removed = cache
        .drop_keys(&[numbered(1).key(), recipe("none").key()])
        .await;
    assert_eq!(removed.snapshots, 1);
    assert!(removed.size_bytes > 0);
    assert_eq!(cache.reset(Some("env_1")).await.snapshots, 2);
    assert_eq!(cache.reset(Some("env_1")).await, Removed::default());
    drop(ready(&cache, &recipe("env_2")).await);
    let cache = scene.reopen(cache).await;
    for number in 0..3 {
        assert_eq!(why(&cache, &numbered(number)).await, "cache was reset");
    }
    assert_eq!(cache.reset(None).await.snapshots, 1);
    assert_eq!(why(&cache, &recipe("env_2")).await, "cache was reset");
    assert_eq!(cache.list(), []);
}

#[tokio::test]
async fn only_directories_can_be_kept_and_only_with_a_short_description() {
    let scene = Scene::new();
    let cache = scene.open().await;
    let empty = builder(&cache, &recipe("env_1")).await;
    let error = empty.commit(json!(null)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "a snapshot consists of directories, and there is none"
    );
    let file = builder(&cache, &recipe("env_1")).await;
    fs::create_dir(file.dir().join("root")).unwrap();
    symlink("/", file.dir().join("opt")).unwrap();
    let error = file.commit(json!(null)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "a snapshot consists of directories, and opt is none"
    );
    let long = builder(&cache, &recipe("env_1")).await;
    fs::create_dir(long.dir().join("root")).unwrap();
    let error = long.commit(json!("x".repeat(2 << 20))).await.unwrap_err();
    assert!(matches!(*error, CommitError::PayloadTooLarge { .. }));
    cache.settled().await;
    let nothing = OnDisk {
        named: 0,
        unnamed: 0,
        unfinished: 0,
    };
    assert_eq!(scene.on_disk(), nothing);
}

#[tokio::test]
async fn a_scope_can_be_called_anything() {
    let scene = Scene::new();
    let cache = scene.open().await;
    let odd = recipe("../../\u{0}\n\"ü/");
    drop(build(&cache, &odd, 1).await);
    let cache = scene.reopen(cache).await;
    drop(ready(&cache, &odd).await);
    assert_eq!(cache.list()[0].scope, "../../\u{0}\n\"ü/");
    assert_eq!(Key::parse(cache.list()[0].key.as_str()), Ok(odd.key()));
}

#[tokio::test]
async fn counts_that_cannot_be_read_cost_no_snapshot() {
    let scene = Scene::new();
    let cache = scene.open().await;
    drop(build(&cache, &recipe("env_1"), 1).await);
    cache.settled().await;
    drop(cache);
    for path in crate::place::children(&scene.path("scopes")) {
        fs::write(path, "").unwrap();
    }
    let cache = scene.open().await;
    drop(ready(&cache, &recipe("env_1")).await);
    assert_eq!(cache.counters()[0].hits, 1);
}
