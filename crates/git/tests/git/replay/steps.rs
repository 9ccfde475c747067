//! The kinds of change, in an order in which each finds what it needs.

use crate::fixture::{put, put_deep};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

pub const COMMIT_A: &str = "1111111111111111111111111111111111111111";
pub const COMMIT_B: &str = "2222222222222222222222222222222222222222";

fn remove(root: &Path, path: &str) {
    let path = root.join(path);
    if path.symlink_metadata().expect("there").is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
    .expect("removed");
}

pub fn rename(root: &Path, from: &str, to: &str) {
    fs::create_dir_all(root.join(to).parent().expect("has a parent")).expect("a folder");
    fs::rename(root.join(from), root.join(to)).expect("renamed");
}

fn chmod(root: &Path, path: &str, mode: u32) {
    fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).expect("set");
}

pub fn lines(count: usize, word: &str) -> String {
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
pub fn deep(root: &Path, content: &str) {
    put_deep(
        root,
        &vec!["d".repeat(250); 15],
        "e".repeat(200).as_ref(),
        content.as_bytes(),
    );
}

pub type Step = (&'static str, fn(&Path));

pub fn steps() -> Vec<Step> {
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
            (0..2000).for_each(|n| put(r, &format!("many/{}/{n}", n % 50), format!("{n}\n")))
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
