use super::{Attack, attack, fifo};
use crate::fixture::{git_in, put};
use std::fs;
use std::os::unix::fs::symlink;

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
        Attack {
            absent: &["sub"],
            warned: &["sub could not be read"],
            ..attack("a submodule whose references are a terabyte", |s| {
                put(&s.tree, "sub/.git/HEAD", "ref: refs/heads/main\n");
                fs::File::create(s.tree.join("sub/.git/packed-refs"))
                    .expect("a file")
                    .set_len(1 << 40)
                    .expect("set");
            })
        },
        Attack {
            absent: &["sub"],
            warned: &["sub could not be read"],
            ..attack("a submodule in a repository that climbs out", |s| {
                put(
                    &s.outside,
                    "modules/HEAD",
                    "2222222222222222222222222222222222222222\n",
                );
                put(
                    &s.tree,
                    "sub/.git",
                    "gitdir: ../.git/modules/../../../../../../outside/modules\n",
                );
            })
        },
    ]
}
