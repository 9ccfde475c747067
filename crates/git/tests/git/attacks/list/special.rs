use super::{Attack, attack, fifo};
use crate::fixture::{git_in, put, put_deep};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

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
