use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use super::*;

const TOKEN: &str = "npm_s3cr3t/VALUE+22?";

struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn scan(&self, needles: &[(&str, &str)]) -> Report {
        self.scan_within(needles, &Limits::default())
    }

    fn scan_within(&self, needles: &[(&str, &str)], limits: &Limits) -> Report {
        let needles: Vec<_> = needles
            .iter()
            .map(|(name, value)| Needle { name, value })
            .collect();
        scan(self.0.path(), &needles, limits).unwrap()
    }

    /// Where the token is, as `path place encoding`.
    fn places(&self) -> Vec<String> {
        let report = self.scan(&[("TOKEN", TOKEN)]);
        let places = report.found.iter();
        places
            .map(|found| {
                assert_eq!(found.name, "TOKEN");
                format!("{} {:?} {:?}", found.path, found.place, found.encoding)
            })
            .collect()
    }
}

#[test]
fn a_value_is_found_in_each_of_its_forms_wherever_it_is() {
    let tree = Tree::new();
    tree.write("home/.npmrc", format!("//r/:_authToken={TOKEN}\n"));
    tree.write(
        "home/auth.json",
        format!(
            "{{\"auth\":\"{}\"}}",
            STANDARD.encode(format!("user:{TOKEN}"))
        ),
    );
    tree.write("home/url", "https://x:npm_s3cr3t%2FVALUE%2B22%3F@host/");
    tree.write("home/php.json", "\"npm_s3cr3t\\/VALUE+22?\"");
    tree.write(
        "binary",
        [&[0, 255, 254][..], TOKEN.as_bytes(), &[0]].concat(),
    );
    tree.write("near", &TOKEN[1..]);
    tree.write("names/npm_s3cr3t%2fVALUE%2b22%3f.html", "");
    symlink(format!("/x/{TOKEN}"), tree.path("link")).unwrap();
    tree.write("closed/file", TOKEN);
    assert_eq!(
        tree.places(),
        [
            "binary Content Plain",
            "closed/file Content Plain",
            "home/.npmrc Content Plain",
            "home/auth.json Content Base64",
            "home/php.json Content Json",
            "home/url Content Percent",
            "link LinkTarget Plain",
            "names/[secret TOKEN].html Name Percent",
        ]
    );
}

#[test]
fn a_value_is_found_across_every_border_between_pieces() {
    let needle = [Needle {
        name: "TOKEN",
        value: TOKEN,
    }];
    let patterns = Patterns::new(&needle);
    let mut reader = Reader::new(&patterns);
    let tree = Tree::new();
    // A piece is 256 KiB and what is kept of the one before.
    for begin in (256 << 10) - 2 * TOKEN.len()..(256 << 10) + TOKEN.len() {
        let mut content = vec![b'x'; 600 << 10];
        content[begin..begin + TOKEN.len()].copy_from_slice(TOKEN.as_bytes());
        tree.write("file", &content);
        let file = fs::File::open(tree.path("file")).unwrap();
        let (hits, end) = reader.read(&file, &AtomicU64::new(u64::MAX), &AtomicBool::new(false));
        assert_eq!((hits.len(), end), (1, End::Whole), "{begin}");
    }
}

#[test]
fn nothing_is_followed_and_nothing_is_waited_for() {
    let outside = Tree::new();
    outside.write("file", TOKEN);
    let tree = Tree::new();
    symlink(outside.path("file"), tree.path("link")).unwrap();
    symlink(outside.path(""), tree.path("directory")).unwrap();
    let pipe = std::process::Command::new("mkfifo")
        .arg(tree.path("pipe"))
        .status();
    assert!(pipe.unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(tree.path("socket")).unwrap();
    // A tebibyte of nothing, with the token behind it.
    let sparse = fs::File::create(tree.path("sparse")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, TOKEN.as_bytes(), 1 << 40).unwrap();
    assert_eq!(tree.places(), ["sparse Content Plain"]);
}

/// A script can make directories below each other without end: each step costs the same, and a path is told as far as people can read it.
#[test]
fn a_tree_deeper_than_paths_can_be_is_searched_to_its_end() {
    use rustix::fs::{CWD, openat};
    let tree = Tree::new();
    let directory = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = openat(CWD, tree.0.path(), directory, Mode::empty()).unwrap();
    let name = "d".repeat(250);
    for _ in 0..3000 {
        rustix::fs::mkdirat(&at, name.as_str(), Mode::RWXU).unwrap();
        at = openat(&at, name.as_str(), directory, Mode::empty()).unwrap();
    }
    let make = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = openat(&at, "token", make, Mode::RUSR | Mode::WUSR).unwrap();
    rustix::io::write(&file, TOKEN.as_bytes()).unwrap();
    let report = tree.scan(&[("TOKEN", TOKEN)]);
    let [found] = &report.found[..] else {
        panic!("{} places", report.found.len())
    };
    assert!(found.path.ends_with("/…/token"), "{}", found.path);
    assert!(found.path.len() < 5000, "{}", found.path.len());
    assert_eq!((report.unreadable, report.is_cut_off), (0, false));
    crate::remove_tree(tree.0.path()).unwrap();
}

#[test]
fn needles_within_and_across_each_other_are_all_found() {
    let tree = Tree::new();
    tree.write("file", "xx-hunter22-long-tail-xx");
    let report = tree.scan(&[
        ("SHORT", "hunter22"),
        ("LONG", "hunter22-long-tail"),
        ("ACROSS", "long-tail-xx"),
        ("SAME", "hunter22\n"),
        ("ABSENT", "something else"),
    ]);
    let names: Vec<_> = report
        .found
        .iter()
        .map(|found| found.name.as_str())
        .collect();
    assert_eq!(names, ["ACROSS", "LONG", "SAME", "SHORT"]);
}

#[test]
fn what_is_short_is_said_not_to_be_searched() {
    let tree = Tree::new();
    tree.write("file", "12345 123456");
    let report = tree.scan(&[("PIN", "12345"), ("EMPTY", ""), ("BLANK", " 12345\n ")]);
    assert_eq!(
        report,
        Report {
            too_short: vec!["PIN".into(), "EMPTY".into(), "BLANK".into()],
            ..Report::default()
        }
    );
    assert_eq!(tree.scan(&[("SIX", "123456")]).found.len(), 1);
}

#[test]
fn a_key_of_several_lines_is_found_however_it_was_stored() {
    // Lines of key material, each different.
    let line = |number: u32| STANDARD.encode(format!("{number:0>48}").as_bytes());
    let body: Vec<_> = (0..25).map(|number| line(number * 7919)).collect();
    let key = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        body.join("\n")
    );
    let tree = Tree::new();
    let wrapped = |width: usize, text: &str| {
        let characters: Vec<_> = text.chars().collect();
        let lines = characters
            .chunks(width)
            .map(|line| line.iter().collect::<String>());
        lines.collect::<Vec<_>>().join("\n")
    };
    tree.write("as_it_is", &key);
    tree.write("without_its_last_newline", key.trim_end());
    tree.write("dos", key.replace('\n', "\r\n"));
    tree.write("yaml", key.replace('\n', "\n      "));
    tree.write("json", serde_json::to_string(&key).unwrap());
    tree.write(
        "form",
        forms(&key)
            .iter()
            .find(|form| form.encoding == Encoding::Percent)
            .unwrap()
            .text
            .clone(),
    );
    for begin in 0..3 {
        let text = STANDARD.encode(format!("{}{key}", &"abc"[..begin]));
        tree.write(&format!("base64_{begin}"), &text);
        for width in [64, 76] {
            tree.write(&format!("base64_{begin}_{width}"), wrapped(width, &text));
        }
    }
    let files = fs::read_dir(tree.path("")).unwrap().count();
    tree.write("another_key", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC\n-----END PRIVATE KEY-----\n");
    let limits = Limits {
        places_per_needle: 100,
        ..Limits::default()
    };
    let report = tree.scan_within(&[("KEY", &key)], &limits);
    let found: Vec<_> = report
        .found
        .iter()
        .map(|found| found.path.as_str())
        .collect();
    assert_eq!(found.len(), files, "{found:?}");
    assert!(!found.contains(&"another_key"));
}

#[test]
fn no_more_places_are_told_than_wanted() {
    let tree = Tree::new();
    for number in 0..20 {
        tree.write(&format!("{number}"), TOKEN);
    }
    tree.write("other", "another-value");
    let limits = Limits {
        places_per_needle: 3,
        ..Limits::default()
    };
    let report = tree.scan_within(&[("TOKEN", TOKEN), ("OTHER", "another-value")], &limits);
    assert_eq!(report.found.len(), 4);
    assert_eq!(report.more, ["TOKEN"]);
}

#[test]
fn a_search_ends_early_when_it_is_told_to() {
    let tree = Tree::new();
    for number in 0..200 {
        tree.write(&format!("{number}"), "x".repeat(1000));
    }
    let limits = Limits {
        max_bytes: 5000,
        ..Limits::default()
    };
    assert!(tree.scan_within(&[("TOKEN", TOKEN)], &limits).is_cut_off);
    let limits = Limits::default();
    limits.stop.store(true, Ordering::Relaxed);
    assert!(tree.scan_within(&[("TOKEN", TOKEN)], &limits).is_cut_off);
    assert!(!tree.scan(&[("TOKEN", TOKEN)]).is_cut_off);
}

#[test]
fn what_cannot_be_read_is_counted() {
    let tree = Tree::new();
    tree.write("closed", TOKEN);
    tree.write("directory/file", TOKEN);
    for path in ["closed", "directory"] {
        fs::set_permissions(tree.path(path), fs::Permissions::from_mode(0o000)).unwrap();
    }
    let report = tree.scan(&[("TOKEN", TOKEN)]);
    // Nothing is closed to root.
    let expected = if rustix::process::geteuid().is_root() {
        (2, 0)
    } else {
        (0, 2)
    };
    assert_eq!((report.found.len(), report.unreadable), expected);
    fs::set_permissions(tree.path("directory"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn names_that_are_no_text_are_shown_as_far_as_they_are() {
    let tree = Tree::new();
    let name = [&[0xff][..], b"-hunter22-", &[0xfe]].concat();
    fs::write(tree.path("").join(std::ffi::OsStr::from_bytes(&name)), "").unwrap();
    let report = tree.scan(&[("TOKEN", "hunter22")]);
    assert_eq!(report.found[0].path, "\u{fffd}-[secret TOKEN]-\u{fffd}");
    assert!(!format!("{report:?}").contains("hunter22"));
}

#[test]
fn a_tree_that_is_not_there_is_an_error() {
    let tree = Tree::new();
    let needles = [Needle {
        name: "TOKEN",
        value: TOKEN,
    }];
    assert!(scan(&tree.path("none"), &needles, &Limits::default()).is_err());
    assert!(!format!("{needles:?}").contains("npm_"));
}
