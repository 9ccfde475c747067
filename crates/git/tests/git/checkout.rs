use crate::fixture::{World, git_fed, git_in, picture, put};
use outwork_git::{ChangeKind, CheckoutError, DiffLimits, FileMode, Owner};
use std::fs;

fn upstream() -> World {
    World::with_files(&[
        ("a.txt", "one\ntwo\nthree\n"),
        ("src/main.rs", "fn main() {}\n"),
        ("crlf.txt", "x\r\ny\r\n"),
        (
            ".gitattributes",
            "* text=auto eol=crlf\n*.rs filter=evil ident\n",
        ),
        (".gitignore", "target/\n*.log\n"),
    ])
}

#[tokio::test]
async fn the_agents_git_works_and_the_tree_is_exact() {
    let world = upstream();
    git_in(&world.upstream(), &["tag", "v1"]);
    git_in(&world.upstream(), &["branch", "other"]);
    let checkout = world.checkout("tree", &world.head()).await;
    let tree = checkout.directory();
    let strip = |root: &std::path::Path| -> Vec<_> {
        picture(root)
            .into_iter()
            .map(|(path, mode, content)| {
                (
                    path.strip_prefix(root).expect("below").to_owned(),
                    mode,
                    content,
                )
            })
            .collect()
    };
    assert_eq!(strip(tree), strip(&world.upstream()));
    assert_eq!(
        git_in(tree, &["status", "--porcelain", "--branch"])
            .lines()
            .next(),
        Some("## main...origin/main")
    );
    assert_eq!(git_in(tree, &["log", "--format=%s"]), "first\n");
    assert_eq!(git_in(tree, &["describe", "--tags"]), "v1\n");
    assert_eq!(
        git_in(tree, &["remote", "get-url", "origin"]).trim(),
        world.upstream().to_str().expect("UTF-8")
    );
    assert_eq!(
        git_in(tree, &["branch", "-r", "--format=%(refname:short)"]),
        "origin/main\norigin/other\n"
    );
    put(tree, "new.txt", "n\n");
    git_in(tree, &["add", "new.txt"]);
    let mut commit = git_in_as_agent(tree);
    assert!(
        commit
            .args(["commit", "-q", "-m", "mine"])
            .status()
            .expect("git starts")
            .success()
    );
    assert_eq!(
        git_in(tree, &["log", "-1", "--format=%an %s"]),
        "Outwork agent mine\n"
    );
    git_in(tree, &["fsck"]);
    let diff = checkout.diff(&DiffLimits::default()).await.expect("a diff");
    assert_eq!(diff.files.len(), 1);
    assert_eq!(diff.files[0].path, b"new.txt");
}

/// Without the identity that the tests give.
fn git_in_as_agent(tree: &std::path::Path) -> std::process::Command {
    let mut command = std::process::Command::new("git");
    let path = std::env::var_os("PATH").expect("PATH is set");
    command
        .current_dir(tree)
        .env_clear()
        .env("PATH", path)
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    command
}

#[tokio::test]
async fn a_detached_checkout() {
    let world = upstream();
    let mirror = world.mirror();
    mirror
        .ensure_commit(&outwork_git::CommitRef::Full(world.head()))
        .await
        .expect("there");
    let mut request = world.request("tree", &mirror);
    request.branch = None;
    let checkout = mirror
        .checkout(&world.head(), &request)
        .await
        .expect("made");
    assert_eq!(
        git_in(checkout.directory(), &["rev-parse", "--abbrev-ref", "HEAD"]),
        "HEAD\n"
    );
    assert_eq!(
        git_in(checkout.directory(), &["rev-parse", "HEAD"]).trim(),
        world.head().as_str()
    );
    // The folder must be new.
    let fault = mirror
        .checkout(&world.head(), &request)
        .await
        .expect_err("not empty");
    assert!(matches!(fault, CheckoutError::Folder { .. }), "{fault:?}");
}

#[tokio::test]
async fn starting_and_carried_diffs() {
    let world = upstream();
    let head = world.head();
    let user = world.checkout("user", &head).await;
    put(user.directory(), "a.txt", "zero\none\ntwo\nthree\n");
    put(user.directory(), "mine.txt", "m\n");
    fs::remove_file(user.directory().join("crlf.txt")).expect("removed");
    let starting = user.diff(&DiffLimits::default()).await.expect("a diff");

    let mut turn1 = world.checkout("turn1", &head).await;
    turn1
        .apply_starting_diff(&starting.patch)
        .await
        .expect("applies");
    assert_eq!(turn1.base_tree(), &starting.tree);
    assert!(
        turn1
            .diff(&DiffLimits::default())
            .await
            .expect("a diff")
            .patch
            .is_empty()
    );
    assert!(git_in(turn1.directory(), &["status", "--porcelain"]).contains("?? mine.txt"));
    put(turn1.directory(), "a.txt", "zero\none\ntwo\nthree\nfour\n");
    put(
        turn1.directory(),
        "kept.log",
        "ignored but added by force\n",
    );
    put(turn1.directory(), "lost.log", "ignored\n");
    git_in(turn1.directory(), &["add", "-f", "kept.log"]);
    let carried = turn1.diff(&DiffLimits::default()).await.expect("a diff");
    assert_eq!(
        carried
            .files
            .iter()
            .map(|file| file.path.as_slice())
            .collect::<Vec<_>>(),
        [&b"a.txt"[..], b"kept.log"]
    );

    let mut turn2 = world.checkout("turn2", &head).await;
    turn2
        .apply_starting_diff(&starting.patch)
        .await
        .expect("applies");
    turn2
        .apply_carried_diff(&carried.patch)
        .await
        .expect("applies");
    assert_eq!(turn2.base_tree(), &starting.tree);
    assert_eq!(
        turn2.diff(&DiffLimits::default()).await.expect("a diff"),
        carried
    );
    put(turn2.directory(), "mine.txt", "mm\n");
    fs::remove_file(turn2.directory().join("kept.log")).expect("removed");
    let second = turn2.diff(&DiffLimits::default()).await.expect("a diff");
    assert_eq!(
        second
            .files
            .iter()
            .map(|file| file.path.as_slice())
            .collect::<Vec<_>>(),
        [&b"a.txt"[..], b"mine.txt"]
    );

    let before = picture(turn2.directory());
    let fault = turn2
        .apply_starting_diff(&starting.patch)
        .await
        .expect_err("does not fit twice");
    let CheckoutError::DiffDoesNotApply { conflicts, .. } = &fault else {
        panic!("{fault:?}")
    };
    assert!(
        conflicts.iter().any(|conflict| conflict.path == "mine.txt"),
        "{conflicts:?}"
    );
    assert_eq!(picture(turn2.directory()), before);
}

#[tokio::test]
async fn a_diff_cannot_write_outside_or_into_git() {
    let world = upstream();
    let hook = "diff --git a/.git/hooks/x b/.git/hooks/x\nnew file mode 100755\n--- /dev/null\n+++ b/.git/hooks/x\n@@ -0,0 +1 @@\n+evil\n";
    for diff in [
        hook.to_owned(),
        hook.replace(".git/hooks/x", "../evil"),
        hook.replace(".git/hooks/x", "src/.GIT/config"),
    ] {
        let mut checkout = world.checkout("tree", &world.head()).await;
        let before = picture(world.dir.path());
        assert!(
            checkout.apply_starting_diff(diff.as_bytes()).await.is_err(),
            "{diff}"
        );
        assert!(
            checkout.apply_carried_diff(diff.as_bytes()).await.is_err(),
            "{diff}"
        );
        assert!(!checkout.directory().join(".git/hooks").exists() && !world.path("evil").exists());
        assert_eq!(
            picture(world.dir.path()).len(),
            before.len() + 1,
            "only the scratch index is new"
        );
        fs::remove_dir_all(checkout.directory()).expect("removed");
        fs::remove_dir_all(world.path("tree.trusted")).expect("removed");
    }
}

#[tokio::test]
async fn another_owner() {
    use std::os::unix::fs::MetadataExt;
    let world = upstream();
    let mirror = world.mirror();
    mirror
        .ensure_commit(&outwork_git::CommitRef::Full(world.head()))
        .await
        .expect("there");
    let mut request = world.request("tree", &mirror);
    let me = fs::metadata(world.dir.path()).expect("there");
    // As root any user, else only ourselves.
    let owner = if me.uid() == 0 {
        Owner {
            uid: 200_000,
            gid: 200_001,
        }
    } else {
        Owner {
            uid: me.uid(),
            gid: me.gid(),
        }
    };
    request.owner = Some(owner);
    std::os::unix::fs::symlink("/etc", world.upstream().join("link")).expect("a link");
    let head = world.commit("link");
    mirror
        .ensure_commit(&outwork_git::CommitRef::Full(head.clone()))
        .await
        .expect("there");
    let mut checkout = mirror.checkout(&head, &request).await.expect("made");
    let patch = "diff --git a/n/x b/n/x\nnew file mode 100644\n--- /dev/null\n+++ b/n/x\n@@ -0,0 +1 @@\n+new\n";
    checkout
        .apply_starting_diff(patch.as_bytes())
        .await
        .expect("applies");
    for path in [
        "",
        ".git",
        ".git/index",
        "src",
        "src/main.rs",
        "link",
        "n/x",
        "n",
    ] {
        let meta = checkout
            .directory()
            .join(path)
            .symlink_metadata()
            .expect("there");
        assert_eq!((meta.uid(), meta.gid()), (owner.uid, owner.gid), "{path}");
    }
    assert_ne!(fs::metadata("/etc").expect("there").uid(), 200_000);
    assert!(
        checkout
            .diff(&DiffLimits::default())
            .await
            .expect("a diff")
            .patch
            .is_empty()
    );
}

#[tokio::test]
async fn ignored_files_stay_out_and_tracked_ones_do_not() {
    let world = upstream();
    put(&world.upstream(), "target/tracked.txt", "t\n");
    let checkout = world.checkout("tree", &world.commit("tracked")).await;
    let tree = checkout.directory();
    put(tree, "target/tracked.txt", "changed\n");
    put(tree, "target/debug/big.o", "object");
    put(tree, "node_modules/x/.gitignore", "*\n");
    put(tree, "node_modules/x/index.js", "x");
    put(tree, "run.log", "log");
    let diff = checkout.diff(&DiffLimits::default()).await.expect("a diff");
    let files: Vec<_> = diff
        .files
        .iter()
        .map(|file| String::from_utf8_lossy(&file.path).into_owned())
        .collect();
    assert_eq!(files, ["target/tracked.txt"]);
    assert_eq!(diff.files[0].kind, ChangeKind::Modified(FileMode::Regular));
    assert_eq!(
        (diff.files[0].added, diff.files[0].removed),
        (Some(1), Some(1))
    );
}

#[tokio::test]
async fn changes_right_after_the_checkout_are_seen() {
    // Same size, same clock tick: only reading can tell.
    let world = World::with_files(&[("a", "0")]);
    for round in 0..20 {
        let checkout = world.checkout(&format!("tree{round}"), &world.head()).await;
        let file = checkout.directory().join("a");
        let meta = fs::metadata(&file).expect("there");
        fs::write(&file, "1").expect("written");
        fs::File::open(&file)
            .expect("there")
            .set_modified(meta.modified().expect("mtime"))
            .expect("set");
        let diff = checkout.diff(&DiffLimits::default()).await.expect("a diff");
        assert_eq!(diff.files.len(), 1, "round {round}");
    }
}

#[tokio::test]
async fn limits_are_named() {
    let world = upstream();
    let checkout = world.checkout("tree", &world.head()).await;
    put(checkout.directory(), "big.bin", vec![7; 5000]);
    put(checkout.directory(), "small.txt", "s\n");
    let limits = DiffLimits {
        max_file_bytes: 1000,
        ..DiffLimits::default()
    };
    let diff = checkout.diff(&limits).await.expect("a diff");
    assert_eq!(diff.files.len(), 1);
    assert_eq!(
        diff.warnings
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["big.bin is left out: it has 5000 bytes, more than 1000"]
    );
    let limits = DiffLimits {
        max_total_bytes: 1000,
        ..DiffLimits::default()
    };
    let fault = checkout.diff(&limits).await.expect_err("too much");
    assert!(
        fault
            .to_string()
            .contains("more than 1000 bytes together (reached at big.bin)"),
        "{fault}"
    );
    let limits = DiffLimits {
        max_entries: 3,
        ..DiffLimits::default()
    };
    assert!(
        checkout
            .diff(&limits)
            .await
            .expect_err("too many")
            .to_string()
            .contains("more than 3 files")
    );
    let limits = DiffLimits {
        max_patch_bytes: 100,
        ..DiffLimits::default()
    };
    assert!(
        checkout
            .diff(&limits)
            .await
            .expect_err("too large")
            .to_string()
            .contains("larger than 100 bytes")
    );
    // None of the failures stands in the way of the next diff.
    assert_eq!(
        checkout
            .diff(&DiffLimits::default())
            .await
            .expect("a diff")
            .files
            .len(),
        2
    );
}

#[tokio::test]
async fn sha256_repositories_and_empty_commits() {
    let world = World::new();
    fs::remove_dir_all(world.upstream()).expect("removed");
    git_in(
        world.dir.path(),
        &[
            "init",
            "-q",
            "-b",
            "main",
            "--object-format=sha256",
            "upstream",
        ],
    );
    let head = world.commit("nothing");
    let checkout = world.checkout("tree", &head).await;
    assert_eq!(head.as_str().len(), 64);
    put(checkout.directory(), "a", "1\n");
    let diff = checkout.diff(&DiffLimits::default()).await.expect("a diff");
    assert_eq!(diff.tree.as_str().len(), 64);
    assert!(git_fed(&world.upstream(), &["apply", "--index"], &diff.patch).0);
    assert_eq!(
        git_in(&world.upstream(), &["write-tree"]).trim(),
        diff.tree.as_str()
    );
    assert_eq!(
        git_in(checkout.directory(), &["status", "--porcelain"]),
        "?? a\n"
    );
}
