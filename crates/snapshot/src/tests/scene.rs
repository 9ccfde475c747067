//! A directory, a clock and a machine that can be restarted.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::place::children;
use crate::{Acquired, Builder, Cache, CacheConfig, Lease, Part, Recipe};

pub(super) const HOUR_MS: i64 = 3_600_000;

pub(super) struct Scene {
    directory: TempDir,
    now: Arc<AtomicI64>,
    pub(super) config: CacheConfig,
}

impl Scene {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let now = Arc::new(AtomicI64::new(1_700_000_000_000));
        let clock = Arc::clone(&now);
        let config = CacheConfig {
            root: directory.path().join("cache"),
            ttl: Duration::from_secs(12 * 3600),
            max_bytes: 1 << 30,
            now: Arc::new(move || clock.load(Ordering::SeqCst)),
            boot_id: "first boot".to_owned(),
            // The tests that need it ask for it: a sync of the whole machine takes its time.
            sync_after: Duration::from_secs(3600),
        };
        Self {
            directory,
            now,
            config,
        }
    }

    pub(super) async fn open(&self) -> Cache<String> {
        Cache::open(self.config.clone()).await.unwrap()
    }

    /// What a process that ended now would leave behind, read by the next one.
    pub(super) async fn reopen(&self, cache: Cache<String>) -> Cache<String> {
        cache.settled().await;
        drop(cache);
        self.open().await
    }

    pub(super) fn pass(&self, milliseconds: i64) {
        self.now.fetch_add(milliseconds, Ordering::SeqCst);
    }

    pub(super) fn now(&self) -> i64 {
        self.now.load(Ordering::SeqCst)
    }

    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.config.root.join(below)
    }

    pub(super) fn outside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What is on the disk: snapshots that have a name, those that have none any more, and everything unfinished.
    pub(super) fn on_disk(&self) -> OnDisk {
        on_disk(&self.config.root)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct OnDisk {
    pub(super) named: usize,
    pub(super) unnamed: usize,
    pub(super) unfinished: usize,
}

pub(super) fn on_disk(root: &Path) -> OnDisk {
    let snapshots = children(&root.join("snapshots"));
    let named = snapshots
        .iter()
        .filter(|path| path.join("meta.json").exists())
        .count();
    OnDisk {
        named,
        unnamed: snapshots.len() - named,
        unfinished: children(&root.join("building")).len() + children(&root.join("trash")).len(),
    }
}

pub(super) fn recipe(scope: &str) -> Recipe {
    Recipe::new(scope)
        .part(Part::BaseImage, "sha256:1")
        .part(Part::SetupScript, "npm ci")
}

/// A recipe of its own for each number.
pub(super) fn numbered(number: u32) -> Recipe {
    recipe("env_1").part(Part::Variable("NUMBER".into()), number.to_string())
}

pub(super) async fn acquire(cache: &Cache<String>, recipe: &Recipe) -> Acquired<String> {
    cache.acquire(recipe, "a test", |_| {}).await.unwrap()
}

pub(super) async fn builder(cache: &Cache<String>, recipe: &Recipe) -> Builder<String> {
    match acquire(cache, recipe).await {
        Acquired::Build(builder) => builder,
        Acquired::Ready(lease) => panic!("there is one already: {lease:?}"),
    }
}

pub(super) async fn ready(cache: &Cache<String>, recipe: &Recipe) -> Lease {
    match acquire(cache, recipe).await {
        Acquired::Ready(lease) => lease,
        Acquired::Build(builder) => panic!("there is none: {}", builder.reason()),
    }
}

/// Why `recipe` would have to be built.
pub(super) async fn why(cache: &Cache<String>, recipe: &Recipe) -> String {
    builder(cache, recipe).await.reason().to_string()
}

/// Writes a tree of about `kib` KiB and keeps it.
pub(super) async fn finish(builder: Builder<String>, kib: usize) -> Lease {
    let root = builder.dir().join("root");
    fs::create_dir_all(root.join("home")).unwrap();
    fs::write(root.join("home/file"), vec![1; kib * 1024]).unwrap();
    builder.commit(json!({"kib": kib})).await.unwrap()
}

pub(super) async fn build(cache: &Cache<String>, recipe: &Recipe, kib: usize) -> Lease {
    finish(builder(cache, recipe).await, kib).await
}
