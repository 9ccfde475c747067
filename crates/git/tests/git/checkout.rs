use crate::fixture::{Asked, World, git_in, picture, put};
use outwork_git::{CheckoutError, Diff, DiffLimits, FileChange, Owner};
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

    let snapshot = world.snapshot("snapshot", &head).await;
    let mut asked = Asked {
        starting: &starting.patch,
        ..Asked::MAIN
    };
    let turn1 = world.attempt("turn1", &head, &snapshot, &asked).await;
    assert_eq!(turn1.checkout.base_tree(), &starting.tree);
    assert!(
        turn1
            .diff(&DiffLimits::default())
            .await
            .expect("a diff")
            .patch
            .is_empty()
    );
    let status = git_in(turn1.directory(), &["status", "--porcelain"]);
    assert_eq!(status, " M a.txt\n D crlf.txt\n?? mine.txt\n");
    put(turn1.directory(), "a.txt", "zero\none\ntwo\nthree\nfour\n");
    put(
        turn1.directory(),
        "kept.log",
        "ignored but added by force\n",
    );
    put(turn1.directory(), "lost.log", "ignored\n");
    git_in(turn1.directory(), &["add", "-f", "kept.log"]);
    let carried = turn1.diff(&DiffLimits::default()).await.expect("a diff");
    assert_eq!(names(&carried), ["a.txt", "kept.log"]);

    asked.carried = &carried.patch;
    let turn2 = world.attempt("turn2", &head, &snapshot, &asked).await;
    assert_eq!(turn2.checkout.base_tree(), &starting.tree);
    assert_eq!(turn2.checkout.start_tree(), &carried.tree);
    let at_start = turn2.checkout.diff_at_start(&DiffLimits::default()).await;
    assert_eq!(at_start.expect("a diff"), carried);
    assert_eq!(
        turn2.diff(&DiffLimits::default()).await.expect("a diff"),
        carried
    );
    put(turn2.directory(), "mine.txt", "mm\n");
    fs::remove_file(turn2.directory().join("kept.log")).expect("removed");
    let second = turn2.diff(&DiffLimits::default()).await.expect("a diff");
    assert_eq!(names(&second), ["a.txt", "mine.txt"]);
    // What the carried diff removed is known to git, ignored or not.
    asked.carried = &second.patch;
    put(turn2.directory(), "kept.log", "again\n");
    let third = turn2.diff(&DiffLimits::default()).await.expect("a diff");
    assert_eq!(names(&third), ["a.txt", "kept.log", "mine.txt"]);

    asked.starting = &second.patch;
    asked.carried = b"";
    let fault = world.over("turn3", &head, &snapshot, &asked).await;
    let fault = fault.expect_err("does not fit without the changes before it");
    let CheckoutError::DiffDoesNotApply { conflicts, .. } = &fault else {
        panic!("{fault:?}")
    };
    assert!(
        conflicts.iter().any(|conflict| conflict.path == "mine.txt"),
        "{conflicts:?}"
    );
    let left = fs::read_dir(world.path("turn3.attempt/upper/workspace"));
    assert!(left.is_err() || left.is_ok_and(|mut left| left.next().is_none()));
    assert!(!world.path("turn3.attempt/git").exists());
}

pub fn names(diff: &Diff) -> Vec<String> {
    let name = |file: &FileChange| String::from_utf8_lossy(&file.path).into_owned();
    diff.files.iter().map(name).collect()
}

#[tokio::test]
async fn a_diff_cannot_write_outside_or_into_git() {
    let world = upstream();
    let hook = "diff --git a/.git/hooks/x b/.git/hooks/x\nnew file mode 100755\n--- /dev/null\n+++ b/.git/hooks/x\n@@ -0,0 +1 @@\n+evil\n";
    let snapshot = world.snapshot("snapshot", &world.head()).await;
    let link = "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+..\n\\ No newline at end of file\n";
    let through = format!("{link}{}", hook.replace(".git/hooks/x", "l/evil"));
    for diff in [
        hook.to_owned(),
        hook.replace(".git/hooks/x", "../evil"),
        hook.replace(".git/hooks/x", "src/.GIT/config"),
        through,
    ] {
        let diff = diff.as_bytes();
        let starting = Asked {
            starting: diff,
            ..Asked::MAIN
        };
        let carried = Asked {
            carried: diff,
            ..Asked::MAIN
        };
        for asked in [starting, carried] {
            let before = picture(world.dir.path());
            let made = world.over("tree", &world.head(), &snapshot, &asked).await;
            assert!(made.is_err(), "{}", String::from_utf8_lossy(diff));
            assert_eq!(picture(world.dir.path()), before);
        }
    }
}

#[tokio::test]
async fn another_owner() {
    use std::os::unix::fs::MetadataExt;
    let world = upstream();
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
    std::os::unix::fs::symlink("/etc", world.upstream().join("link")).expect("a link");
    let head = world.commit("link");
    let patch = "diff --git a/n/x b/n/x\nnew file mode 100644\n--- /dev/null\n+++ b/n/x\n@@ -0,0 +1 @@\n+new\n";
    let asked = Asked {
        starting: patch.as_bytes(),
        owner: Some(owner),
        branch: Some("other"),
        ..Asked::MAIN
    };
    let snapshot = world.cold("snapshot", &head, &asked).await;
    fs::write(snapshot.directory().join("a.txt"), "changed").expect("written");
    fs::remove_dir_all(snapshot.directory().join("src")).expect("removed");
    let snapshot = world.keep("snapshot", snapshot).await;
    assert_eq!(snapshot.restored.paths, ["a.txt", "src/main.rs"]);
    let checkout = world.attempt("tree", &head, &snapshot, &asked).await;
    for path in [
        "",
        ".git",
        ".git/index",
        ".git/objects/info",
        ".git/HEAD",
        "a.txt",
        "src",
        "src/main.rs",
        "link",
        "n/x",
        "n",
    ] {
        let meta = checkout.directory().join(path).symlink_metadata();
        let meta = meta.expect("there");
        assert_eq!((meta.uid(), meta.gid()), (owner.uid, owner.gid), "{path}");
    }
    assert_ne!(fs::metadata("/etc").expect("there").uid(), 200_000);
    let diff = checkout.diff(&DiffLimits::default()).await;
    assert!(diff.expect("a diff").patch.is_empty());
}
