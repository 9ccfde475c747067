//! Too much of everything: the diff says what was too much, soon, and never a part of the change in place of the whole.

use super::{honest_change, scene, upstream};
use crate::fixture::put;
use outwork_git::{Diff, DiffError, DiffLimits, WalkError};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Far more than any of these takes, and less than it would take to read all.
const SOON: Duration = Duration::from_secs(60);

async fn diff_of(act: impl FnOnce(&Path), limits: DiffLimits) -> Result<Diff, DiffError> {
    let world = upstream();
    let checkout = world.checkout("tree", &world.head()).await;
    let scene = scene(&world, checkout.directory());
    honest_change(&scene.tree);
    act(&scene.tree);
    let begun = Instant::now();
    let diff = checkout.diff(&limits).await;
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    diff
}

fn many_files(tree: &Path) {
    for number in 0..3000 {
        put(tree, &format!("many/{}/{number}", number % 30), "x");
    }
}

#[tokio::test]
async fn more_files_than_may_be_looked_at() {
    let limits = DiffLimits {
        max_entries: 2000,
        ..DiffLimits::default()
    };
    let fault = diff_of(many_files, limits.clone()).await.expect_err("many");
    assert!(
        matches!(
            fault,
            DiffError::Walk(WalkError::TooManyEntries { limit: 2000 })
        ),
        "{fault:?}"
    );
    // In one folder as well, whose names are not all taken into memory.
    let flat = |tree: &Path| {
        for number in 0..3000 {
            put(tree, &format!("many/{number}"), "x");
        }
    };
    let fault = diff_of(flat, limits).await.expect_err("many");
    assert!(
        matches!(
            fault,
            DiffError::Walk(WalkError::TooManyEntries { limit: 2000 })
        ),
        "{fault:?}"
    );
}

#[tokio::test]
async fn more_bytes_than_may_be_read() {
    let limits = DiffLimits {
        max_total_bytes: 4 << 20,
        ..DiffLimits::default()
    };
    let large = |tree: &Path| {
        for number in 0..8 {
            put(tree, &format!("large/{number}"), vec![b'x'; 1 << 20]);
        }
    };
    let fault = diff_of(large, limits).await.expect_err("too much");
    assert!(
        matches!(fault, DiffError::Walk(WalkError::TooMuch { limit_bytes, .. }) if limit_bytes == 4 << 20),
        "{fault:?}"
    );
}

/// Small files can make a large patch, and long names as well.
#[tokio::test]
async fn a_larger_patch_than_may_be_kept() {
    let limits = DiffLimits {
        max_patch_bytes: 100_000,
        ..DiffLimits::default()
    };
    let noise = |tree: &Path| {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut byte = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_be_bytes()[0]
        };
        let noise: Vec<u8> = (0..200_000).map(|_| byte()).collect();
        put(tree, "noise", noise);
    };
    let fault = diff_of(noise, limits.clone()).await.expect_err("large");
    assert!(
        matches!(
            fault,
            DiffError::PatchTooLarge {
                limit_bytes: 100_000
            }
        ),
        "{fault:?}"
    );
    let names = |tree: &Path| {
        for number in 0..300 {
            let long = "n".repeat(200);
            put(tree, &format!("{long}/{number}"), "");
        }
    };
    let fault = diff_of(names, limits).await.expect_err("long");
    assert!(
        matches!(fault, DiffError::Walk(WalkError::TooMuch { .. })),
        "{fault:?}"
    );
}

/// Time that is up ends the walk wherever it stands: here before its first file.
#[tokio::test]
async fn more_time_than_there_is() {
    let limits = DiffLimits {
        time: Duration::ZERO,
        ..DiffLimits::default()
    };
    let fault = diff_of(many_files, limits).await.expect_err("late");
    assert!(
        matches!(fault, DiffError::Walk(WalkError::TimedOut { limit_ms: 0 })),
        "{fault:?}"
    );
}

/// Rules that take for ever to compare end with the time that a diff has, also when there are files for an hour of them.
#[tokio::test]
async fn rules_that_are_slow_for_every_file() {
    let limits = DiffLimits {
        time: Duration::from_secs(2),
        ..DiffLimits::default()
    };
    let slow = |tree: &Path| {
        let rule = format!("{}x\n", "**/a*b*".repeat(40));
        put(tree, "slow/.gitignore", rule.repeat(500));
        let name = "ab".repeat(100);
        for number in 0..400 {
            let folder = tree.join(format!("slow/{name}/{name}/{number}"));
            fs::create_dir_all(&folder).expect("folders");
            fs::write(folder.join(&name), "x").expect("a file");
        }
    };
    match diff_of(slow, limits).await {
        Ok(diff) => assert!(diff.files.iter().any(|file| file.path == b"evil.txt")),
        Err(DiffError::Walk(WalkError::TimedOut { .. })) => {}
        Err(fault) => panic!("{fault:?}"),
    }
}
