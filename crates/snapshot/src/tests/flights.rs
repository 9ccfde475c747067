//! Many want the same snapshot at once.

use std::fs;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::scene::{OnDisk, Scene, acquire, build, builder, finish, ready, recipe, why};
use crate::{AcquireError, Acquired, Cache, CommitError};

type Got = Result<Acquired<String>, AcquireError<String>>;

/// Seven who wait for the builder, once all of them do. What they were told is sent.
async fn waiters(cache: &Cache<String>) -> (JoinSet<Got>, mpsc::UnboundedReceiver<String>) {
    let (told, mut heard) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    for number in 1..8 {
        let (cache, told) = (cache.clone(), told.clone());
        tasks.spawn(async move {
            let label = format!("attempt {number}");
            let wait = |builder: &str| drop(told.send(builder.to_owned()));
            cache.acquire(&recipe("env_1"), &label, wait).await
        });
    }
    for _ in 1..8 {
        assert_eq!(heard.recv().await.as_deref(), Some("a test"));
    }
    (tasks, heard)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_builds_and_everyone_gets_it() {
    let scene = Scene::new();
    let cache = scene.open().await;
    let first = builder(&cache, &recipe("env_1")).await;
    let (tasks, _) = waiters(&cache).await;
    let built = finish(first, 1).await;
    let got: Vec<_> = tasks.join_all().await;
    for got in &got {
        match got {
            Ok(Acquired::Ready(lease)) => assert_eq!(lease.dir(), built.dir()),
            other => panic!("{other:?}"),
        }
    }
    let counters = cache.counters();
    assert_eq!((counters[0].hits, counters[0].builds), (7, 1));
    assert_eq!(cache.list()[0].in_use, 8);
    drop((got, built));
    assert_eq!(cache.list()[0].in_use, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_everyones_and_the_next_one_tries_again() {
    let scene = Scene::new();
    let cache = scene.open().await;
    let first = builder(&cache, &recipe("env_1")).await;
    let (tasks, _) = waiters(&cache).await;
    first.fail("npm ci: exit status 1".to_owned());
    for got in tasks.join_all().await {
        match got {
            Err(AcquireError::Build(error)) => assert_eq!(error, "npm ci: exit status 1"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(why(&cache, &recipe("env_1")).await, "first time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_fails_is_everyones_too() {
    let scene = Scene::new();
    let cache = scene.open().await;
    let first = builder(&cache, &recipe("env_1")).await;
    let (tasks, _) = waiters(&cache).await;
    fs::write(first.dir().join("file"), "").unwrap();
    let error = first.commit(serde_json::json!(null)).await.unwrap_err();
    for got in tasks.join_all().await {
        match got {
            Err(AcquireError::NotKept(shared)) => assert!(Arc::ptr_eq(&shared, &error)),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(*error, CommitError::NotVolumes { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_builder_disappears_one_of_those_who_wait_takes_over() {
    let scene = Scene::new();
    let cache = scene.open().await;
    let first = builder(&cache, &recipe("env_1")).await;
    let (mut tasks, mut heard) = waiters(&cache).await;
    drop(first);
    // One by one, until the last of them builds.
    for left in (1..7).rev() {
        let second = match tasks.join_next().await.unwrap().unwrap() {
            Ok(Acquired::Build(builder)) => builder,
            other => panic!("{other:?}"),
        };
        assert_eq!(second.reason().to_string(), "first time");
        for _ in 0..left {
            assert_eq!(heard.recv().await.as_deref(), Some(second.label()));
        }
        drop(second);
    }
    match tasks.join_next().await.unwrap().unwrap() {
        Ok(Acquired::Build(last)) => drop(finish(last, 1).await),
        other => panic!("{other:?}"),
    }
    drop(ready(&cache, &recipe("env_1")).await);
    cache.settled().await;
    let one = OnDisk {
        named: 1,
        unnamed: 0,
        unfinished: 0,
    };
    assert_eq!(scene.on_disk(), one);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_and_is_cancelled_disturbs_nobody() {
    let scene = Scene::new();
    let cache = scene.open().await;
    let first = builder(&cache, &recipe("env_1")).await;
    let (mut tasks, _) = waiters(&cache).await;
    tasks.shutdown().await;
    drop(finish(first, 1).await);
    assert_eq!(cache.list()[0].in_use, 0);
    assert_eq!(cache.counters()[0].hits, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_goes_through_even_if_nobody_waits_for_it() {
    let scene = Scene::new();
    let cache = scene.open().await;
    let first = builder(&cache, &recipe("env_1")).await;
    fs::create_dir(first.dir().join("root")).unwrap();
    let mut changed = cache.changed();
    let mut commit = Box::pin(first.commit(serde_json::json!(null)));
    // Begun, and given up.
    let begun = std::future::poll_fn(|context| {
        std::task::Poll::Ready(commit.as_mut().poll(context).is_pending())
    });
    assert!(begun.await);
    drop(commit);
    while cache.list().is_empty() {
        changed.changed().await.unwrap();
    }
    drop(ready(&cache, &recipe("env_1")).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_reset_while_it_is_built_serves_only_those_who_waited() {
    let scene = Scene::new();
    let cache = scene.open().await;
    let first = builder(&cache, &recipe("env_1")).await;
    let (tasks, _) = waiters(&cache).await;
    cache.reset(Some("env_1")).await;
    // Who comes now does not wait for the old one.
    let second = builder(&cache, &recipe("env_1")).await;
    let old = finish(first, 1).await;
    assert_eq!(
        old.given_up().map(|why| why.to_string()).as_deref(),
        Some("cache was reset")
    );
    for got in tasks.join_all().await {
        match got {
            Ok(Acquired::Ready(lease)) => assert_eq!(lease.dir(), old.dir()),
            other => panic!("{other:?}"),
        }
    }
    let new = finish(second, 1).await;
    assert_ne!(old.dir(), new.dir());
    assert!(old.dir().join("root").exists());
    drop(old);
    assert_eq!(ready(&cache, &recipe("env_1")).await.dir(), new.dir());
    drop(new);
    cache.settled().await;
    let one = OnDisk {
        named: 1,
        unnamed: 0,
        unfinished: 0,
    };
    assert_eq!(scene.on_disk(), one);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn different_snapshots_do_not_wait_for_each_other() {
    let scene = Scene::new();
    let cache = scene.open().await;
    let first = builder(&cache, &recipe("env_1")).await;
    drop(build(&cache, &recipe("env_2"), 1).await);
    drop(finish(first, 1).await);
    assert!(matches!(
        acquire(&cache, &recipe("env_1")).await,
        Acquired::Ready(_)
    ));
}
