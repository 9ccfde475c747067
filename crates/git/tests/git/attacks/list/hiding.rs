use super::{Attack, attack, config, fifo, replace_with_link};
use crate::fixture::{git_in, put};
use std::fs;

/// Changes that are to be overlooked.
pub fn hiding() -> Vec<Attack> {
    vec![
        attack("assume unchanged, skip worktree", |s| {
            git_in(
                &s.tree,
                &["update-index", "--assume-unchanged", "src/main.txt"],
            );
            git_in(&s.tree, &["update-index", "--skip-worktree", "docs/a.txt"]);
        }),
        attack("everything committed", |s| {
            git_in(&s.tree, &["add", "-A"]);
            git_in(&s.tree, &["commit", "-q", "-m", "mine"]);
            git_in(&s.tree, &["update-ref", "refs/remotes/origin/main", "HEAD"]);
        }),
        attack("replace refs and grafts", |s| {
            git_in(&s.tree, &["add", "-A"]);
            let tree = git_in(&s.tree, &["write-tree"]);
            let old = git_in(&s.tree, &["rev-parse", "HEAD^{tree}"]);
            git_in(&s.tree, &["replace", "--force", old.trim(), tree.trim()]);
            put(
                &s.tree,
                ".git/info/grafts",
                git_in(&s.tree, &["rev-parse", "HEAD"]),
            );
        }),
        Attack {
            shown: &["src/main.txt", "evil.txt", ".gitattributes"],
            ..attack("-diff and binary", |s| {
                put(
                    &s.tree,
                    ".gitattributes",
                    "* -diff binary -text\n[attr]x -diff\n* x\n",
                )
            })
        },
        attack("working-tree-encoding, ident, eol", |s| {
            put(
                &s.tree,
                ".gitattributes",
                "* text eol=crlf ident working-tree-encoding=UTF-16\n",
            )
        }),
        attack("attributes in .git", |s| {
            put(
                &s.tree,
                ".git/info/attributes",
                "* -diff filter=x export-ignore\n",
            )
        }),
        attack("exclude file", |s| put(&s.tree, ".git/info/exclude", "*\n")),
        attack("excludesFile in the configuration", |s| {
            put(&s.tree, ".git/all", "*\n");
            config(s, "core.excludesFile", ".git/all");
        }),
        attack("sparse checkout", |s| {
            config(s, "core.sparseCheckout", "true");
            put(&s.tree, ".git/info/sparse-checkout", "/docs/\n");
        }),
        attack("fileMode, symlinks, ignoreCase, autocrlf", |s| {
            for (key, value) in [
                ("core.fileMode", "false"),
                ("core.symlinks", "false"),
                ("core.ignoreCase", "true"),
                ("core.autocrlf", "input"),
                ("diff.ignoreSubmodules", "all"),
            ] {
                config(s, key, value);
            }
        }),
        attack(".gitignore outside, by a symlink", |s| {
            replace_with_link(
                &s.outside.join(".gitignore"),
                &s.tree.join("src/.gitignore"),
            )
        }),
        attack(".gitignore that takes for ever", |s| {
            put(
                &s.tree,
                "docs/.gitignore",
                format!("{}\n{}x\n", "a*".repeat(50), "**/".repeat(60)),
            )
        }),
        attack("time stamps put back", |s| {
            let path = s.tree.join("src/main.txt");
            put(&s.tree, "src/main.txt", "ONE\ntwo\n");
            let file = fs::File::options().write(true).open(path).expect("there");
            file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1))
                .expect("set");
        }),
        Attack {
            warned: &["git index could not be read"],
            ..attack("index is garbage", |s| {
                put(
                    &s.tree,
                    ".git/index",
                    b"DIRC\0\0\0\x04\xff\xff\xff\xff garbage",
                )
            })
        },
        Attack {
            warned: &["git index could not be read"],
            ..attack("index is a named pipe", |s| {
                fs::remove_file(s.tree.join(".git/index")).expect("removed");
                fifo(&s.tree.join(".git/index"));
            })
        },
        attack("index says that tracked folders are submodules", |s| {
            git_in(&s.tree, &["rm", "-r", "-q", "--cached", "src"]);
            git_in(
                &s.tree,
                &[
                    "update-index",
                    "--add",
                    "--cacheinfo",
                    &format!("160000,{},src", "3".repeat(40)),
                ],
            );
        }),
        attack("an index in parts", |s| {
            git_in(&s.tree, &["update-index", "--split-index"]);
            let parts = fs::read_dir(s.tree.join(".git")).expect("a folder");
            for part in parts.map(|part| part.expect("an entry").path()) {
                if part.to_string_lossy().contains("sharedindex.") {
                    replace_with_link(&s.outside.join("secret"), &part);
                }
            }
        }),
        attack("a shallow history", |s| {
            put(
                &s.tree,
                ".git/shallow",
                git_in(&s.tree, &["rev-parse", "HEAD"]),
            )
        }),
        attack("an index that is being written for ever", |s| {
            put(&s.tree, ".git/index.lock", "")
        }),
        Attack {
            warned: &["git index could not be read"],
            ..attack("an index whose names are a thousand times its size", |s| {
                put(&s.tree, ".git/index", greedy_index())
            })
        },
        attack("names of an index with thousands of folders each", |s| {
            put(&s.tree, ".git/index", deep_index())
        }),
        Attack {
            shown: &["src/main.txt", "evil.txt", "hidden/by/file"],
            ..attack("marks of a layer, made by hand", |s| {
                put(&s.tree, "hidden/by/file", "x\n");
                for path in [
                    "src",
                    "src/main.txt",
                    "hidden",
                    "hidden/by",
                    "hidden/by/file",
                ] {
                    forge_marks(&s.tree.join(path));
                }
            })
        },
    ]
}

const ENTRY_STAT: [u8; 40] = {
    let mut stat = [0; 40];
    // The mode of a regular file.
    (stat[26], stat[27]) = (0x81, 0xa4);
    stat
};

fn index(version: u32, entries: u32) -> Vec<u8> {
    [&b"DIRC"[..], &version.to_be_bytes(), &entries.to_be_bytes()].concat()
}

/// In version 4 a name repeats the one before it in one byte: 20,000 names of a megabyte, in little more than that.
fn greedy_index() -> Vec<u8> {
    const NAMES: u32 = 20_000;
    let mut index = index(4, NAMES);
    for number in 0..NAMES {
        index.extend(ENTRY_STAT);
        index.extend([1; 20]);
        index.extend([0xff, 0xff]);
        // Nothing of the name before is dropped.
        index.push(0);
        if number == 0 {
            index.extend(vec![b'x'; 1 << 20]);
        }
        index.push(0);
    }
    index
}

/// 4,000 names, each two thousand folders deep and with no folder in common.
fn deep_index() -> Vec<u8> {
    const NAMES: u32 = 4000;
    let mut index = index(2, NAMES);
    for number in 0..NAMES {
        let start = index.len();
        index.extend(ENTRY_STAT);
        index.extend([1; 20]);
        index.extend([0x0f, 0xff]);
        index.extend(format!("{number:05}{}", "/x".repeat(2040)).into_bytes());
        let length = index.len() - start;
        index.resize(start + (length + 8) / 8 * 8, 0);
    }
    index
}

/// What an overlay writes on files and folders, as far as anybody but the kernel may.
fn forge_marks(path: &std::path::Path) {
    use rustix::fs::{XattrFlags, setxattr};
    let marks = [
        "opaque", "whiteout", "redirect", "metacopy", "origin", "impure",
    ];
    for mark in marks {
        for value in [&b"y"[..], b"x", b"/outside", b""] {
            for space in ["user.overlay", "trusted.overlay", "user.overlay.overlay"] {
                // Most are refused, which is as good.
                let name = format!("{space}.{mark}");
                let _ = setxattr(path, name.as_str(), value, XattrFlags::empty());
            }
        }
    }
}
