//! Whoever has a lease keeps the tree, whatever becomes of the snapshot.

use std::fs;

use super::scene::{HOUR_MS, OnDisk, Scene, build, builder, finish, ready, recipe, why};

#[tokio::test]
async fn a_tree_in_use_stays_where_it_is_until_the_last_user_is_gone() {
    let scene = Scene::new();
    let cache = scene.open().await;
    let in_use = build(&cache, &recipe("env_1"), 1).await;
    let file = in_use.dir().join("root/home/file");
    let size_bytes = in_use.size_bytes();
    let removed = cache.reset(None).await;
    assert_eq!((removed.snapshots, removed.size_bytes), (1, size_bytes));
    assert_eq!(cache.list(), []);
    assert_eq!(
        in_use.given_up().map(|why| why.to_string()).as_deref(),
        Some("cache was reset")
    );

    // The next one is built beside it, under the same key.
    let next = builder(&cache, &recipe("env_1")).await;
    assert_eq!(next.reason().to_string(), "cache was reset");
    let next = finish(next, 1).await;
    cache.settled().await;
    assert!(file.exists());
    assert_ne!(next.dir(), in_use.dir());
    let both = OnDisk {
        named: 1,
        unnamed: 1,
        unfinished: 0,
    };
    assert_eq!(scene.on_disk(), both);

    let clone = in_use.clone();
    drop(in_use);
    cache.settled().await;
    assert!(file.exists());
    drop(clone);
    assert!(!file.exists());
    cache.settled().await;
    let one = OnDisk {
        named: 1,
        unnamed: 0,
        unfinished: 0,
    };
    assert_eq!(scene.on_disk(), one);
}

#[tokio::test]
async fn expiry_does_not_disturb_who_uses_it() {
    let scene = Scene::new();
    let cache = scene.open().await;
    let in_use = build(&cache, &recipe("env_1"), 1).await;
    scene.pass(13 * HOUR_MS);
    cache.expire();
    assert_eq!(cache.list(), []);
    let next = builder(&cache, &recipe("env_1")).await;
    assert_eq!(next.reason().to_string(), "expired after 12 h");
    cache.settled().await;
    assert!(in_use.dir().join("root/home/file").exists());
    drop((next, in_use));
    cache.settled().await;
    assert_eq!(scene.on_disk().unnamed, 0);
}

#[tokio::test]
async fn what_its_user_finds_broken_is_built_again_once() {
    let scene = Scene::new();
    let cache = scene.open().await;
    drop(build(&cache, &recipe("env_1"), 1).await);
    let user = ready(&cache, &recipe("env_1")).await;
    let other = ready(&cache, &recipe("env_1")).await;
    user.report_broken("node is gone");
    let rebuild = builder(&cache, &recipe("env_1")).await;
    assert_eq!(rebuild.reason().to_string(), "broken: node is gone");
    let rebuilt = finish(rebuild, 1).await;
    // Late news of the old one do not harm the new one.
    other.report_broken("node is gone");
    assert_eq!(ready(&cache, &recipe("env_1")).await.dir(), rebuilt.dir());
    drop((user, other, rebuilt));
    let cache = scene.reopen(cache).await;
    drop(ready(&cache, &recipe("env_1")).await);
}

#[tokio::test]
async fn a_process_that_ends_before_its_users_do_is_swept_up_after() {
    let scene = Scene::new();
    let cache = scene.open().await;
    let in_use = build(&cache, &recipe("env_1"), 1).await;
    cache.reset(None).await;
    let half_built = builder(&cache, &recipe("env_1")).await;
    fs::create_dir(half_built.dir().join("root")).unwrap();
    cache.settled().await;
    // As if it had been killed: nobody cleans up.
    std::mem::forget(in_use);
    std::mem::forget(half_built);
    drop(cache);
    let cache = scene.open().await;
    assert_eq!(why(&cache, &recipe("env_1")).await, "cache was reset");
    cache.settled().await;
    let nothing = OnDisk {
        named: 0,
        unnamed: 0,
        unfinished: 0,
    };
    assert_eq!(scene.on_disk(), nothing);
}

#[test]
fn a_lease_may_be_dropped_after_the_runtime_is_gone() {
    let scene = Scene::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let lease = runtime.block_on(async {
        let cache = scene.open().await;
        let lease = build(&cache, &recipe("env_1"), 1).await;
        cache.reset(None).await;
        lease
    });
    drop(runtime);
    drop(lease);
    assert_eq!(scene.on_disk().unnamed, 0);
}
