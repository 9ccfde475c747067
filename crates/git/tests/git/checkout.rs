use crate::fixture::{World, git_in, picture, put};
use outwork_git::{CheckoutError, DiffLimits, Owner};
use std::fs;

pub fn upstream() -> World {
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
