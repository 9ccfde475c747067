//! Applying to the user's own repository.

use crate::fixture::{World, git_fed, git_in, picture, put};
use outwork_git::{ApplyError, DiffLimits, Git, RefName, Repository, RepositoryError, ThreeWay};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

fn users_git(home: &Path) -> Git {
    let path = std::env::var_os("PATH").expect("PATH is set");
    Git::for_user(
        "git",
        [
            (OsString::from("PATH"), path),
            (OsString::from("HOME"), home.into()),
            (OsString::from("GIT_DIR"), OsString::from("/evil")),
        ],
    )
}

async fn repository(world: &World) -> Repository {
    Repository::at(users_git(world.dir.path()), &world.upstream())
        .await
        .expect("a repository")
}

async fn patch_of(world: &World, change: fn(&Path)) -> Vec<u8> {
    let checkout = world.checkout("agent", &world.head()).await;
    change(checkout.directory());
    checkout
        .diff(&DiffLimits::default())
        .await
        .expect("a diff")
        .patch
}

fn files() -> World {
    World::with_files(&[
        ("a.txt", "one\ntwo\nthree\n"),
        ("b.txt", "b\n"),
        ("dir/c.txt", "c\n"),
        ("old", "same\ncontent\nhere\n"),
    ])
}

fn change(tree: &Path) {
    put(tree, "a.txt", "one\nTWO\nthree\n");
    put(tree, "new/file", "n\n");
    fs::remove_file(tree.join("b.txt")).expect("removed");
    fs::rename(tree.join("old"), tree.join("n\u{e4}w \"x\"")).expect("renamed");
    fs::set_permissions(tree.join("dir/c.txt"), fs::Permissions::from_mode(0o755)).expect("set");
}

#[tokio::test]
async fn a_fitting_patch_changes_files_and_not_the_index() {
    let world = files();
    let patch = patch_of(&world, change).await;
    let repository = repository(&world).await;
    put(&world.upstream(), "own", "the user's own\n");
    let plan = repository.preflight(&patch).await.expect("a plan");
    assert!(plan.conflicts.is_empty());
    let index = fs::read(world.upstream().join(".git/index")).expect("an index");
    let applied = repository
        .apply(&patch, ThreeWay::No, "a task")
        .await
        .expect("applies");
    let paths: Vec<_> = applied
        .files
        .iter()
        .map(|path| String::from_utf8_lossy(path).into_owned())
        .collect();
    assert_eq!(
        paths,
        ["a.txt", "b.txt", "dir/c.txt", "new/file", "n\u{e4}w \"x\""]
    );
    assert_eq!(plan.files, applied.files);
    assert_eq!(
        fs::read(world.upstream().join(".git/index")).expect("an index"),
        index
    );
    assert_eq!(
        fs::read_to_string(world.upstream().join("a.txt")).expect("there"),
        "one\nTWO\nthree\n"
    );
    // A second time it does not fit, and says why.
    let before = picture(&world.upstream());
    let fault = repository
        .apply(&patch, ThreeWay::No, "a task")
        .await
        .expect_err("twice");
    let ApplyError::Conflicts { conflicts } = &fault else {
        panic!("{fault:?}")
    };
    assert!(
        conflicts
            .iter()
            .any(|conflict| conflict.path == "a.txt" && conflict.reason == "patch does not apply"),
        "{conflicts:?}"
    );
    assert!(
        conflicts.iter().any(|conflict| conflict.path == "new/file"),
        "{conflicts:?}"
    );
    assert_eq!(picture(&world.upstream()), before);
    assert!(
        repository
            .apply(b"", ThreeWay::No, "a task")
            .await
            .expect("nothing to do")
            .files
            .is_empty()
    );
}

#[tokio::test]
async fn one_conflict_leaves_all_as_it_was_and_three_way_marks_it() {
    let world = files();
    let patch = patch_of(&world, change).await;
    put(&world.upstream(), "a.txt", "one\nzwei\nthree\n");
    world.commit("other");
    let repository = repository(&world).await;
    let before = picture(&world.upstream());
    let fault = repository
        .apply(&patch, ThreeWay::No, "a task")
        .await
        .expect_err("conflict");
    assert_eq!(
        fault.to_string(),
        "the diff does not apply: a.txt: patch does not apply"
    );
    assert_eq!(picture(&world.upstream()), before);
    let applied = repository
        .apply(&patch, ThreeWay::Yes, "a task")
        .await
        .expect("merged");
    assert_eq!(applied.conflicted, [b"a.txt"]);
    let text = fs::read_to_string(world.upstream().join("a.txt")).expect("there");
    assert!(
        text.contains("<<<<<<< ours\nzwei\n=======\nTWO\n>>>>>>> theirs"),
        "{text}"
    );
    assert!(world.upstream().join("new/file").exists());
}

#[tokio::test]
async fn garbage_and_truncated_patches() {
    let world = files();
    let patch = patch_of(&world, change).await;
    let repository = repository(&world).await;
    let before = picture(&world.upstream());
    for bad in [
        b"not a patch\n".to_vec(),
        patch[..patch.len() / 2].to_vec(),
        [&b"\0\xff"[..], &patch[..40]].concat(),
    ] {
        for three_way in [ThreeWay::No, ThreeWay::Yes] {
            let fault = repository
                .apply(&bad, three_way, "a task")
                .await
                .expect_err("refused");
            assert!(matches!(fault, ApplyError::Conflicts { .. }), "{fault:?}");
            assert_eq!(picture(&world.upstream()), before);
        }
    }
}

fn new_file(path: &str) -> String {
    format!(
        "diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+evil\n"
    )
}

#[tokio::test]
async fn nothing_is_written_outside() {
    let link = |name: &str, target: &str| {
        let length = target.len();
        assert!(length > 0);
        format!(
            "diff --git a/{name} b/{name}\nnew file mode 120000\n--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+{target}\n\\ No newline at end of file\n"
        )
    };
    let rename = |from: &str, to: &str| {
        format!(
            "diff --git a/{from} b/{to}\nsimilarity index 100%\nrename from {from}\nrename to {to}\n"
        )
    };
    let vectors = [
        // CVE-2023-23946: a symlink is renamed, then written through
        format!("{}{}", rename("link", "renamed"), new_file("renamed/evil")),
        format!("{}{}", rename("dirlink", "d"), new_file("d/evil")),
        format!("{}{}", link("fresh", "../outside"), new_file("fresh/evil")),
        new_file("link/evil"),
        new_file("dirlink/evil"),
        new_file("../outside/evil"),
        new_file("dir/../../outside/evil"),
        new_file(".git/hooks/post-checkout"),
        new_file(".GIT/config"),
        new_file("dir/.git/config"),
        new_file("git~1/config"),
        "--- /dev/null\n+++ /tmp/outwork-evil\n@@ -0,0 +1 @@\n+evil\n".to_owned(),
        format!("{}{}", rename("a.txt", "../outside/evil"), ""),
        "diff --git a/outfile b/outfile\n--- a/outfile\n+++ b/outfile\n@@ -1 +1 @@\n-secret\n+evil\n".to_owned(),
    ];
    for vector in vectors {
        for three_way in [ThreeWay::No, ThreeWay::Yes] {
            let world = files();
            fs::create_dir(world.path("outside")).expect("a folder");
            put(&world.path("outside"), "target", "secret\n");
            symlink("../outside", world.upstream().join("link")).expect("a link");
            symlink("dir", world.upstream().join("dirlink")).expect("a link");
            symlink("../outside/target", world.upstream().join("outfile")).expect("a link");
            world.commit("links");
            let before = (
                picture(&world.path("outside")),
                picture(&world.upstream()),
                fs::read(world.upstream().join(".git/config")).ok(),
            );
            let refused = repository(&world)
                .await
                .apply(vector.as_bytes(), three_way, "a task")
                .await;
            assert!(!Path::new("/tmp/outwork-evil").exists());
            if vector.starts_with("---") {
                // Without its first part the absolute path is one inside.
                assert!(refused.is_ok() && world.upstream().join("tmp/outwork-evil").exists());
                continue;
            }
            assert!(refused.is_err(), "{vector}");
            let after = (
                picture(&world.path("outside")),
                picture(&world.upstream()),
                fs::read(world.upstream().join(".git/config")).ok(),
            );
            assert_eq!(after, before, "{vector}");
        }
    }
}

#[tokio::test]
async fn a_write_that_fails_half_way_is_taken_back() {
    let world = files();
    let patch = patch_of(&world, change).await;
    // A git that writes a part of a patch and then fails, as on a full disk. All else it hands to the real one.
    let script = "#!/bin/sh\ncase \" $* \" in *\" apply \"*) case \" $* \" in *\" --check \"*|*\" --numstat \"*) ;; *) git \"$@\" --exclude=dir/c.txt; exit 128;; esac;; esac\nexec git \"$@\"\n";
    put(world.dir.path(), "failing-git.sh", script);
    let (written, program) = (world.path("failing-git.sh"), world.path("failing-git"));
    fs::set_permissions(&written, fs::Permissions::from_mode(0o755)).expect("set");
    // By another process: what a test beside this one forks could hold a file of ours open for writing, and then it
    // cannot be executed.
    let copied = Command::new("cp").arg(&written).arg(&program).status();
    assert!(copied.expect("runs").success());
    let path = std::env::var_os("PATH").expect("PATH is set");
    let git = Git::for_user(
        program,
        [
            (OsString::from("PATH"), path),
            (OsString::from("HOME"), world.dir.path().into()),
        ],
    );
    let repository = Repository::at(git, &world.upstream())
        .await
        .expect("a repository");
    let before = picture(&world.upstream());
    let fault = repository
        .apply(&patch, ThreeWay::No, "a task")
        .await
        .expect_err("fails");
    assert!(matches!(fault, ApplyError::NotWritten { .. }), "{fault:?}");
    assert_eq!(picture(&world.upstream()), before);
    assert!(!world.upstream().join("new").exists(), "a folder is left");
    assert_eq!(git_in(&world.upstream(), &["status", "--porcelain"]), "");
}

#[tokio::test]
async fn the_users_settings_do_not_change_what_a_patch_means() {
    let world = World::with_files(&[("a.txt", "one  \n\ttwo\n")]);
    let patch = patch_of(&world, |tree| {
        put(tree, "a.txt", "one  \n\ttwo  \n  \tthree \n\n")
    })
    .await;
    put(
        world.dir.path(),
        ".gitconfig",
        "[apply]\n\twhitespace = fix\n\tignoreWhitespace = change\n[core]\n\thooksPath = /evil\n\tfsmonitor = touch fired; false\n[alias]\n\tapply = !false\n[color]\n\tui = always\n",
    );
    let repository = repository(&world).await;
    repository
        .apply(&patch, ThreeWay::No, "a task")
        .await
        .expect("applies");
    assert_eq!(
        fs::read_to_string(world.upstream().join("a.txt")).expect("there"),
        "one  \n\ttwo  \n  \tthree \n\n"
    );
    assert!(!world.upstream().join("fired").exists());
}

#[tokio::test]
async fn what_a_folder_is() {
    let world = files();
    let upstream = world.upstream();
    git_in(
        &upstream,
        &["remote", "add", "backup", "https://example.com/x.git"],
    );
    git_in(
        &upstream,
        &["remote", "add", "origin", "git@example.com:a/b.git"],
    );
    git_in(
        &upstream,
        &["remote", "add", "secret", "https://u:hunter2@example.com/x"],
    );
    git_in(&upstream, &["remote", "add", "near", "./dir"]);
    let repository = Repository::at(users_git(world.dir.path()), &upstream.join("dir"))
        .await
        .expect("a repository");
    assert_eq!(
        repository.top_level(),
        upstream.canonicalize().expect("there")
    );
    assert_eq!(
        repository.branch().await.expect("asked"),
        Some(RefName::parse("main").expect("good"))
    );
    assert_eq!(repository.head().await.expect("asked"), Some(world.head()));
    let remotes = repository.remotes().await.expect("asked");
    let shown: Vec<_> = remotes
        .iter()
        .map(|remote| {
            format!(
                "{} {}",
                remote.name,
                remote
                    .url
                    .as_ref()
                    .map_or_else(ToString::to_string, ToString::to_string)
            )
        })
        .collect();
    let near = upstream.canonicalize().expect("there").join("dir");
    let refused = "secret repository address is not valid: it holds a password or token; remove it from the address and give the credential to Outwork instead";
    assert_eq!(
        shown,
        [
            "origin example.com:a/b.git",
            "backup https://example.com/x.git",
            &format!("near {}", near.display()),
            refused
        ]
    );
    assert!(!format!("{remotes:?}").contains("hunter2"));
    git_in(&upstream, &["checkout", "-q", "--detach"]);
    assert_eq!(repository.branch().await.expect("asked"), None);

    // From below the top, the whole patch is applied.
    let patch = patch_of(&world, change).await;
    repository
        .apply(&patch, ThreeWay::No, "a task")
        .await
        .expect("applies");
    assert!(upstream.join("new/file").exists());

    let fault = Repository::at(users_git(world.dir.path()), Path::new("/proc"))
        .await
        .expect_err("none");
    assert!(
        matches!(fault, RepositoryError::NotARepository { .. }),
        "{fault:?}"
    );
    let fault = Repository::at(users_git(world.dir.path()), Path::new("/nonexistent"))
        .await
        .expect_err("none");
    assert!(
        matches!(fault, RepositoryError::NotARepository { .. }),
        "{fault:?}"
    );
    git_in(world.dir.path(), &["init", "-q", "--bare", "bare"]);
    let fault = Repository::at(users_git(world.dir.path()), &world.path("bare"))
        .await
        .expect_err("bare");
    assert!(matches!(fault, RepositoryError::Bare { .. }), "{fault:?}");
    git_in(world.dir.path(), &["init", "-q", "-b", "fresh", "young"]);
    let young = Repository::at(users_git(world.dir.path()), &world.path("young"))
        .await
        .expect("a repository");
    assert_eq!(young.head().await.expect("asked"), None);
    assert_eq!(
        young.branch().await.expect("asked"),
        Some(RefName::parse("fresh").expect("good"))
    );
    let (ok, said) = git_fed(&world.path("young"), &["status"], b"");
    assert!(ok, "{}", String::from_utf8_lossy(&said));
}
