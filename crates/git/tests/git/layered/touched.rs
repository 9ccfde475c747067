//! What of an agent's work is seen: what it touched, and nothing that lay there before.

use crate::checkout::names;
use crate::fixture::{Asked, Attempt, Snapshot, World, files_in, git_in, put};
use outwork_git::{DiffError, DiffLimits, WalkError};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

fn base() -> World {
    World::with_files(&[
        ("a.txt", "one\ntwo\nthree\n"),
        ("src/main.rs", "fn main() {}\n"),
        ("src/lib/deep/x", "x\n"),
        ("src/lib/y", "y\n"),
        (".gitignore", "*.log\n"),
    ])
}

/// After a script that left a lot beside the tracked files, not ignored by git.
async fn after_a_script(world: &World) -> Snapshot {
    let cold = world.cold("snapshot", &world.head(), &Asked::MAIN).await;
    let tree = cold.directory();
    for n in 0..300 {
        put(
            tree,
            &format!("node_modules/p{}/f{n}", n % 20),
            format!("{n}\n"),
        );
    }
    put(tree, "src/generated", "by the script\n");
    put(tree, ".venv/.gitignore", "*\n");
    put(tree, ".venv/lib/x", "x\n");
    put(tree, "closed/file", "nobody reads this\n");
    // Who is not root cannot merge by hand what is closed to all.
    let closed: &[&str] = match rustix::process::getuid().is_root() {
        true => &["closed/file", "closed"],
        false => &[],
    };
    for path in closed {
        fs::set_permissions(tree.join(path), fs::Permissions::from_mode(0o000)).expect("set");
    }
    let snapshot = world.keep("snapshot", cold).await;
    assert_eq!(snapshot.restored.total, 0);
    snapshot
}

async fn seen(attempt: &Attempt) -> Vec<String> {
    let limits = DiffLimits {
        // What lies there untouched would be more.
        max_entries: 40,
        ..DiffLimits::default()
    };
    let diff = attempt.diff(&limits).await.expect("a diff");
    assert_eq!(diff.warnings, [], "{:?}", names(&diff));
    names(&diff)
}

fn remove(root: &Path, path: &str) {
    let path = root.join(path);
    let is_folder = path.symlink_metadata().expect("there").is_dir();
    let removed = if is_folder {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.expect("removed");
}

type Work = fn(&Path);

/// What an agent does, and the paths that the diff must have, no more and no less.
const WORK: [(&str, Work, &[&str]); 17] = [
    ("nothing", |_| {}, &[]),
    ("git status only", |t| drop(git_in(t, &["status"])), &[]),
    ("a file", |t| put(t, "a.txt", "changed\n"), &["a.txt"]),
    (
        "touched, read, given other permissions and back",
        |t| {
            for path in ["a.txt", "src/main.rs"] {
                let file = fs::File::options()
                    .write(true)
                    .open(t.join(path))
                    .expect("there");
                file.set_modified(std::time::UNIX_EPOCH).expect("set");
            }
            let mode = fs::Permissions::from_mode(0o600);
            fs::set_permissions(t.join("src/lib/y"), mode).expect("set");
        },
        &[],
    ),
    (
        "executable",
        |t| {
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(t.join("src/lib/y"), mode).expect("set");
        },
        &["src/lib/y"],
    ),
    (
        "one file among untracked ones",
        |t| put(t, "node_modules/p1/f1", "patched\n"),
        &["node_modules/p1/f1"],
    ),
    (
        "untracked files removed",
        |t| remove(t, "node_modules"),
        &[],
    ),
    (
        "untracked files removed, one made again",
        |t| {
            remove(t, "node_modules");
            put(t, "node_modules/p1/f1", "1\n");
        },
        &["node_modules/p1/f1"],
    ),
    (
        "everything added by git",
        |t| {
            drop(git_in(
                t,
                &["add", "-A", "--ignore-errors", "src", "node_modules"],
            ))
        },
        &[],
    ),
    (
        "a folder removed",
        |t| remove(t, "src/lib"),
        &["src/lib/deep/x", "src/lib/y"],
    ),
    (
        "a folder removed and made again with other files",
        |t| {
            remove(t, "src");
            put(t, "src/lib/y", "y\n");
            put(t, "src/new", "new\n");
        },
        &["src/lib/deep/x", "src/main.rs", "src/new"],
    ),
    (
        "a folder removed and made again with the same files",
        |t| {
            remove(t, "src");
            put(t, "src/lib/y", "y\n");
            put(t, "src/lib/deep/x", "x\n");
            put(t, "src/main.rs", "fn main() {}\n");
        },
        &[],
    ),
    (
        "a folder renamed",
        |t| {
            let moved = Command::new("mv")
                .arg("src")
                .arg("moved")
                .current_dir(t)
                .status();
            assert!(moved.expect("mv starts").success());
            remove(t, "moved/generated");
        },
        &["moved/lib/deep/x", "moved/lib/y", "moved/main.rs"],
    ),
    (
        "a folder replaced by a file",
        |t| {
            remove(t, "src");
            put(t, "src", "file\n");
        },
        &["src", "src/lib/deep/x", "src/lib/y", "src/main.rs"],
    ),
    (
        "a folder replaced by a symlink to its copy",
        |t| {
            let copied = Command::new("cp")
                .args(["-r", "src/lib", "copy"])
                .current_dir(t)
                .status();
            assert!(copied.expect("cp starts").success());
            remove(t, "src/lib");
            symlink("../copy", t.join("src/lib")).expect("a link");
        },
        &["copy/deep/x", "copy/y", "src/lib"],
    ),
    (
        "a file replaced by a folder, ignored files beside",
        |t| {
            remove(t, "a.txt");
            put(t, "a.txt/in", "in\n");
            put(t, "a.txt/in.log", "log\n");
            put(
                t,
                ".venv/lib/new",
                "ignored by a file that the script left\n",
            );
        },
        &["a.txt", "a.txt/in"],
    ),
    (
        "hard links",
        |t| {
            fs::hard_link(t.join("a.txt"), t.join("linked")).expect("a link");
            fs::hard_link(t.join("node_modules/p0/f0"), t.join("also")).expect("a link");
        },
        // The kernel copied it up to link it.
        &["also", "linked", "node_modules/p0/f0"],
    ),
];

#[tokio::test]
async fn only_what_was_touched_is_seen_and_all_of_it() {
    let world = base();
    let snapshot = after_a_script(&world).await;
    for (name, work, wanted) in WORK {
        let attempt = world
            .attempt("tree", &world.head(), &snapshot, &Asked::MAIN)
            .await;
        work(attempt.directory());
        if !attempt.is_mounted() {
            return;
        }
        let found = seen(&attempt).await;
        // A rename has one name for two.
        let mut found: Vec<&str> = found.iter().map(String::as_str).collect();
        found.sort_unstable();
        assert_eq!(found, wanted, "{name}");
        drop(attempt);
        fs::remove_dir_all(world.path("tree.attempt")).expect("removed");
    }
}

#[tokio::test]
async fn hints_of_the_agents_index_count_for_what_it_touched() {
    let world = base();
    let cold = world.cold("snapshot", &world.head(), &Asked::MAIN).await;
    put(cold.directory(), "before.log", "ignored\n");
    let snapshot = world.keep("snapshot", cold).await;
    let attempt = world
        .attempt("tree", &world.head(), &snapshot, &Asked::MAIN)
        .await;
    if !attempt.is_mounted() {
        return;
    }
    let tree = attempt.directory();
    put(tree, "mine.log", "ignored\n");
    put(tree, "other.log", "ignored\n");
    git_in(tree, &["add", "-f", "mine.log", "before.log"]);
    assert_eq!(seen(&attempt).await, ["mine.log"]);
    put(tree, "before.log", "changed\n");
    assert_eq!(seen(&attempt).await, ["before.log", "mine.log"]);
}

#[tokio::test]
async fn a_working_tree_that_is_gone_is_an_error_not_an_empty_one() {
    let world = base();
    put(world.dir.path(), "outside/repo/a.txt", "hunter2-outside\n");
    let snapshot = world.snapshot("snapshot", &world.head()).await;
    let acts: [(&str, Work); 4] = [
        ("removed", |t| remove(t, "repo")),
        ("all above removed", |t| {
            remove(t.parent().expect("a parent"), "workspace")
        }),
        ("a symlink to elsewhere", |t| {
            remove(t, "repo");
            let outside = t
                .ancestors()
                .nth(3)
                .expect("the world")
                .join("outside/repo");
            assert!(outside.exists());
            symlink(outside, t.join("repo")).expect("a link");
        }),
        ("the way is a symlink", |t| {
            let root = t.parent().expect("a parent");
            remove(root, "workspace");
            let outside = t.ancestors().nth(3).expect("the world").join("outside");
            symlink(outside, root.join("workspace")).expect("a link");
        }),
    ];
    for (name, act) in acts {
        let attempt = world
            .attempt("tree", &world.head(), &snapshot, &Asked::MAIN)
            .await;
        act(attempt.directory().parent().expect("the workspace"));
        let fault = attempt.diff(&DiffLimits::default()).await;
        assert!(
            matches!(fault, Err(DiffError::Walk(WalkError::Root(_)))),
            "{name}: {fault:?}"
        );
        drop(attempt);
        fs::remove_dir_all(world.path("tree.attempt")).expect("removed");
    }
    // One that was removed and made again is a tree like others.
    let attempt = world
        .attempt("tree", &world.head(), &snapshot, &Asked::MAIN)
        .await;
    remove(attempt.directory().parent().expect("the workspace"), "repo");
    put(attempt.directory(), "a.txt", "one\ntwo\nthree\n");
    put(attempt.directory(), "new", "n\n");
    let diff = attempt.diff(&DiffLimits::default()).await.expect("a diff");
    assert_eq!(
        names(&diff),
        [
            ".gitignore",
            "new",
            "src/lib/deep/x",
            "src/lib/y",
            "src/main.rs"
        ]
    );
    assert_eq!(files_in(attempt.directory()).len(), 2);
}

#[tokio::test]
async fn submodules_that_a_script_fetched() {
    let world = base();
    let (one, two) = ("1".repeat(40), "2".repeat(40));
    for path in ["sub", "beside"] {
        let entry = format!("160000,{one},{path}");
        git_in(
            &world.upstream(),
            &["update-index", "--add", "--cacheinfo", &entry],
        );
    }
    git_in(&world.upstream(), &["commit", "-q", "-m", "submodules"]);
    let cold = world.cold("snapshot", &world.head(), &Asked::MAIN).await;
    // At another commit than the one that is recorded, and one with its repository in the agent's `.git`, of which nothing stays.
    put(cold.directory(), "sub/.git/HEAD", format!("{two}\n"));
    put(cold.directory(), "sub/file", "f\n");
    put(
        cold.directory(),
        "beside/.git",
        "gitdir: ../.git/modules/beside\n",
    );
    put(cold.directory(), "beside/file", "f\n");
    put(
        cold.directory(),
        ".git/modules/beside/HEAD",
        format!("{two}\n"),
    );
    let snapshot = world.keep("snapshot", cold).await;
    let limits = DiffLimits::default();
    let acts: [(&str, Work, &[&str], &[&str]); 6] = [
        ("nothing", |_| {}, &[], &[]),
        (
            "files in it",
            |t| {
                put(t, "sub/file", "changed\n");
                put(t, "beside/new", "new\n");
            },
            &[],
            &[
                "files in the submodule beside are not part of the diff",
                "files in the submodule sub are not part of the diff",
            ],
        ),
        (
            "its own index",
            |t| put(t, "sub/.git/index", "touched\n"),
            &[],
            &[],
        ),
        (
            "another commit",
            |t| put(t, "sub/.git/HEAD", format!("{}\n", "3".repeat(40))),
            &["sub"],
            &[],
        ),
        (
            "another commit, beside",
            |t| {
                put(t, "beside/.git", "gitdir: ../.git/modules/beside\n");
                let head = format!("{}\n", "3".repeat(40));
                put(t, ".git/modules/beside/HEAD", head);
            },
            &["beside"],
            &[],
        ),
        ("removed", |t| remove(t, "sub"), &["sub"], &[]),
    ];
    for (name, act, wanted, warned) in acts {
        let attempt = world
            .attempt("tree", &world.head(), &snapshot, &Asked::MAIN)
            .await;
        if !attempt.is_mounted() {
            return;
        }
        act(attempt.directory());
        let diff = attempt.diff(&limits).await.expect("a diff");
        assert_eq!(names(&diff), wanted, "{name}");
        let mut warnings: Vec<String> = diff.warnings.iter().map(ToString::to_string).collect();
        warnings.sort();
        assert_eq!(warnings, warned, "{name}");
        drop(attempt);
        fs::remove_dir_all(world.path("tree.attempt")).expect("removed");
    }
    // Git can live with what is left of the one whose repository is gone.
    fs::remove_dir_all(snapshot.root.join("workspace/repo/sub/.git")).expect("removed");
    let attempt = world
        .attempt("tree", &world.head(), &snapshot, &Asked::MAIN)
        .await;
    assert_eq!(git_in(attempt.directory(), &["status", "--porcelain"]), "");
}
