//! What an agent may leave behind to harm the host that takes the diff. After each attack:
//! no program of the agent's has run (EXEC), nothing from outside the tree is in the diff (LEAK), the agent's real change is in it (HIDE), what
//! lies outside is as it was (WRITE), and it ends in time (HANG).

mod bounds;
mod list;
mod racing;

use crate::fixture::{World, picture, put};
use list::Attack;
use outwork_git::{Diff, DiffLimits};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SECRET: &str = "hunter2-outside-the-tree";

/// Where an attack happens.
pub struct Scene {
    /// The working tree of the agent.
    pub tree: PathBuf,
    /// A program that leaves `executed` behind.
    pub program: PathBuf,
    /// A folder outside with a file `secret`, and copies of names in the tree.
    pub outside: PathBuf,
}

fn upstream() -> World {
    let world = World::with_files(&[
        ("README", "read me\n"),
        ("src/main.txt", "one\ntwo\n"),
        ("src/other.txt", "other\n"),
        ("docs/a.txt", "a\n"),
        (".gitignore", "target/\n"),
    ]);
    let submodule = format!("160000,{},sub", "1".repeat(40));
    crate::fixture::git_in(
        &world.upstream(),
        &["update-index", "--add", "--cacheinfo", &submodule],
    );
    crate::fixture::git_in(&world.upstream(), &["commit", "-q", "-m", "sub"]);
    world
}

fn scene(world: &World, tree: &Path) -> Scene {
    let (program, outside) = (world.path("program"), world.path("outside"));
    put(
        world.dir.path(),
        "program",
        format!(
            "#!/bin/sh\ntouch {}\ncat\n",
            world.path("executed").display()
        ),
    );
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("set");
    put(&outside, "secret", SECRET);
    put(&outside, "main.txt", SECRET);
    put(&outside, "other.txt", SECRET);
    put(&outside, ".gitignore", "*\n");
    Scene {
        tree: tree.to_owned(),
        program,
        outside,
    }
}

/// The change that must come out, whatever else is done.
fn honest_change(tree: &Path) {
    put(tree, "src/main.txt", "one\nTWO\n");
    put(tree, "evil.txt", "added\n");
}

fn paths(diff: &Diff) -> Vec<String> {
    diff.files
        .iter()
        .map(|file| String::from_utf8_lossy(&file.path).into_owned())
        .collect()
}

async fn suffer(attack: &Attack) {
    let world = upstream();
    let checkout = world.checkout("tree", &world.head()).await;
    let scene = scene(&world, checkout.directory());
    honest_change(&scene.tree);
    (attack.act)(&scene);
    let outside = picture(&scene.outside);
    let limits = DiffLimits {
        time: Duration::from_secs(20),
        ..DiffLimits::default()
    };
    let diff = tokio::time::timeout(Duration::from_secs(30), checkout.diff(&limits)).await;
    let diff = diff
        .unwrap_or_else(|_| panic!("HANG: {}", attack.name))
        .unwrap_or_else(|fault| panic!("{}: {fault:?}", attack.name));
    assert!(!world.path("executed").exists(), "EXEC: {}", attack.name);
    assert!(
        !String::from_utf8_lossy(&diff.patch).contains(SECRET),
        "LEAK: {}",
        attack.name
    );
    assert_eq!(picture(&scene.outside), outside, "WRITE: {}", attack.name);
    let seen = paths(&diff);
    for path in attack.shown {
        assert!(
            seen.iter().any(|seen| seen == path),
            "HIDE: {} does not show {path} but {seen:?}",
            attack.name
        );
    }
    for path in attack.absent {
        assert!(
            !seen.iter().any(|seen| seen == path),
            "{} shows {path}",
            attack.name
        );
    }
    let warnings: Vec<String> = diff.warnings.iter().map(ToString::to_string).collect();
    for text in attack.warned {
        assert!(
            warnings.iter().any(|warning| warning.contains(text)),
            "{} does not warn of {text} but {warnings:?}",
            attack.name
        );
    }
}

async fn suffer_all(attacks: Vec<Attack>, least: usize) {
    assert!(attacks.len() >= least, "{}", attacks.len());
    for attack in &attacks {
        suffer(attack).await;
    }
}

#[tokio::test]
async fn programs_that_git_would_start() {
    suffer_all(list::configuration(), 14).await;
}

#[tokio::test]
async fn other_places_put_in_the_way() {
    suffer_all(list::redirection(), 18).await;
}

#[tokio::test]
async fn changes_to_be_overlooked() {
    suffer_all(list::hiding(), 22).await;
}

#[tokio::test]
async fn names_to_be_misread() {
    suffer_all(list::names(), 4).await;
}

#[tokio::test]
async fn special_files() {
    suffer_all(list::special_files(), 15).await;
}

#[tokio::test]
async fn hostile_submodules() {
    suffer_all(list::submodules(), 8).await;
}
