//! Of reading and choosing, without git.

use super::*;

const PATCH: &[u8] = b"diff --git a/a.txt b/a.txt
index 111..222 100644
--- a/a.txt
+++ b/a.txt
@@ -1,3 +1,4 @@ fn one()
 one
+more
 two
--- was here
+++ is here
@@ -10,2 +11,1 @@
 ten
-eleven
diff --git a/s pace b/s pace
old mode 100644
new mode 100755
diff --git a/old b/\"n\\303\\244w\"
similarity index 100%
rename from old
rename to \"n\\303\\244w\"
";

#[test]
fn a_diff_falls_into_hunks_and_files_without_any() {
    let patch = Patch::parse(PATCH).expect("a diff");
    let parts = patch.parts();
    let seen: Vec<_> = parts
        .iter()
        .map(|part| {
            let path = String::from_utf8_lossy(part.path).into_owned();
            (part.number, path, part.hunk.is_some(), part.changes)
        })
        .collect();
    assert_eq!(
        seen,
        [
            (1, "a.txt".to_owned(), true, 2),
            (2, "a.txt".to_owned(), true, 1),
            (3, "s pace".to_owned(), false, 1),
            (4, "n\u{e4}w".to_owned(), false, 1),
        ]
    );
    assert_eq!(patch.chosen(&vec![Choice::All; 4]), PATCH);
    assert_eq!(patch.chosen(&[]), b"");
}

#[test]
fn what_is_left_out_moves_the_rest_back() {
    let patch = Patch::parse(PATCH).expect("a diff");
    let second = patch.chosen(&[Choice::Nothing, Choice::All]);
    let second = String::from_utf8(second).expect("text");
    assert!(
        second.ends_with("@@ -10,2 +10,1 @@\n ten\n-eleven\n"),
        "{second}"
    );
    let second_change = Choice::Changes(vec![false, true]);
    let part = patch.chosen(&[second_change, Choice::All]);
    let part = String::from_utf8(part).expect("text");
    assert!(
        part.contains(
            "@@ -1,3 +1,3 @@ fn one()\n one\n two\n--- was here\n+++ is here\n@@ -10,2 +10,1 @@\n"
        ),
        "{part}"
    );
}

#[test]
fn what_git_does_not_write_is_refused() {
    for (text, line) in [
        ("diff --git a/x b/x\n@@ -1,2 +1 @@\n one\n", 3),
        ("diff --git a/x b/x\n@@ -1 +1 @@\nrubbish\n", 3),
        ("diff --git a/x b/x\n@@ -a +1 @@\n", 2),
        ("diff --git a/x b/y\n", 1),
        ("diff --git a/x b/x\n@@ -1 +1 @@\n-a\n+b\nrubbish\n", 5),
    ] {
        let read = Patch::parse(text.as_bytes()).map(|patch| patch.files.len());
        assert_eq!(read, Err(MalformedPatch { line }), "{text}");
    }
    assert!(
        Patch::parse(b"a note\n")
            .expect("no diff")
            .parts()
            .is_empty()
    );
}

#[test]
fn paths_are_chosen_by_name_folder_and_pattern() {
    let part = |path: &'static str| Part {
        number: 1,
        path: path.as_bytes(),
        header: b"",
        hunk: None,
        changes: 1,
    };
    for pattern in [
        "src/lib.rs",
        "src",
        "src/",
        "./src",
        "*/lib.rs",
        "**/*.rs",
        ".",
        "",
    ] {
        assert!(part("src/lib.rs").is_at(pattern.as_bytes()), "{pattern}");
    }
    for pattern in ["sr", "lib.rs", "*.rs", "src/lib.rs/x", "src/lib"] {
        assert!(!part("src/lib.rs").is_at(pattern.as_bytes()), "{pattern}");
    }
}
