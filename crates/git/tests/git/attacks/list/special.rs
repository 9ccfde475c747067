use super::{Attack, attack, fifo, replace_with_link};
use crate::fixture::{put, put_deep};
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
        attack("the tree itself and all above it closed", |s| {
            let workspace = s.tree.parent().expect("a folder");
            for path in [&*s.tree, workspace] {
                fs::set_permissions(path, fs::Permissions::from_mode(0o000)).expect("set");
            }
        }),
        Attack {
            warned: &["path is longer than git can hold"],
            ..attack("a path of 30 kB", |s| {
                put_deep(&s.tree, &vec!["x".repeat(200); 150], "file".as_ref(), b"x");
            })
        },
        Attack {
            warned: &["device is left out: it is a"],
            ..attack("a device, where one can be made", |s| {
                use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
                let path = s.tree.join("device");
                // That of zeros without end. An ordinary user has to do with a pipe without end.
                let kind = FileType::CharacterDevice;
                if mknodat(CWD, &path, kind, Mode::RUSR, makedev(1, 5)).is_err() {
                    fifo(&path);
                }
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
        Attack {
            warned: &["path is longer than git can hold"],
            ..attack("folders far beyond what a path can name", |s| {
                put_deep(&s.tree, &vec!["d"; 9000], "file".as_ref(), b"x");
            })
        },
        Attack {
            shown: &["src/main.txt", "evil.txt", "docs/second", "docs/third"],
            ..attack("hard links of one file", |s| {
                put(&s.tree, "docs/second", "linked\n");
                for (from, to) in [("docs/second", "docs/third"), ("evil.txt", "docs/fourth")] {
                    fs::hard_link(s.tree.join(from), s.tree.join(to)).expect("a link");
                }
            })
        },
        Attack {
            shown: &["src/main.txt", "evil.txt", "line"],
            ..attack("one line of eight megabytes", |s| {
                put(&s.tree, "line", vec![b'x'; 8 << 20])
            })
        },
        Attack {
            shown: &["src/main.txt", "evil.txt", "noise"],
            ..attack("NUL, escapes and what is no text", |s| {
                let noise = b"\0\x1b[31m\xff\xfe\xc0\x80\r\n\x08".repeat(1000);
                put(&s.tree, "noise", noise)
            })
        },
        Attack {
            warned: &["docs/a.txt is left out: it is a socket"],
            ..attack("sockets and pipes in place of what is always read", |s| {
                for name in ["docs/a.txt", "AGENTS.md"] {
                    let _ = fs::remove_file(s.tree.join(name));
                    drop(
                        std::os::unix::net::UnixListener::bind(s.tree.join(name))
                            .expect("a socket"),
                    );
                }
                fifo(&s.tree.join(".gitmodules"));
                fs::remove_file(s.tree.join(".gitignore")).expect("removed");
                fifo(&s.tree.join(".gitignore"));
                replace_with_link(
                    &s.outside.join(".gitignore"),
                    &s.tree.join("src/.gitignore"),
                );
            })
        },
    ]
}
