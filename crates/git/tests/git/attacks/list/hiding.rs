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
        Attack {
            absent: &[".GIT/config", "x/git~1"],
            warned: &[".GIT is left out", "git~1 is left out"],
            ..attack("names like .git", |s| {
                put(&s.tree, ".GIT/config", "[core]\n");
                put(&s.tree, "x/git~1", "x");
                put(&s.tree, "x/.git /config", "x");
            })
        },
        Attack {
            shown: &[
                "src/main.txt",
                "evil.txt",
                "x\ndiff --git a/README b/README\ndeleted file mode 100644\n",
            ],
            ..attack("a name that looks like a patch", |s| {
                put(
                    &s.tree,
                    "x\ndiff --git a/README b/README\ndeleted file mode 100644\n",
                    "x",
                )
            })
        },
    ]
}
