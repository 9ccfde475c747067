use super::{Attack, attack};
use crate::fixture::put;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

/// What Windows or macOS would open as `.git`.
const LIKE_DOT_GIT: [&str; 17] = [
    ".GIT",
    ".Git",
    ".gIT",
    ".git.",
    ".git ",
    ".git. . ",
    ".GIT...",
    "git~1",
    "GIT~1",
    "Git~1.",
    ".git::$INDEX_ALLOCATION",
    ".git:stream",
    ".git\\hooks",
    ".g\u{200c}it",
    "\u{feff}.git",
    ".gi\u{202e}t",
    ".G\u{206a}IT\u{200d}",
];

/// Names that mean something to somebody.
pub fn names() -> Vec<Attack> {
    vec![
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
            // These are no such names, however near they come.
            shown: &[
                "src/main.txt",
                "evil.txt",
                "x/.gitx",
                "x/git~2",
                "x/.git-",
                "x/. git",
            ],
            warned: &[
                ".git::$INDEX_ALLOCATION is left out",
                ".gi\\xe2\\x80\\xaet is left out",
                ".git\\\\hooks is left out",
            ],
            ..attack("every spelling of .git", |s| {
                for (number, name) in LIKE_DOT_GIT.iter().enumerate() {
                    put(&s.tree, &format!("f{number}/{name}"), "[core]\n");
                    put(&s.tree, &format!("d{number}/{name}/config"), "[core]\n");
                }
                for name in [".gitx", "git~2", ".git-", ". git"] {
                    put(&s.tree, &format!("x/{name}"), "x\n");
                }
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
        Attack {
            shown: &[
                "src/main.txt",
                "evil.txt",
                "\u{1b}]0;title\u{7}\u{1b}[2J",
                "-rf",
                "--output=README",
                "a\tb",
                "\"quoted\\\"",
                " ",
                "\u{3000}$(touch executed);`id`",
                ":(exclude)*",
                "dot./trailing ",
                // Shown as text where it is none.
                "\u{fffd}\u{fffd}bytes",
            ],
            ..attack(
                "names that terminals, shells and git's own arguments would take",
                |s| {
                    for name in [
                        &b"\x1b]0;title\x07\x1b[2J"[..],
                        b"-rf",
                        b"--output=README",
                        b"a\tb",
                        b"\"quoted\\\"",
                        b" ",
                        "\u{3000}$(touch executed);`id`".as_bytes(),
                        b":(exclude)*",
                        b"\xff\xfebytes",
                    ] {
                        fs::write(s.tree.join(OsStr::from_bytes(name)), "x\n").expect("a file");
                    }
                    put(&s.tree, "dot./trailing ", "x\n");
                },
            )
        },
    ]
}
