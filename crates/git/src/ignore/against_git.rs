//! The same random rules and paths for git and for us: the answers must be the same.

use super::*;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn text(&mut self, parts: &[&str], longest: usize) -> String {
        (0..=self.below(longest))
            .map(|_| self.pick(parts))
            .collect()
    }
}

const PATTERN_PARTS: [&str; 30] = [
    "a",
    "b",
    "ab",
    "c",
    "*",
    "*",
    "**",
    "?",
    "/",
    "/",
    "**/",
    "/**",
    "[ab]",
    "[!a]",
    "[^b]",
    "[a-c]",
    "\\*",
    "\\a",
    "[[:alpha:]]",
    "[]a]",
    ".",
    "*.c",
    " ",
    "\\ ",
    "#",
    "!",
    "[[:digit:]-c]",
    "[a\\]b]",
    "x**y",
    "[",
];
const NAMES: [&str; 16] = [
    "a", "b", "ab", "c", "a.c", "b.c", "x", "abc", "ba", "aab", "*", "a b", "]", "[", "x1y", ".c",
];

fn random_tree(numbers: &mut Numbers) -> (Vec<String>, Vec<(String, String)>) {
    let mut files = Vec::new();
    for _ in 0..40 {
        let depth = 1 + numbers.below(4);
        let path: Vec<&str> = (0..depth).map(|_| numbers.pick(&NAMES)).collect();
        files.push(path.join("/"));
    }
    let is_folder = |path: &str, files: &[String]| {
        files
            .iter()
            .any(|file| file.starts_with(&format!("{path}/")))
    };
    let all = files.clone();
    files.retain(|file| !is_folder(file, &all));
    files.sort();
    files.dedup();
    let mut ignores = vec![(String::new(), random_rules(numbers))];
    let folders: Vec<String> = files
        .iter()
        .filter_map(|file| file.split_once('/'))
        .map(|(folder, _)| folder.to_owned())
        .collect();
    if let Some(folder) = folders.first() {
        ignores.push((folder.clone(), random_rules(numbers)));
    }
    (files, ignores)
}

fn random_rules(numbers: &mut Numbers) -> String {
    let end = |numbers: &mut Numbers| numbers.pick(&["", "", "", "/", " ", "\r", "  ", "\\ "]);
    let lines: Vec<String> = (0..1 + numbers.below(5))
        .map(|_| {
            let sign = numbers.pick(&["", "", "", "!"]);
            let text = numbers.text(&PATTERN_PARTS, 4);
            format!("{sign}{text}{}", end(numbers))
        })
        .collect();
    lines.join("\n")
}

fn git_says(root: &Path, files: &[String]) -> Vec<String> {
    let mut child = Command::new("git")
        .args(["check-ignore", "--no-index", "--stdin", "-z"])
        .current_dir(root)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("git starts");
    let input: Vec<u8> = files
        .iter()
        .flat_map(|file| [file.as_bytes(), b"\0"].concat())
        .collect();
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(&input)
        .expect("git reads");
    let output = child.wait_with_output().expect("git ends");
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    String::from_utf8(output.stdout)
        .expect("UTF-8")
        .split_terminator('\0')
        .map(str::to_owned)
        .collect()
}

fn we_say(files: &[String], ignores: &[(String, String)]) -> Vec<String> {
    let verdict = |file: &&String| {
        let mut rules: Arc<Rules> = Arc::default();
        let mut folder = String::new();
        for part in file.split('/') {
            if let Some((_, content)) = ignores.iter().find(|(place, _)| *place == folder) {
                rules = Rules::below(&rules, folder.as_bytes(), content.as_bytes())
                    .expect("not too many rules");
            }
            let path = if folder.is_empty() {
                part.to_owned()
            } else {
                format!("{folder}/{part}")
            };
            if rules.ignore(path.as_bytes(), path.len() < file.len()) {
                return true;
            }
            folder = path;
        }
        false
    };
    files.iter().filter(verdict).cloned().collect()
}

#[test]
fn answers_are_those_of_git() {
    let mut numbers = Numbers(20_261_120);
    let mut ignored_at_all = 0;
    for round in 0..150 {
        let dir = tempfile::tempdir().expect("a folder");
        let (files, ignores) = random_tree(&mut numbers);
        assert!(
            Command::new("git")
                .args(["init", "-q"])
                .arg(dir.path())
                .status()
                .expect("git starts")
                .success()
        );
        for file in &files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().expect("has a parent")).expect("a folder");
            std::fs::write(path, "").expect("a file");
        }
        for (folder, content) in &ignores {
            std::fs::write(dir.path().join(folder).join(".gitignore"), content).expect("a file");
        }
        let git = git_says(dir.path(), &files);
        ignored_at_all += git.len();
        assert_eq!(we_say(&files, &ignores), git, "round {round}: {ignores:?}");
    }
    assert!(
        ignored_at_all > 400,
        "the random rules must ignore something: {ignored_at_all}"
    );
}

#[test]
fn a_hostile_pattern_takes_no_time() {
    let ignores = |patterns: &str, path: &str| {
        let rules = Rules::below(&Arc::default(), b"", patterns.as_bytes());
        rules
            .expect("not too many rules")
            .ignore(path.as_bytes(), false)
    };
    let started = std::time::Instant::now();
    let aaa = "a".repeat(200);
    assert!(!ignores(&"a*".repeat(60), &format!("{aaa}b/c")));
    assert!(!ignores(&"**/a".repeat(30), &"a/".repeat(1500)));
    // Each line alone is harmless.
    let lines = format!("{}{aaa}b\n", "*a".repeat(60)).repeat(3000);
    assert!(!ignores(&lines, &aaa.repeat(20)));
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

#[test]
fn rules_of_a_chain_of_folders_have_a_limit() {
    let mut rules: Arc<Rules> = Arc::default();
    let content = b"name\n".repeat(60_000);
    for folder in ["", "a", "a/b"] {
        rules = Rules::below(&rules, folder.as_bytes(), &content).expect("still few enough");
    }
    assert!(Rules::below(&rules, b"a/b/c", &content).is_none());
    // Those beside it are not counted.
    assert!(Rules::below(&Arc::default(), b"b", &content).is_some());
}
