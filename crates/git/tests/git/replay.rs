//! The history of a repository, one commit per kind of change. For each commit: check out the parent, make the working tree what the commit
//! has with plain file operations, take the diff, apply it to a fresh clone of the parent: the tree must be the commit's.

use crate::fixture::{World, git_bytes, git_fed, git_in, put, put_deep};
use outwork_git::{ChangeKind, CommitId, Diff, DiffLimits, FileMode};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

const COMMIT_A: &str = "1111111111111111111111111111111111111111";
const COMMIT_B: &str = "2222222222222222222222222222222222222222";

fn remove(root: &Path, path: &str) {
    let path = root.join(path);
    if path.symlink_metadata().expect("there").is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
    .expect("removed");
}

fn rename(root: &Path, from: &str, to: &str) {
    fs::create_dir_all(root.join(to).parent().expect("has a parent")).expect("a folder");
    fs::rename(root.join(from), root.join(to)).expect("renamed");
}

fn chmod(root: &Path, path: &str, mode: u32) {
    fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).expect("set");
}

fn lines(count: usize, word: &str) -> String {
    (0..count).map(|n| format!("{word} {n}\n")).collect()
}

fn bytes(count: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}

/// A file far down: its path has almost 4000 bytes, with the root's before it more than the system takes at once.
fn deep(root: &Path, content: &str) {
    put_deep(
        root,
        &vec!["d".repeat(250); 15],
        "e".repeat(200).as_ref(),
        content.as_bytes(),
    );
}

type Step = (&'static str, fn(&Path));

fn steps() -> Vec<Step> {
    let mut steps: Vec<Step> = vec![
        ("edit", |r| {
            put(
                r,
                "a.txt",
                lines(50, "line").replace("line 20\n", "line twenty\n"),
            )
        }),
        ("rename", |r| rename(r, "a.txt", "moved/a.txt")),
        ("rename and edit", |r| {
            remove(r, "moved");
            put(r, "b.txt", lines(50, "line").replace("line 3\n", "three\n"));
        }),
        ("copy", |r| {
            assert!(fs::copy(r.join("b.txt"), r.join("c.txt")).is_ok())
        }),
        ("swap two files", |r| {
            rename(r, "dir/one", "t");
            rename(r, "dir/two", "dir/one");
            rename(r, "t", "dir/two");
        }),
        ("executable", |r| chmod(r, "b.txt", 0o755)),
        ("not executable, and edited", |r| {
            put(r, "b.txt", "short\n");
            chmod(r, "b.txt", 0o644);
        }),
        ("odd permissions", |r| chmod(r, "b.txt", 0o600)),
        ("rename with mode", |r| {
            rename(r, "c.txt", "c2.txt");
            chmod(r, "c2.txt", 0o755);
        }),
        ("file to symlink", |r| {
            remove(r, "b.txt");
            symlink("c2.txt", r.join("b.txt")).expect("a link");
        }),
        ("symlink to file", |r| {
            remove(r, "b.txt");
            put(r, "b.txt", "again\n");
        }),
        ("file to folder", |r| {
            remove(r, "b.txt");
            put(r, "b.txt/inner", "in\n");
            put(r, "b.txt/deep/er", "in\n");
        }),
        ("folder to file", |r| {
            remove(r, "b.txt");
            put(r, "b.txt", "in\n");
        }),
        ("folder to symlink", |r| {
            remove(r, "dir");
            symlink("nowhere", r.join("dir")).expect("a link");
        }),
        ("symlink to folder", |r| {
            remove(r, "dir");
            put(r, "dir/one", "1\n");
            put(r, "dir/two", "2\n");
        }),
        ("symlinks", |r| {
            symlink("/etc/passwd", r.join("absolute")).expect("a link");
            symlink("no/such", r.join("dangling")).expect("a link");
            symlink("../outside", r.join("dir/up")).expect("a link");
            symlink("..", r.join("dir/loop")).expect("a link");
        }),
        ("symlink retargeted", |r| {
            remove(r, "dangling");
            symlink("elsewhere\nline two", r.join("dangling")).expect("a link");
        }),
        ("binary added", |r| put(r, "bin", bytes(20_000, 1))),
        ("binary changed", |r| {
            put(r, "bin", [bytes(9_000, 1), bytes(9_000, 2)].concat())
        }),
        ("binary to text", |r| put(r, "bin", "text now\n")),
        ("crlf", |r| put(r, "crlf", "a\r\nb\nc\r\n\rd")),
        ("crlf to lf", |r| put(r, "crlf", "a\nb\nc\n\rd")),
        ("no final newline", |r| put(r, "b.txt", "in")),
        ("final newline", |r| put(r, "b.txt", "in\n")),
        ("empty file", |r| put(r, "empty", "")),
        ("empty to content", |r| put(r, "empty", "x")),
        ("content to empty", |r| put(r, "empty", "")),
        ("empty deleted", |r| remove(r, "empty")),
        ("attributes", |r| {
            put(
                r,
                ".gitattributes",
                "* text=auto eol=crlf ident filter=lfs -diff working-tree-encoding=UTF-16\n*.txt binary\n",
            )
        }),
        ("content under attributes", |r| {
            put(r, "utf16.txt", b"\xff\xfea\0b\0");
            put(r, "id.c", "$Id$ $Id: x$\r\nmixed\n");
            put(r, "b.txt", "in\r\n");
        }),
    ];
    steps.extend(more_steps());
    steps
}

fn more_steps() -> Vec<Step> {
    vec![
        ("odd names", |r| {
            for name in [
                "with space",
                " lead",
                "trail ",
                "tab\there",
                "new\nline",
                "quo\"te",
                "back\\slash",
                "-dash",
                "--help",
                "sp ace/in folder",
                "a => b",
                "{a => b}",
                "ünï",
                "日本",
                "\u{202e}rtl",
                "\u{7f}",
                "\u{1b}[31m",
                "a/b/c:d",
                "...",
                "b",
                "dev/null",
                "$(id)",
                "*",
                "?",
                "[x]",
                "#x",
                "!x",
                ":(glob)x",
                "~",
                ".gitx",
                "x.git/HEAD",
            ] {
                put(r, name, format!("{name}\n"));
            }
        }),
        ("odd names moved and edited", |r| {
            rename(r, "new\nline", "tab\t/new\r\nline");
            rename(r, "trail ", "trail  ");
            put(r, "quo\"te", "changed");
            remove(r, "back\\slash");
        }),
        ("not UTF-8", |r| {
            for name in [&b"\xff\xfe"[..], b"caf\xe9", b"\x80/\x81", b"\x01\x02"] {
                let path = r.join(OsStr::from_bytes(name));
                fs::create_dir_all(path.parent().expect("has a parent")).expect("a folder");
                fs::write(path, name).expect("written");
            }
        }),
        ("not UTF-8 renamed", |r| {
            fs::rename(
                r.join(OsStr::from_bytes(b"caf\xe9")),
                r.join(OsStr::from_bytes(b"caf\xe8")),
            )
            .expect("renamed");
            put(r, "latin", b"caf\xe9 au lait\n");
        }),
        ("long names", |r| put(r, &"n".repeat(255), "long\n")),
        ("deep path", |r| deep(r, "deep")),
        ("deep path edited", |r| deep(r, "deeper")),
        ("deep path removed", |r| remove(r, &"d".repeat(250))),
        ("10 MB of text", |r| {
            put(r, "large", lines(900_000, "some words"))
        }),
        ("10 MB edited", |r| {
            put(
                r,
                "large",
                lines(900_000, "some words")
                    .replace("words 77777\n", "")
                    .replace("words 800000\n", "more\nand more\n"),
            )
        }),
        ("10 MB removed", |r| remove(r, "large")),
        ("many files", |r| {
            (0..3000).for_each(|n| put(r, &format!("many/{}/{n}", n % 50), format!("{n}\n")))
        }),
        ("many moved", |r| rename(r, "many", "lots")),
        ("many removed", |r| remove(r, "lots")),
        ("ignored by later rules", |r| {
            put(r, ".gitignore", "*.log\nbuild/\ndir/\n")
        }),
        ("added by force", |r| {
            put(r, "x.log", "log\n");
            put(r, "build/out", "out\n");
        }),
        ("tracked though ignored", |r| {
            put(r, "x.log", "log 2\n");
            put(r, "dir/one", "changed\n");
            remove(r, "dir/two");
        }),
        ("text that looks like a patch", |r| {
            put(
                r,
                "p",
                "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-- \n2.47\n\\ No newline at end of file\n",
            )
        }),
        ("submodule added", |r| submodule(r, "sub", COMMIT_A)),
        ("submodule moved on", |r| submodule(r, "sub", COMMIT_B)),
        ("submodule to folder", |r| {
            remove(r, "sub");
            put(r, "sub/file", "plain\n");
        }),
        ("folder to submodule", |r| {
            remove(r, "sub");
            submodule(r, "sub", COMMIT_A);
        }),
        ("submodule to file", |r| {
            remove(r, "sub");
            put(r, "sub", "file\n");
        }),
        ("file to submodule", |r| {
            remove(r, "sub");
            submodule(r, "sub", COMMIT_B);
        }),
        ("submodule moved", |r| {
            remove(r, "sub");
            submodule(r, "deps/sub", COMMIT_B);
        }),
        ("submodule removed", |r| remove(r, "deps")),
        ("folder emptied", |r| remove(r, "sp ace")),
        ("everything removed", |r| {
            for entry in fs::read_dir(r).expect("a folder") {
                let name = entry.expect("an entry").file_name();
                if name != ".git" {
                    let path = r.join(name);
                    if path.symlink_metadata().expect("there").is_dir() {
                        fs::remove_dir_all(path)
                    } else {
                        fs::remove_file(path)
                    }
                    .expect("removed");
                }
            }
        }),
        ("from nothing", |r| put(r, "first", "1\n")),
    ]
}

/// A marker for the builder below: git needs no repository to record a submodule.
fn submodule(root: &Path, path: &str, commit: &str) {
    fs::create_dir_all(root.join(path)).expect("a folder");
    fs::write(
        root.join(".git/submodule"),
        format!("160000,{commit},{path}"),
    )
    .expect("written");
}

fn build(world: &World) -> Vec<(&'static str, CommitId, CommitId)> {
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
        history.push((name, parent, commit.clone()));
        parent = commit;
    }
    history
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
fn become_commit(world: &World, tree: &Path, parent: &CommitId, commit: &CommitId) {
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
        let content = git_bytes(&world.upstream(), &["cat-file", "blob", id]);
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
        assert!(applied, "{name}: {said}");
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
        let checkout = world.checkout(&label, parent).await;
        become_commit(&world, checkout.directory(), parent, commit);
        let diff = checkout
            .diff(&DiffLimits::default())
            .await
            .unwrap_or_else(|fault| panic!("{name}: {fault:?}"));
        let wanted = git_in(
            &world.upstream(),
            &["rev-parse", &format!("{commit}^{{tree}}")],
        );
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
        // The agent's own commit of it makes no difference.
        fs::remove_dir_all(checkout.directory()).expect("removed");
        fs::remove_dir_all(world.path(&format!("{label}.trusted"))).expect("removed");
    }
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
