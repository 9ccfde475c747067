//! The history of a repository, one commit per kind of change. For each commit: check out the parent, make the working tree what the commit
//! has with plain file operations, take the diff, apply it to a fresh clone of the parent: the tree must be the commit's.

pub mod steps;

use crate::fixture::{
    Asked, Snapshot, World, blobs, files_in, files_of, git_bytes, git_fed, git_in, on_disk, put,
};
use outwork_git::{ChangeKind, CommitId, Diff, DiffLimits, FileMode};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use steps::{COMMIT_A, COMMIT_B, deep, lines, rename, steps};

/// Each step with the commit before it and its own.
pub fn build(world: &World) -> Vec<(&'static str, CommitId, CommitId)> {
    let upstream = world.upstream();
    put(&upstream, "a.txt", lines(50, "line"));
    put(&upstream, "dir/one", "1\n");
    put(&upstream, "dir/two", "2\n");
    let mut parent = world.commit("first");
    let mut history = Vec::new();
    for (name, change) in steps() {
        change(&upstream);
        let marker = upstream.join(".git/submodule");
        let submodule = fs::read_to_string(&marker).ok();
        // Else git takes the folder of a submodule for untouched, whatever is in it.
        git_in(
            &upstream,
            &["rm", "-r", "-q", "--cached", "--ignore-unmatch", "."],
        );
        git_in(&upstream, &["add", "-A", "-f", "."]);
        if let Some(entry) = submodule {
            let path = entry.rsplit(',').next().expect("has a path");
            git_in(
                &upstream,
                &["rm", "-r", "-q", "--cached", "--ignore-unmatch", path],
            );
            git_in(&upstream, &["update-index", "--add", "--cacheinfo", &entry]);
            fs::remove_file(marker).expect("removed");
        }
        git_in(&upstream, &["commit", "-q", "--allow-empty", "-m", name]);
        let commit = world.head();
        let same = tree_of(world, &parent) == tree_of(world, &commit);
        assert_eq!(
            same,
            name == "odd permissions",
            "{name}: a step must change something"
        );
        history.push((name, parent, commit.clone()));
        parent = commit;
    }
    history
}

fn tree_of(world: &World, commit: &CommitId) -> String {
    git_in(
        &world.upstream(),
        &["rev-parse", &format!("{commit}^{{tree}}")],
    )
}

/// What the commit has at each path: mode, id, path.
fn listed(world: &World, commit: &CommitId) -> Vec<(String, String, OsString)> {
    let output = git_bytes(&world.upstream(), &["ls-tree", "-r", "-z", commit.as_str()]);
    let entry = |record: &[u8]| {
        let tab = record
            .iter()
            .position(|&byte| byte == b'\t')
            .expect("a tab");
        let head = String::from_utf8(record[..tab].to_vec()).expect("ASCII");
        let mut words = head.split(' ');
        let (mode, id) = (
            words.next().expect("a mode").to_owned(),
            words.nth(1).expect("an id").to_owned(),
        );
        (mode, id, OsString::from_vec(record[tab + 1..].to_vec()))
    };
    output
        .split(|&byte| byte == 0)
        .filter(|record| !record.is_empty())
        .map(entry)
        .collect()
}

/// Changes, by plain file operations, only what differs between two commits, as an agent would.
pub fn become_commit(world: &World, tree: &Path, parent: &CommitId, commit: &CommitId) {
    let (old, new) = (listed(world, parent), listed(world, commit));
    for entry in old.iter().filter(|entry| !new.contains(entry)) {
        let path = tree.join(&entry.2);
        if entry.0 == "160000" {
            fs::remove_dir_all(&path).expect("removed");
            git_in(
                tree,
                &[
                    OsStr::new("rm"),
                    OsStr::new("-q"),
                    OsStr::new("--cached"),
                    OsStr::new("--"),
                    &entry.2,
                ],
            );
        } else if fs::remove_file(&path).is_err() {
            // longer than the system takes at once
            fs::remove_dir_all(
                tree.join(
                    entry
                        .2
                        .to_str()
                        .expect("ASCII")
                        .split('/')
                        .next()
                        .expect("a part"),
                ),
            )
            .expect("removed");
        }
        for folder in path
            .ancestors()
            .skip(1)
            .take_while(|folder| *folder != tree)
        {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
    let wanted = new
        .iter()
        .filter(|entry| !old.contains(entry) && entry.0 != "160000");
    let mut blobs = blobs(&world.upstream(), wanted.map(|entry| entry.1.as_str())).into_iter();
    for entry in new.iter().filter(|entry| !old.contains(entry)) {
        let (mode, id, name) = entry;
        let path = tree.join(name);
        if mode == "160000" {
            fs::create_dir_all(&path).expect("a folder");
            let entry = format!("160000,{id},{}", name.to_str().expect("ASCII"));
            git_in(
                tree,
                &["update-index", "--add", "--replace", "--cacheinfo", &entry],
            );
            continue;
        }
        let content = blobs.next().expect("a blob for each");
        if path.as_os_str().len() > 4000 {
            deep(tree, std::str::from_utf8(&content).expect("ASCII"));
            continue;
        }
        fs::create_dir_all(path.parent().expect("has a parent")).expect("a folder");
        match mode.as_str() {
            "120000" => symlink(OsStr::from_bytes(&content), &path).expect("a link"),
            _ => fs::write(&path, content).expect("written"),
        }
        if mode == "100755" {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("set");
        }
        if listed_as_ignored(tree, name) {
            put(
                tree,
                ".git/info/attributes",
                "* !working-tree-encoding !filter\n",
            );
            git_in(
                tree,
                &[OsStr::new("add"), OsStr::new("-f"), OsStr::new("--"), name],
            );
        }
    }
}

fn listed_as_ignored(tree: &Path, name: &OsStr) -> bool {
    let known = name
        .to_str()
        .is_some_and(|name| name.ends_with(".log") || name.starts_with("build/"));
    known && tree.join(".gitignore").exists()
}

/// Applies with the plain command in a clone of the parent, checked out without conversions.
fn tree_after(world: &World, name: &str, parent: &CommitId, diff: &Diff) -> String {
    let clone = world.path(name);
    git_in(
        world.dir.path(),
        &["clone", "-q", "--shared", "--no-checkout", "upstream", name],
    );
    fs::write(
        clone.join(".git/info/attributes"),
        "* -text !filter !ident !working-tree-encoding !eol\n",
    )
    .expect("written");
    git_in(&clone, &["checkout", "-q", "--detach", parent.as_str()]);
    if !diff.patch.is_empty() {
        let (applied, said) = git_fed(&clone, &["apply", "--index", "--binary"], &diff.patch);
        assert!(applied, "{name}: {}", String::from_utf8_lossy(&said));
    }
    let tree = git_in(&clone, &["write-tree"]).trim().to_owned();
    assert_eq!(
        git_in(&clone, &["diff", "--name-only"]),
        "",
        "{name}: index and files differ"
    );
    fs::remove_dir_all(clone).expect("removed");
    tree
}

#[tokio::test]
async fn every_kind_of_change_comes_back_exactly() {
    let world = World::new();
    let history = build(&world);
    for (number, (name, parent, commit)) in history.iter().enumerate() {
        let label = format!("tree{number}");
        let snapshot = world.snapshot(&label, parent).await;
        let attempt = world.attempt(&label, parent, &snapshot, &Asked::MAIN).await;
        become_commit(&world, attempt.directory(), parent, commit);
        let diff = attempt
            .diff(&DiffLimits::default())
            .await
            .unwrap_or_else(|fault| panic!("{name}: {fault:?}"));
        let wanted = tree_of(&world, commit);
        assert_eq!(diff.tree.as_str(), wanted.trim(), "{name}: the tree seen");
        assert_eq!(
            tree_after(&world, &format!("clone{number}"), parent, &diff),
            wanted.trim(),
            "{name}: the tree applied"
        );
        assert!(diff.warnings.is_empty(), "{name}: {:?}", diff.warnings);
        assert!(
            diff.patch.is_empty() || diff.patch.ends_with(b"\n"),
            "{name}"
        );
        drop(attempt);
        begin_with(&world, name, commit, &snapshot, &diff).await;
        for part in fs::read_dir(world.dir.path()).expect("a folder") {
            let part = part.expect("an entry").path();
            if part
                .extension()
                .is_some_and(|end| end == "attempt" || end == "snapshot")
            {
                fs::remove_dir_all(part).expect("removed");
            }
        }
    }
}

/// The next turn, and a task that starts from the user's own changes: both find the tree that came out.
async fn begin_with(
    world: &World,
    name: &str,
    commit: &CommitId,
    snapshot: &Snapshot,
    diff: &Diff,
) {
    let limits = DiffLimits::default();
    let wanted = on_disk(files_of(&world.upstream(), commit.as_str()));
    let parent = snapshot.checkout.commit();
    let carried = Asked {
        carried: &diff.patch,
        ..Asked::MAIN
    };
    let turn = world.attempt("carried", parent, snapshot, &carried).await;
    assert!(files_in(turn.directory()) == wanted, "{name}: carried");
    let at_start = turn.checkout.diff_at_start(&limits).await;
    assert!(at_start.expect("a diff") == *diff, "{name}: diff at start");
    let untouched = turn.diff(&limits).await.expect("a diff");
    assert!(
        untouched == *diff,
        "{name}: diff of a turn that did nothing"
    );
    let starting = Asked {
        starting: &diff.patch,
        ..Asked::MAIN
    };
    let task = world.attempt("starting", parent, snapshot, &starting).await;
    assert!(files_in(task.directory()) == wanted, "{name}: starting");
    assert_eq!(task.checkout.base_tree(), &diff.tree, "{name}");
    let nothing = task.diff(&limits).await.expect("a diff");
    assert_eq!(nothing.patch, b"", "{name}: starting changes are the base");
}

#[tokio::test]
async fn renames_are_told_with_counts() {
    let world = World::with_files(&[("a.txt", &lines(50, "line")), ("b", "1\n")]);
    let checkout = world.checkout("tree", &world.head()).await;
    rename(checkout.directory(), "a.txt", "x/ä\n.txt");
    put(checkout.directory(), "b", b"a\0b");
    let diff = checkout.diff(&DiffLimits::default()).await.expect("a diff");
    let seen: Vec<_> = diff
        .files
        .iter()
        .map(|file| {
            (
                file.path.as_slice(),
                file.kind,
                file.added,
                file.removed,
                file.old_path.as_deref(),
            )
        })
        .collect();
    let regular = FileMode::Regular;
    let expected = [
        (&b"b"[..], ChangeKind::Modified(regular), None, None, None),
        (
            "x/ä\n.txt".as_bytes(),
            ChangeKind::Renamed {
                from: regular,
                to: regular,
            },
            Some(0),
            Some(0),
            Some(&b"a.txt"[..]),
        ),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn nested_repositories_are_plain_files() {
    let world = World::with_files(&[("a", "1\n"), ("lib/x", "x\n")]);
    let checkout = world.checkout("tree", &world.head()).await;
    let tree = checkout.directory();
    put(tree, "vendor/pkg/file", "f\n");
    git_in(&tree.join("vendor/pkg"), &["init", "-q"]);
    git_in(&tree.join("vendor/pkg"), &["add", "."]);
    git_in(&tree.join("vendor/pkg"), &["commit", "-q", "-m", "nested"]);
    git_in(&tree.join("lib"), &["init", "-q"]);
    put(tree, "lib/x", "changed\n");
    let diff = checkout.diff(&DiffLimits::default()).await.expect("a diff");
    let paths: Vec<_> = diff
        .files
        .iter()
        .map(|file| String::from_utf8_lossy(&file.path).into_owned())
        .collect();
    assert_eq!(paths, ["lib/x", "vendor/pkg/file"]);
}

#[tokio::test]
async fn a_submodules_own_head_is_read() {
    let world = World::with_files(&[("a", "1\n")]);
    git_in(
        &world.upstream(),
        &[
            "update-index",
            "--add",
            "--cacheinfo",
            &format!("160000,{COMMIT_A},sub"),
        ],
    );
    git_in(&world.upstream(), &["commit", "-q", "-m", "sub"]);
    let head = world.head();
    type Make = fn(&Path);
    let cases: [(&str, Make, Option<&str>); 6] = [
        ("not fetched", |_| {}, None),
        (
            "detached",
            |t| put(t, "sub/.git/HEAD", format!("{COMMIT_B}\n")),
            Some(COMMIT_B),
        ),
        (
            "on a branch",
            |t| {
                put(t, "sub/.git/HEAD", "ref: refs/heads/x/y\n");
                put(t, "sub/.git/refs/heads/x/y", format!("{COMMIT_B}\n"));
            },
            Some(COMMIT_B),
        ),
        (
            "packed, beside",
            |t| {
                put(t, "sub/.git", "gitdir: ../.git/modules/sub\n");
                put(t, ".git/modules/sub/HEAD", "ref: refs/heads/x\n");
                put(
                    t,
                    ".git/modules/sub/packed-refs",
                    format!("# pack-refs\n{COMMIT_B} refs/heads/x\n"),
                );
            },
            Some(COMMIT_B),
        ),
        ("unchanged", |t| put(t, "sub/.git/HEAD", COMMIT_A), None),
        (
            "leads outside",
            |t| {
                put(t.parent().expect("has a parent"), "outside/HEAD", COMMIT_B);
                put(t, "sub/.git", "gitdir: ../../outside\n");
            },
            None,
        ),
    ];
    for (number, (name, make, wanted)) in cases.into_iter().enumerate() {
        let checkout = world.checkout(&format!("tree{number}"), &head).await;
        make(checkout.directory());
        let diff = checkout.diff(&DiffLimits::default()).await.expect("a diff");
        let patch = String::from_utf8_lossy(&diff.patch).into_owned();
        match wanted {
            Some(id) => assert!(
                patch.contains(&format!("+Subproject commit {id}")),
                "{name}: {patch}"
            ),
            None => assert!(patch.is_empty(), "{name}: {patch}"),
        }
    }
}
