//! The attacks, one by one.

use super::Scene;
use crate::fixture::{git_in, put, put_deep};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

pub struct Attack {
    pub name: &'static str,
    pub act: fn(&Scene),
    /// Paths that the diff must have.
    pub shown: &'static [&'static str],
    pub absent: &'static [&'static str],
    /// Words that must be in a warning.
    pub warned: &'static [&'static str],
}

const BOTH: &[&str] = &["src/main.txt", "evil.txt"];

const fn attack(name: &'static str, act: fn(&Scene)) -> Attack {
    Attack {
        name,
        act,
        shown: BOTH,
        absent: &[],
        warned: &[],
    }
}

fn config(scene: &Scene, key: &str, value: &str) {
    git_in(&scene.tree, &["config", key, value]);
}

fn program_in_config(scene: &Scene, keys: &[&str]) {
    for key in keys {
        config(scene, key, scene.program.to_str().expect("UTF-8"));
    }
}

fn fifo(path: &Path) {
    assert!(
        std::process::Command::new("mkfifo")
            .arg(path)
            .status()
            .expect("mkfifo starts")
            .success()
    );
}

fn replace_with_link(target: &Path, path: &Path) {
    if path.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
        fs::remove_dir_all(path).expect("removed")
    } else {
        let _ = fs::remove_file(path);
    }
    symlink(target, path).expect("a link");
}

/// Programs that git would start.
pub fn configuration() -> Vec<Attack> {
    vec![
        attack("fsmonitor", |s| program_in_config(s, &["core.fsmonitor"])),
        attack("hooks", |s| {
            for hook in [
                "post-index-change",
                "pre-commit",
                "post-checkout",
                "reference-transaction",
                "fsmonitor-watchman",
            ] {
                put(&s.tree, ".git/hooks/keep", "");
                fs::copy(&s.program, s.tree.join(".git/hooks").join(hook)).expect("copied");
            }
            config(s, "core.hooksPath", ".git/hooks");
        }),
        attack("clean and smudge filters", |s| {
            program_in_config(
                s,
                &["filter.x.clean", "filter.x.smudge", "filter.y.process"],
            );
            put(&s.tree, ".gitattributes", "* filter=x\nevil.txt filter=y\n");
        }),
        attack("textconv and external diff", |s| {
            program_in_config(s, &["diff.x.textconv", "diff.x.command", "diff.external"]);
            put(&s.tree, ".gitattributes", "* diff=x\n");
        }),
        attack("merge driver", |s| {
            program_in_config(s, &["merge.x.driver"]);
            put(&s.tree, ".gitattributes", "* merge=x\n");
        }),
        attack("included configuration", |s| {
            put(
                &s.tree,
                "evil.config",
                format!(
                    "[core]\n\tfsmonitor = {0}\n\tpager = {0}\n\teditor = {0}\n",
                    s.program.display()
                ),
            );
            config(s, "include.path", "../evil.config");
        }),
        attack("aliases, pager, editor, ssh, gpg", |s| {
            program_in_config(
                s,
                &[
                    "core.pager",
                    "core.editor",
                    "core.sshCommand",
                    "gpg.program",
                    "core.askPass",
                    "credential.helper",
                    "core.alternateRefsCommand",
                ],
            );
            config(s, "alias.diff-tree", &format!("!{}", s.program.display()));
        }),
        attack("promisor remote over a program", |s| {
            program_in_config(s, &["core.sshCommand", "remote.origin.uploadpack"]);
            config(s, "remote.origin.url", "ssh://localhost/x");
            config(s, "remote.origin.promisor", "true");
            config(s, "core.repositoryFormatVersion", "1");
            config(s, "extensions.partialClone", "origin");
            fs::remove_file(s.tree.join(".git/objects/info/alternates")).expect("removed");
        }),
        attack("ext transport", |s| {
            config(
                s,
                "remote.origin.url",
                &format!("ext::{}", s.program.display()),
            )
        }),
        attack("worktree configuration", |s| {
            config(s, "extensions.worktreeConfig", "true");
            put(
                &s.tree,
                ".git/config.worktree",
                format!("[core]\n\tfsmonitor = {}\n", s.program.display()),
            );
        }),
    ]
}

/// Other places put in the way.
pub fn redirection() -> Vec<Attack> {
    vec![
        attack("core.worktree outside", |s| {
            config(s, "core.worktree", s.outside.to_str().expect("UTF-8"))
        }),
        attack(".git is a file that leads elsewhere", |s| {
            git_in(&s.outside, &["init", "-q", "--bare", "repo"]);
            fs::remove_dir_all(s.tree.join(".git")).expect("removed");
            put(
                &s.tree,
                ".git",
                format!("gitdir: {}\n", s.outside.join("repo").display()),
            );
        }),
        attack(".git is a symlink", |s| {
            replace_with_link(&s.outside, &s.tree.join(".git"))
        }),
        attack(".git is gone", |s| {
            fs::remove_dir_all(s.tree.join(".git")).expect("removed")
        }),
        attack(".git is a named pipe", |s| {
            fs::remove_dir_all(s.tree.join(".git")).expect("removed");
            fifo(&s.tree.join(".git"));
        }),
        attack("a repository in a tracked folder", |s| {
            git_in(&s.tree.join("src"), &["init", "-q"]);
            git_in(
                &s.tree.join("src"),
                &[
                    "config",
                    "core.fsmonitor",
                    s.program.to_str().expect("UTF-8"),
                ],
            );
            git_in(
                &s.tree.join("src"),
                &[
                    "config",
                    "core.worktree",
                    s.outside.to_str().expect("UTF-8"),
                ],
            );
        }),
        attack("a .git file in a tracked folder", |s| {
            put(
                &s.tree,
                "src/.git",
                format!("gitdir: {}\n", s.outside.display()),
            )
        }),
        Attack {
            shown: &["src/main.txt", "evil.txt", "nested/file"],
            ..attack("an untracked nested repository", |s| {
                put(&s.tree, "nested/file", "f\n");
                git_in(&s.tree.join("nested"), &["init", "-q"]);
                git_in(
                    &s.tree.join("nested"),
                    &[
                        "config",
                        "core.fsmonitor",
                        s.program.to_str().expect("UTF-8"),
                    ],
                );
            })
        },
        attack("foreign objects", |s| {
            put(
                &s.tree,
                ".git/objects/info/alternates",
                format!("{}\n", s.outside.display()),
            )
        }),
        Attack {
            shown: &["src/other.txt", "evil.txt"],
            ..attack("a symlink in place of a file", |s| {
                replace_with_link(&s.outside.join("secret"), &s.tree.join("src/other.txt"))
            })
        },
        Attack {
            shown: &["src", "src/main.txt", "src/other.txt", "evil.txt"],
            ..attack("a symlink in place of a folder", |s| {
                replace_with_link(&s.outside, &s.tree.join("src"))
            })
        },
        Attack {
            shown: &["loop", "evil.txt"],
            ..attack("folder loops", |s| {
                replace_with_link(Path::new("."), &s.tree.join("loop"))
            })
        },
        attack("common dir", |s| {
            put(
                &s.tree,
                ".git/commondir",
                s.outside.to_str().expect("UTF-8"),
            )
        }),
    ]
}

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

/// What is no plain file, or too much of one.
pub fn special_files() -> Vec<Attack> {
    vec![
        Attack {
            warned: &[
                "src/other.txt is left out: it is a named pipe",
                "pipe is left out",
            ],
            ..attack("named pipes", |s| {
                fs::remove_file(s.tree.join("src/other.txt")).expect("removed");
                fifo(&s.tree.join("src/other.txt"));
                fifo(&s.tree.join("pipe"));
                fifo(&s.tree.join("docs/.gitignore"));
            })
        },
        Attack {
            warned: &["socket is left out: it is a socket"],
            ..attack("a socket", |s| {
                drop(
                    std::os::unix::net::UnixListener::bind(s.tree.join("socket"))
                        .expect("a socket"),
                )
            })
        },
        Attack {
            warned: &[
                "sparse is left out: it has 1099511627776 bytes",
                "README is left out",
            ],
            ..attack("1 TiB without content", |s| {
                for name in ["sparse", "README"] {
                    fs::File::create(s.tree.join(name))
                        .expect("a file")
                        .set_len(1 << 40)
                        .expect("set");
                }
            })
        },
        Attack {
            shown: &["src/main.txt", "evil.txt", "closed/file"],
            ..attack("mode 000", |s| {
                put(&s.tree, "closed/file", "c\n");
                for path in ["src/other.txt", "closed/file", "closed", "docs"] {
                    fs::set_permissions(s.tree.join(path), fs::Permissions::from_mode(0o000))
                        .expect("set");
                }
            })
        },
        Attack {
            warned: &["path is longer than git can hold"],
            ..attack("a path of 30 kB", |s| {
                put_deep(&s.tree, &vec!["x".repeat(200); 150], "file".as_ref(), b"x");
            })
        },
        attack("links to /dev and /proc", |s| {
            for (name, target) in [
                ("zero", "/dev/zero"),
                ("self", "/proc/self"),
                ("root", "/"),
                ("tty", "/dev/tty"),
                ("mem", "/proc/self/mem"),
            ] {
                symlink(target, s.tree.join(name)).expect("a link");
            }
        }),
        Attack {
            warned: &[".gitmodules is left out"],
            ..attack(".gitmodules as a symlink", |s| {
                symlink(s.outside.join("secret"), s.tree.join(".gitmodules")).expect("a link")
            })
        },
        attack("a deep tree of folders", |s| {
            put_deep(&s.tree, &vec!["d"; 1900], "file".as_ref(), b"x");
        }),
    ]
}

pub fn submodules() -> Vec<Attack> {
    vec![
        Attack {
            absent: &["sub/file"],
            warned: &["files in the submodule sub"],
            ..attack("files in a submodule", |s| put(&s.tree, "sub/file", "x"))
        },
        Attack {
            absent: &["sub"],
            warned: &["sub could not be read"],
            ..attack("a submodule whose repository is outside", |s| {
                put(
                    &s.outside,
                    "HEAD",
                    "2222222222222222222222222222222222222222\n",
                );
                put(
                    &s.tree,
                    "sub/.git",
                    format!("gitdir: {}\n", s.outside.display()),
                );
            })
        },
        Attack {
            absent: &["sub"],
            warned: &["sub could not be read"],
            ..attack("a submodule whose HEAD is a symlink", |s| {
                put(
                    &s.outside,
                    "HEAD",
                    "2222222222222222222222222222222222222222\n",
                );
                fs::create_dir_all(s.tree.join("sub/.git")).expect("a folder");
                symlink(s.outside.join("HEAD"), s.tree.join("sub/.git/HEAD")).expect("a link");
            })
        },
        Attack {
            absent: &["sub"],
            warned: &["sub could not be read"],
            ..attack("a submodule whose HEAD is a named pipe", |s| {
                fs::create_dir_all(s.tree.join("sub/.git")).expect("a folder");
                fifo(&s.tree.join("sub/.git/HEAD"));
            })
        },
        Attack {
            absent: &["sub"],
            ..attack("a submodule whose HEAD names a file outside", |s| {
                put(
                    &s.outside,
                    "ref",
                    "2222222222222222222222222222222222222222\n",
                );
                put(
                    &s.tree,
                    "sub/.git/HEAD",
                    "ref: refs/heads/../../../../../outside/ref\n",
                );
            })
        },
        attack(
            "a submodule with a program and a hostile .gitmodules",
            |s| {
                git_in(&s.tree.join("sub"), &["init", "-q"]);
                git_in(
                    &s.tree.join("sub"),
                    &[
                        "config",
                        "core.fsmonitor",
                        s.program.to_str().expect("UTF-8"),
                    ],
                );
                put(
                    &s.tree,
                    ".gitmodules",
                    format!(
                        "[submodule \"sub\"]\n\tpath = sub\n\turl = ext::{0}\n\tupdate = !{0}\n\tignore = all\n",
                        s.program.display()
                    ),
                );
            },
        ),
    ]
}
