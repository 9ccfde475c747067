use crate::checkout::upstream;
use crate::fixture::{World, git_fed, git_in, put};
use outwork_git::{ChangeKind, DiffError, DiffLimits, FileMode, WalkError, Warning};
use std::fs;

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
async fn names_alone_can_be_too_much() {
    let world = upstream();
    let checkout = world.checkout("tree", &world.head()).await;
    let folder = ["n".repeat(250).as_str(); 14].join("/");
    for n in 0..20 {
        put(checkout.directory(), &format!("{folder}/{n}"), "");
    }
    let limits = |max_patch_bytes| DiffLimits {
        max_patch_bytes,
        ..DiffLimits::default()
    };
    let diff = checkout.diff(&DiffLimits::default()).await.expect("a diff");
    // Told by the walk, before git has to hold them.
    let error = checkout.diff(&limits(20 * 2 * 3500)).await.unwrap_err();
    assert!(
        matches!(error, DiffError::Walk(WalkError::TooMuch { .. })),
        "{error:?}"
    );
    // Nothing that would fit is refused there.
    let error = checkout.diff(&limits(diff.patch.len())).await.unwrap_err();
    assert!(
        matches!(error, DiffError::PatchTooLarge { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn too_many_rules_hide_nothing() {
    let world = upstream();
    let checkout = world.checkout("tree", &world.head()).await;
    put(checkout.directory(), "a/.gitignore", "x\n".repeat(1 << 18));
    put(
        checkout.directory(),
        "a/b/.gitignore",
        "y\n".repeat(1 << 19),
    );
    put(checkout.directory(), "a/x", "");
    put(checkout.directory(), "a/b/y", "");
    let diff = checkout.diff(&DiffLimits::default()).await.expect("a diff");
    let paths: Vec<&[u8]> = diff.files.iter().map(|file| file.path.as_slice()).collect();
    assert_eq!(
        paths,
        [b"a/.gitignore".as_slice(), b"a/b/.gitignore", b"a/b/y"]
    );
    let path = b"a/b/.gitignore".to_vec();
    assert_eq!(diff.warnings, [Warning::IgnoreRules { path }]);
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
        max_entries: 1,
        ..DiffLimits::default()
    };
    assert!(
        checkout
            .diff(&limits)
            .await
            .expect_err("too many")
            .to_string()
            .contains("more than 1 files")
    );
    let limits = DiffLimits {
        max_patch_bytes: 300,
        ..DiffLimits::default()
    };
    assert!(
        checkout
            .diff(&limits)
            .await
            .expect_err("too large")
            .to_string()
            .contains("larger than 300 bytes")
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
