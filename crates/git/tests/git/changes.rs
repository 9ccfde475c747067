//! The user's uncommitted work as a patch.

use crate::fixture::{World, git_bytes, git_fed, git_in, put};
use outwork_git::{Git, Repository};
use std::ffi::OsString;
use std::fs;

#[tokio::test]
async fn uncommitted_work_is_a_patch_and_nothing_is_touched() {
    let world = World::with_files(&[("a", "1\n"), ("b", "1\n"), (".gitignore", "ignored\n")]);
    let tree = world.upstream();
    put(&tree, "a", "1\nchanged\n");
    put(&tree, "staged", "s\n");
    git_in(&tree, &["add", "staged"]);
    put(&tree, "dir/untracked \u{fc}", [0, 159, 146, 150]);
    put(&tree, "ignored", "i\n");
    fs::remove_file(tree.join("b")).expect("removed");
    let status = git_in(&tree, &["status", "--porcelain"]);
    let objects = git_in(&tree, &["count-objects"]);

    let path = std::env::var_os("PATH").expect("PATH is set");
    let git = Git::for_user("git", [(OsString::from("PATH"), path)]);
    let below = Repository::at(git, &tree.join("dir"))
        .await
        .expect("a repository");
    assert!(below.has_changes().await.expect("known"));
    let patch = below.changes().await.expect("a patch");

    assert_eq!(git_in(&tree, &["status", "--porcelain"]), status);
    assert_eq!(git_in(&tree, &["count-objects"]), objects);
    let clone = world.path("clone");
    let from = tree.display().to_string();
    git_in(world.dir.path(), &["clone", "-q", &from, "clone"]);
    assert!(
        git_fed(&clone, &["apply", "--index"], &patch).0,
        "the patch does not apply"
    );
    let names = git_in(&clone, &["ls-files", "-z"]);
    let names: Vec<&str> = names.split_terminator('\0').collect();
    assert_eq!(names, [".gitignore", "a", "dir/untracked \u{fc}", "staged"]);
    assert_eq!(git_bytes(&clone, &["show", ":a"]), b"1\nchanged\n");
}

#[tokio::test]
async fn no_work_is_an_empty_patch() {
    let world = World::with_files(&[("a", "1\n")]);
    let path = std::env::var_os("PATH").expect("PATH is set");
    let git = Git::for_user("git", [(OsString::from("PATH"), path)]);
    let repository = Repository::at(git, &world.upstream())
        .await
        .expect("a repository");
    assert_eq!(repository.changes().await.expect("a patch"), b"");
    assert!(!repository.has_changes().await.expect("known"));
}
