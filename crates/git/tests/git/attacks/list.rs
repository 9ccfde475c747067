//! The attacks, one by one.

mod hiding;
mod names;
mod special;
mod submodules;

pub use hiding::hiding;
pub use names::names;
pub use special::special_files;
pub use submodules::submodules;

use super::Scene;
use crate::fixture::{git_in, put};
use std::fs;
use std::os::unix::fs::symlink;
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

pub fn fifo(path: &Path) {
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
        attack("configuration included where the place fits", |s| {
            put(
                &s.tree,
                "evil.config",
                format!("[core]\n\tfsmonitor = {}\n", s.program.display()),
            );
            config(s, "includeIf.gitdir:/**.path", "../evil.config");
            config(s, "includeIf.onbranch:**.path", "../evil.config");
            config(
                s,
                "includeIf.hasconfig:remote.*.url:**.path",
                "../evil.config",
            );
        }),
        attack("proxies and helpers of remotes", |s| {
            program_in_config(
                s,
                &[
                    "core.gitProxy",
                    "uploadpack.packObjectsHook",
                    "remote.origin.vcs",
                    "remote.origin.proxy",
                    "url.ext::x.insteadOf",
                    "trailer.x.command",
                    "diff.tool",
                    "sequence.editor",
                ],
            );
            config(s, "protocol.ext.allow", "always");
            config(s, "remote.origin.promisor", "true");
        }),
        attack("a required filter and attributes outside", |s| {
            program_in_config(s, &["filter.x.clean", "filter.x.process"]);
            config(s, "filter.x.required", "true");
            put(&s.outside, "attributes", "* filter=x diff=x merge=x\n");
            let attributes = s.outside.join("attributes");
            config(
                s,
                "core.attributesFile",
                attributes.to_str().expect("UTF-8"),
            );
        }),
        attack("the socket of a monitor of files", |s| {
            config(s, "core.fsmonitor", "true");
            drop(
                std::os::unix::net::UnixListener::bind(s.tree.join(".git/fsmonitor--daemon.ipc"))
                    .expect("a socket"),
            );
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
        Attack {
            warned: &["git index could not be read"],
            ..attack("an index outside, by a symlink", |s| {
                replace_with_link(&s.outside.join("secret"), &s.tree.join(".git/index"))
            })
        },
        attack("named pipes all over .git", |s| {
            for name in ["HEAD", "config", "packed-refs", "objects/info/alternates"] {
                let path = s.tree.join(".git").join(name);
                let _ = fs::remove_file(&path);
                fifo(&path);
            }
        }),
        attack("objects outside, by a symlink", |s| {
            replace_with_link(&s.outside, &s.tree.join(".git/objects"))
        }),
        attack("another working tree of the repository", |s| {
            put(
                &s.tree,
                ".git/worktrees/x/gitdir",
                format!("{}\n", s.outside.join(".git").display()),
            );
            put(
                &s.tree,
                ".git/worktrees/x/commondir",
                "../../../../outside\n",
            );
            put(&s.tree, ".git/worktrees/x/HEAD", "ref: refs/heads/main\n");
        }),
        Attack {
            shown: &["loop/a/b", "evil.txt"],
            ..attack("folders in a loop of two links", |s| {
                fs::create_dir_all(s.tree.join("loop/a")).expect("folders");
                replace_with_link(Path::new("../../loop"), &s.tree.join("loop/a/b"));
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
