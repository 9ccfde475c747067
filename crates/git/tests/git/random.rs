//! Work and scripts that nobody thought of: random steps on few names, so that files, folders and links take each other's places.

use crate::fixture::{Asked, BELOW, Files, Snapshot, World, files_in, files_of, put};
use outwork_git::{CommitId, DiffLimits, Place};
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// The same numbers every time.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }

    fn path(&mut self, root: &Path) -> PathBuf {
        let mut path = root.to_owned();
        for _ in 0..=self.below(3) {
            path.push(["a", "b", "c", "d"][self.below(4)]);
        }
        path
    }

    /// One step; that it may fail is part of it.
    fn step(&mut self, root: &Path) {
        let (path, other) = (self.path(root), self.path(root));
        let content = ["", "1\n", "2\n", "3\n", "4\n"][self.below(5)];
        match self.below(10) {
            0..=2 => {
                let _ = fs::create_dir_all(path.parent().expect("has a parent"));
                let _ = fs::write(path, content);
            }
            3 => drop(fs::remove_file(path)),
            4 => drop(fs::remove_dir_all(path)),
            5 => {
                remove(&path);
                let _ = fs::create_dir_all(path.join("a"));
                let _ = fs::write(path.join("b"), content);
            }
            6 => {
                remove(&path);
                let _ = symlink("../b", path);
            }
            7 => drop(fs::rename(path, other)),
            8 => drop(fs::hard_link(path, other)),
            _ => {
                if path.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
                    let mode = [0o644, 0o755, 0o600][self.below(3)];
                    let _ = fs::set_permissions(path, fs::Permissions::from_mode(mode));
                }
            }
        }
    }
}

fn remove(path: &Path) {
    let _ = fs::remove_file(path);
    let _ = fs::remove_dir_all(path);
}

/// A tree of random files, and then others.
fn grow(dice: &mut Dice, root: &Path) {
    for _ in 0..12 {
        let path = dice.path(root);
        if fs::create_dir_all(path.parent().expect("has a parent")).is_ok() && !path.exists() {
            let _ = fs::write(&path, ["1\n", "2\n", "3\n"][dice.below(3)]);
        }
    }
}

struct Scene {
    world: World,
    snapshot: Snapshot,
    second: CommitId,
}

async fn scene(dice: &mut Dice) -> Scene {
    let world = World::new();
    put(&world.upstream(), "always", "1\n");
    grow(dice, &world.upstream());
    let first = world.commit("first");
    for _ in 0..6 {
        dice.step(&world.upstream());
    }
    let second = world.commit("second");
    let cold = world.cold("snapshot", &first, &Asked::MAIN).await;
    // A script's own, and what it did to tracked files.
    grow(dice, cold.directory());
    for _ in 0..4 {
        dice.step(cold.directory());
    }
    let snapshot = world.keep("snapshot", cold).await;
    let tracked = files_of(&world.upstream(), first.as_str());
    let sealed = files_in(&snapshot.root.join(BELOW));
    for (path, entry) in &tracked {
        assert_eq!(
            sealed.get(path),
            Some(entry),
            "sealed: {}",
            path.escape_ascii()
        );
    }
    Scene {
        world,
        snapshot,
        second,
    }
}

/// What git tracks in the snapshot.
fn tracked_below(world: &World, snapshot: &Snapshot) -> Files {
    files_of(&world.upstream(), snapshot.checkout.commit().as_str())
}

/// Whether a layer has something at this path, or hides it.
fn is_in(layer: &Path, path: &[u8]) -> bool {
    let path = layer.join(std::str::from_utf8(path).expect("ASCII"));
    path.symlink_metadata()
        .is_ok_and(|meta| !meta.file_type().is_char_device())
}

#[tokio::test]
async fn random_work_comes_back_exactly() {
    for seed in 0..25 {
        let mut dice = Dice(seed);
        let Scene {
            world,
            snapshot,
            second,
        } = scene(&mut dice).await;
        let attempt = world
            .attempt("tree", &second, &snapshot, &Asked::MAIN)
            .await;
        let start = files_of(&world.upstream(), second.as_str());
        let found = files_in(attempt.directory());
        for (path, entry) in &start {
            assert_eq!(
                found.get(path),
                Some(entry),
                "{seed}: {}",
                path.escape_ascii()
            );
        }
        for path in tracked_below(&world, &snapshot).keys() {
            let is_hidden = start.contains_key(path) || !found.contains_key(path);
            assert!(is_hidden, "{seed}: {}", path.escape_ascii());
        }
        if !attempt.is_mounted() {
            return;
        }
        // A checkpoint now and then.
        for _ in 0..3 {
            for _ in 0..8 {
                dice.step(attempt.directory());
            }
            let mut wanted: Files = files_in(attempt.directory());
            let layer = attempt.upper.join(BELOW);
            wanted.retain(|path, (mode, _)| {
                mode != "040000" && (start.contains_key(path) || is_in(&layer, path))
            });
            let diff = attempt.diff(&DiffLimits::default()).await.expect("a diff");
            let git_dir = world.path("tree.attempt/git");
            assert_eq!(files_of(&git_dir, diff.tree.as_str()), wanted, "{seed}");
            assert_eq!(diff.warnings, [], "{seed}");
        }
    }
}

#[tokio::test]
async fn random_scripts_change_no_tracked_file() {
    for seed in 1000..1025 {
        let mut dice = Dice(seed);
        let Scene {
            world,
            snapshot,
            second,
        } = scene(&mut dice).await;
        let shown = world
            .attempt("script", &second, &snapshot, &Asked::MAIN)
            .await;
        if !shown.is_mounted() {
            return;
        }
        for _ in 0..15 {
            dice.step(shown.directory());
        }
        let after = files_in(shown.directory());
        let upper = shown.upper.clone();
        let mut over = shown.unmounted();
        let place = Place::new(&upper, BELOW);
        over.restore_tracked(&place).await.expect("put back");
        let attempt = world.show("agent", over, &snapshot, &[&upper]);
        let found = files_in(attempt.directory());
        let start = files_of(&world.upstream(), second.as_str());
        for (path, entry) in &start {
            assert_eq!(
                found.get(path),
                Some(entry),
                "{seed}: {}",
                path.escape_ascii()
            );
        }
        // What is not in the way of a tracked file stays.
        let is_in_the_way = |path: &[u8]| {
            let below = |a: &[u8], b: &[u8]| {
                a.strip_prefix(b)
                    .is_some_and(|rest| rest.first() == Some(&b'/'))
            };
            start
                .keys()
                .any(|known| below(known, path) || below(path, known) || known == path)
        };
        for (path, entry) in after.iter().filter(|(path, _)| !is_in_the_way(path)) {
            assert_eq!(
                found.get(path),
                Some(entry),
                "{seed}: {}",
                path.escape_ascii()
            );
        }
        let diff = attempt.diff(&DiffLimits::default()).await.expect("a diff");
        assert_eq!(diff.patch, b"", "{seed}");
    }
}
