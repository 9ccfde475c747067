//! Sealing a checkout after a script that wants to leave something in the snapshot, or to write outside of it.

use crate::fixture::{
    Asked, BELOW, Snapshot, World, files_in, files_of, git_in, on_disk, picture, put, put_deep,
};
use outwork_git::{CheckoutError, DiffLimits, Place};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Where a script works.
struct Scene {
    /// The volume of the snapshot.
    root: PathBuf,
    tree: PathBuf,
    /// A folder that is not in the volume, with copies of names in the tree.
    outside: PathBuf,
}

fn upstream() -> World {
    let world = World::with_files(&[
        ("README", "read me\n"),
        ("run.sh", "#!/bin/sh\n"),
        ("src/main.txt", "one\ntwo\n"),
        ("src/deep/er/x", "x\n"),
        ("src/other.txt", "other\n"),
        ("zero", ""),
    ]);
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(world.upstream().join("run.sh"), executable).expect("set");
    symlink("src/main.txt", world.upstream().join("link")).expect("a link");
    world.commit("modes");
    let submodule = format!("160000,{},sub", "1".repeat(40));
    git_in(
        &world.upstream(),
        &["update-index", "--add", "--cacheinfo", &submodule],
    );
    git_in(&world.upstream(), &["commit", "-q", "-m", "sub"]);
    world
}

fn remove(path: &Path) {
    let is_folder = path.symlink_metadata().expect("there").is_dir();
    let removed = if is_folder {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.expect("removed");
}

fn replace_with_link(target: &Path, path: &Path) {
    remove(path);
    symlink(target, path).expect("a link");
}

fn fifo(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.expect("mkfifo starts").success());
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
}

type Script = fn(&Scene);

/// What a script does, the tracked files that are put back, and what stays beside them.
struct Case {
    name: &'static str,
    script: Script,
    restored: &'static [&'static str],
    left: &'static [&'static str],
}

const fn case(name: &'static str, script: Script, restored: &'static [&'static str]) -> Case {
    Case {
        name,
        script,
        restored,
        left: &[],
    }
}

const ALL: &[&str] = &[
    "README",
    "link",
    "run.sh",
    "src/deep/er/x",
    "src/main.txt",
    "src/other.txt",
    "sub",
    "zero",
];
const SRC: &[&str] = &["src/deep/er/x", "src/main.txt", "src/other.txt"];

fn cases() -> Vec<Case> {
    let mut cases = vec![
        case("nothing", |_| {}, &[]),
        case(
            "contents",
            |s| {
                put(&s.tree, "src/main.txt", "one\nTWO\n");
                put(&s.tree, "zero", "more\n");
                put(&s.tree, "README", "");
            },
            &["README", "src/main.txt", "zero"],
        ),
        case(
            "same content, same size",
            |s| {
                put(&s.tree, "src/main.txt", "one\ntwo\n");
                let other = fs::File::options()
                    .write(true)
                    .open(s.tree.join("src/other.txt"));
                other
                    .expect("there")
                    .set_modified(std::time::UNIX_EPOCH)
                    .expect("set");
            },
            &[],
        ),
        case(
            "other content, same size, same times",
            |s| {
                let path = s.tree.join("src/main.txt");
                let meta = fs::metadata(&path).expect("there");
                fs::write(&path, "one\ntow\n").expect("written");
                let file = fs::File::options().write(true).open(&path).expect("there");
                file.set_modified(meta.modified().expect("a time"))
                    .expect("set");
            },
            &["src/main.txt"],
        ),
        case(
            "permissions",
            |s| {
                mode(&s.tree.join("README"), 0o755);
                mode(&s.tree.join("run.sh"), 0o644);
                mode(&s.tree.join("src/main.txt"), 0o400);
                mode(&s.tree.join("src/other.txt"), 0o000);
                mode(&s.tree.join("zero"), 0o4644);
            },
            &["README", "run.sh"],
        ),
        case(
            "removed",
            |s| {
                remove(&s.tree.join("src"));
                remove(&s.tree.join("link"));
            },
            &["link", "src/deep/er/x", "src/main.txt", "src/other.txt"],
        ),
        case(
            "types",
            |s| {
                remove(&s.tree.join("README"));
                fifo(&s.tree.join("README"));
                replace_with_link(Path::new("main.txt"), &s.tree.join("src/other.txt"));
                remove(&s.tree.join("link"));
                put(&s.tree, "link", "src/main.txt");
                remove(&s.tree.join("zero"));
                put(&s.tree, "zero/in/side", "x");
                remove(&s.tree.join("sub"));
                put(&s.tree, "sub", "x");
            },
            &["README", "link", "src/other.txt", "sub", "zero"],
        ),
        case(
            "a deep tree in place of a file",
            |s| {
                remove(&s.tree.join("zero"));
                put_deep(
                    &s.tree,
                    &[vec!["zero"], vec!["d"; 2500]].concat(),
                    "file".as_ref(),
                    b"x",
                );
            },
            &["zero"],
        ),
        case(
            "a huge file without content",
            |s| {
                let file = fs::File::create(s.tree.join("src/main.txt")).expect("a file");
                file.set_len((1 << 40) + 8).expect("set");
            },
            &["src/main.txt"],
        ),
        case(
            "hard links to what must not be written",
            |s| {
                remove(&s.tree.join("src/main.txt"));
                fs::hard_link(s.outside.join("main.txt"), s.tree.join("src/main.txt"))
                    .expect("a link");
            },
            &["src/main.txt"],
        ),
        case(
            "a file is a symlink to outside",
            |s| {
                replace_with_link(&s.outside.join("main.txt"), &s.tree.join("src/main.txt"));
            },
            &["src/main.txt"],
        ),
        case(
            "a folder is a symlink to outside",
            |s| {
                replace_with_link(&s.outside, &s.tree.join("src"));
            },
            SRC,
        ),
        case(
            "a folder is a file",
            |s| {
                remove(&s.tree.join("src"));
                put(&s.tree, "src", "x");
            },
            SRC,
        ),
        case(
            "folders are closed",
            |s| {
                mode(&s.tree.join("src/deep/er"), 0o000);
                mode(&s.tree.join("src"), 0o555);
            },
            &[],
        ),
    ];
    cases.extend(of_the_whole_tree());
    cases
}

fn of_the_whole_tree() -> Vec<Case> {
    vec![
        case("the tree is gone", |s| remove(&s.tree), ALL),
        case(
            "the tree is a symlink to outside",
            |s| {
                replace_with_link(&s.outside, &s.tree);
            },
            ALL,
        ),
        case(
            "the way to the tree is a symlink to outside",
            |s| {
                replace_with_link(&s.outside, &s.root.join("workspace"));
            },
            ALL,
        ),
        case(
            "the way to the tree is a pipe",
            |s| {
                remove(&s.root.join("workspace"));
                fifo(&s.root.join("workspace"));
            },
            ALL,
        ),
        case(
            "traps in .git",
            |s| {
                let git = s.tree.join(".git");
                put(&git, "hooks/post-checkout", "#!/bin/sh\n");
                put(&git, "config", "[core]\n\tfsmonitor = /evil\n");
                put(&git, "config.worktree", "[core]\n\tfsmonitor = /evil\n");
                put(&git, "objects/info/alternates", "/evil\n");
                put(&git, "info/attributes", "* filter=evil\n");
                put(&git, "commondir", "/evil\n");
                put(&git, "refs/replace/x", "x\n");
                put(&git, "index", "garbage");
                put_deep(&git, &vec!["d"; 2500], "file".as_ref(), b"x");
            },
            &[],
        ),
        case(
            ".git is a symlink to outside",
            |s| {
                replace_with_link(&s.outside, &s.tree.join(".git"));
            },
            &[],
        ),
        case(
            ".git is a file",
            |s| {
                remove(&s.tree.join(".git"));
                put(
                    &s.tree,
                    ".git",
                    format!("gitdir: {}\n", s.outside.display()),
                );
            },
            &[],
        ),
        case(
            "everything committed",
            |s| {
                put(&s.tree, "src/main.txt", "mine\n");
                git_in(&s.tree, &["add", "-A"]);
                git_in(&s.tree, &["commit", "-q", "-m", "mine"]);
                git_in(&s.tree, &["update-ref", "refs/remotes/origin/main", "HEAD"]);
                git_in(&s.tree, &["checkout", "-q", "--detach"]);
            },
            &["src/main.txt"],
        ),
        Case {
            left: &["built/out", "src/generated", "src/deep/er/pipe"],
            ..case(
                "what is built beside",
                |s| {
                    put(&s.tree, "built/out", "o\n");
                    put(&s.tree, "src/generated", "g\n");
                    fifo(&s.tree.join("src/deep/er/pipe"));
                },
                &[],
            )
        },
    ]
}

/// All that is not the script's, with what kind and content it has.
fn outside_of(world: &World) -> Vec<(PathBuf, String, Vec<u8>)> {
    let mut seen = picture(&world.path("outside"));
    seen.extend(picture(&world.upstream()));
    seen
}

async fn sealed_after(world: &World, case: &Case) -> Snapshot {
    let cold = world.cold("snapshot", &world.head(), &Asked::MAIN).await;
    let root = world.path("snapshot.making/root");
    let scene = Scene {
        tree: root.join(BELOW),
        root,
        outside: world.path("outside"),
    };
    let before = outside_of(world);
    (case.script)(&scene);
    let snapshot = world.keep("snapshot", cold).await;
    assert_eq!(outside_of(world), before, "{}: written outside", case.name);
    snapshot
}

#[tokio::test]
async fn tracked_files_are_the_commits_and_nothing_is_touched_outside() {
    let world = upstream();
    for name in [
        "main.txt",
        "other.txt",
        "repo/README",
        "repo/.git/HEAD",
        "config",
    ] {
        put(&world.path("outside"), name, "outside\n");
    }
    let wanted = on_disk(files_of(&world.upstream(), "HEAD"));
    let clean = sealed_after(&world, &cases()[0]).await;
    let git_dir = |snapshot: &Snapshot| {
        let git = snapshot.root.join(BELOW).join(".git");
        let all = picture(&git).into_iter();
        let without_times = all.filter(|(path, _, _)| !path.ends_with("index"));
        let relative = without_times.map(|(path, mode, content)| {
            (
                path.strip_prefix(&git).expect("below").to_owned(),
                mode,
                content,
            )
        });
        relative.collect::<Vec<_>>()
    };
    let clean_git = git_dir(&clean);
    assert_eq!(clean_git.len(), 4, "{clean_git:?}");
    fs::remove_dir_all(world.path("snapshot.snapshot")).expect("removed");
    for case in cases() {
        let name = case.name;
        let snapshot = sealed_after(&world, &case).await;
        let tree = snapshot.root.join(BELOW);
        let mut found = files_in(&tree);
        for left in case.left {
            assert!(found.remove(left.as_bytes()).is_some(), "{name}: {left}");
        }
        assert!(found == wanted, "{name}: {:?}", found.keys());
        assert_eq!(snapshot.restored.paths, case.restored, "{name}");
        assert_eq!(snapshot.restored.total, case.restored.len(), "{name}");
        assert_eq!(git_dir(&snapshot), clean_git, "{name}");
        for path in wanted.keys() {
            let path = tree.join(std::str::from_utf8(path).expect("ASCII"));
            let meta = path.symlink_metadata().expect("there");
            let is_usable = meta.is_symlink() || meta.mode() & 0o7600 == 0o600;
            assert!(
                is_usable,
                "{name}: {} has mode {:o}",
                path.display(),
                meta.mode()
            );
        }
        let attempt = world
            .attempt("tree", &world.head(), &snapshot, &Asked::MAIN)
            .await;
        let status = git_in(attempt.directory(), &["status", "--porcelain", "-uno"]);
        assert_eq!(status, "", "{name}");
        let diff = attempt.diff(&DiffLimits::default()).await.expect("a diff");
        assert!(diff.patch.is_empty() || !attempt.is_mounted(), "{name}");
        drop(attempt);
        for part in ["tree.attempt", "snapshot.snapshot"] {
            fs::remove_dir_all(world.path(part)).expect("removed");
        }
    }
}

#[tokio::test]
async fn many_files_are_counted_and_some_are_named() {
    let world = World::new();
    for n in 0..40 {
        put(&world.upstream(), &format!("f{n:02}"), "x\n");
    }
    put(&world.upstream(), "\u{1b}[31m", "x\n");
    world.commit("many");
    let cold = world.cold("snapshot", &world.head(), &Asked::MAIN).await;
    for name in fs::read_dir(cold.directory()).expect("a folder") {
        let path = name.expect("an entry").path();
        if path.is_file() {
            fs::write(path, "other\n").expect("written");
        }
    }
    let snapshot = world.keep("snapshot", cold).await;
    assert_eq!(snapshot.restored.total, 41);
    assert_eq!(snapshot.restored.paths.len(), 20);
    assert_eq!(snapshot.restored.paths[..2], ["\\x1b[31m", "f00"]);
}

#[tokio::test]
async fn a_place_does_not_lead_upwards() {
    let world = upstream();
    let cold = world.cold("snapshot", &world.head(), &Asked::MAIN).await;
    let upwards = "workspace/../workspace/repo";
    let place = Place::new(world.path("snapshot.making/root"), upwards);
    let fault = cold.seal(&place).await;
    assert!(
        matches!(fault, Err(CheckoutError::Folder { .. })),
        "{fault:?}"
    );
}
