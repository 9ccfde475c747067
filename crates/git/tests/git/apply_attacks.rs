//! Patches that mean to write elsewhere, applied to the user's own repository: nothing outside of it, and nothing of its `.git`, is written or
//! waited for. The vectors are those of git's own tests of `git apply` and symlinks, and random ones.

use crate::fixture::{World, git_in, picture, put};
use outwork_git::{Applied, ApplyError, Git, Repository, ThreeWay};
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use std::ffi::OsString;
use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A repository full of ways out, with something to be harmed at the end of each.
struct Field {
    world: World,
    repository: Repository,
    watched: Vec<PathBuf>,
    events: rustix::fd::OwnedFd,
    before: Vec<Vec<(PathBuf, String, Vec<u8>)>>,
}

impl Field {
    async fn new() -> Self {
        let world = World::with_files(&[
            ("a.txt", "one\ntwo\nthree\n"),
            ("b.txt", "b\n"),
            ("dir/c.txt", "c\n"),
            ("dir/sub/d.txt", "d\n"),
        ]);
        let (top, outside) = (world.upstream(), world.path("outside"));
        put(&outside, "target", "secret\n");
        put(&outside, "sub/target", "secret\n");
        for (target, name) in [
            ("../outside", "link"),
            ("dir", "dirlink"),
            ("../outside/target", "outfile"),
            ("../../outside", "dir/link"),
            ("link", "linklink"),
            (".git", "gitlink"),
            (".git/config", "configlink"),
            (".", "loop"),
        ] {
            symlink(target, top.join(name)).expect("a link");
        }
        world.commit("links");
        let path = std::env::var_os("PATH").expect("PATH is set");
        let git = Git::for_user(
            "git",
            [
                (OsString::from("PATH"), path),
                (OsString::from("HOME"), world.dir.path().into()),
            ],
        );
        let repository = Repository::at(git, &top).await.expect("a repository");
        // What git itself writes lies in `.git`, too: objects, the index, and on a reset the branch.
        put(&top, ".git/hooks/keep", "");
        let watched = vec![
            outside.clone(),
            outside.join("sub"),
            top.join(".git/hooks"),
            top.join(".git/info"),
        ];
        let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).expect("a watch");
        // Not the end of writing: a process that another test starts holds our files open until it executes its program.
        let written = WatchFlags::MODIFY
            | WatchFlags::ATTRIB
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVE;
        for folder in &watched {
            inotify::add_watch(&events, folder, written).expect("watched");
        }
        let before = watched.iter().map(|folder| picture(folder)).collect();
        Self {
            world,
            repository,
            watched,
            events,
            before,
        }
    }

    async fn apply(&self, patch: &[u8], three_way: ThreeWay) -> Result<Applied, ApplyError> {
        let applied = self.repository.apply(patch, three_way, "a task");
        let applied = tokio::time::timeout(Duration::from_secs(30), applied).await;
        let applied = applied.unwrap_or_else(|_| panic!("HANG: {}", patch.escape_ascii()));
        self.check(patch);
        applied
    }

    /// Fails if anything was written where nothing is to be, even if it was taken back.
    fn check(&self, patch: &[u8]) {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let event = Reader::new(&self.events, &mut buffer)
            .next()
            .map(|event| format!("{:?} of {:?}", event.events(), event.file_name()));
        assert!(event.is_err(), "{event:?} by {}", patch.escape_ascii());
        let after: Vec<_> = self.watched.iter().map(|folder| picture(folder)).collect();
        assert_eq!(after, self.before, "{}", patch.escape_ascii());
        let config = fs::read_to_string(self.world.upstream().join(".git/config")).expect("there");
        assert!(!config.contains("evil"), "{}", patch.escape_ascii());
    }

    /// As after the commit.
    fn reset(&self) {
        let top = self.world.upstream();
        git_in(&top, &["reset", "-q", "--hard"]);
        git_in(&top, &["clean", "-q", "-f", "-d", "-x"]);
    }
}

fn quoted(path: &str) -> String {
    match path.chars().any(|c| c.is_control() || "\"\\".contains(c)) {
        true => format!("\"{}\"", path.escape_default()),
        false => path.to_owned(),
    }
}

fn new_file(path: &str) -> String {
    let path = quoted(path);
    format!(
        "diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+evil\n"
    )
}

fn new_link(path: &str, target: &str) -> String {
    format!(
        "diff --git a/{path} b/{path}\nnew file mode 120000\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+{target}\n\\ No newline at end of file\n"
    )
}

fn no_link(path: &str, target: &str) -> String {
    format!(
        "diff --git a/{path} b/{path}\ndeleted file mode 120000\n--- a/{path}\n+++ /dev/null\n@@ -1 +0,0 @@\n-{target}\n\\ No newline at end of file\n"
    )
}

fn changed(path: &str, from: &str) -> String {
    format!(
        "diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-{from}\n+evil\n"
    )
}

fn moved(kind: &str, from: &str, to: &str) -> String {
    format!(
        "diff --git a/{from} b/{to}\nsimilarity index 100%\n{kind} from {from}\n{kind} to {to}\n"
    )
}

fn vectors() -> Vec<String> {
    vec![
        // A link that the patch itself makes, moves, copies, or puts in place of a folder
        new_link("fresh", "../outside") + &new_file("fresh/evil"),
        new_file("fresh/evil") + &new_link("fresh", "../outside"),
        moved("rename", "link", "renamed") + &new_file("renamed/evil"),
        moved("copy", "link", "copied") + &new_file("copied/evil"),
        moved("rename", "linklink", "x") + &moved("rename", "x", "y") + &new_file("y/evil"),
        no_link("link", "../outside") + &new_link("link", "../outside") + &new_file("link/evil"),
        no_link("link", "../outside") + &new_link("link", "../outside/sub") + &new_file("link/evil"),
        new_link("deep/er/fresh", "../../../outside") + &new_file("deep/er/fresh/evil"),
        moved("rename", "dir/sub/d.txt", "link/d.txt"),
        moved("copy", "a.txt", "link/a.txt"),
        moved("rename", "link/target", "stolen"),
        moved("copy", "link/target", "stolen"),
        moved("copy", "dir/link/target", "stolen"),
        // Through links that are there
        new_file("link/evil"),
        new_file("linklink/evil"),
        new_file("dir/link/evil"),
        new_file("loop/loop/link/evil"),
        new_file("gitlink/hooks/evil"),
        changed("link/target", "secret"),
        changed("dir/link/sub/target", "secret"),
        changed("outfile", "secret"),
        changed("configlink", "[core]"),
        // By name
        new_file("../outside/evil"),
        new_file("dir/../../outside/evil"),
        new_file("dir/sub/../../../outside/evil"),
        new_file("./../outside/evil"),
        new_file(".git/hooks/evil"),
        new_file("dir/.git/hooks/evil"),
        new_file(".GIT/hooks/evil"),
        new_file(".git /hooks/evil"),
        new_file("git~1/hooks/evil"),
        moved("rename", "a.txt", "../outside/evil"),
        moved("rename", "a.txt", ".git/hooks/evil"),
        moved("copy", "../outside/target", "stolen"),
        moved("rename", ".git/config", "stolen"),
        "diff --git \"a/\\056\\056/outside/evil\" \"b/\\056\\056/outside/evil\"\nnew file mode 100644\n--- /dev/null\n+++ \"b/\\056\\056/outside/evil\"\n@@ -0,0 +1 @@\n+evil\n".to_owned(),
        // A submodule, and something in it
        format!(
            "diff --git a/sm b/sm\nnew file mode 160000\n--- /dev/null\n+++ b/sm\n@@ -0,0 +1 @@\n+Subproject commit {}\n{}",
            "1".repeat(40),
            new_file("sm/.git/hooks/evil")
        ),
    ]
}

#[tokio::test]
async fn every_known_way_out_is_closed() {
    let field = Field::new().await;
    let untouched = picture(&field.world.upstream());
    for patch in vectors() {
        for three_way in [ThreeWay::No, ThreeWay::Yes] {
            let applied = field.apply(patch.as_bytes(), three_way).await;
            assert!(applied.is_err(), "{patch}{applied:?}");
            assert_eq!(picture(&field.world.upstream()), untouched, "{patch}");
            field.reset();
        }
    }
}

/// Before it writes, a merge reads what it would have to put back: not what never ends, and nothing outside.
#[tokio::test]
async fn nothing_is_read_that_has_no_end() {
    let field = Field::new().await;
    let top = field.world.upstream();
    let pipe = |path: &Path| {
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.expect("mkfifo starts").success());
    };
    let endless = field.world.path("endless");
    fs::create_dir(&endless).expect("a folder");
    pipe(&endless.join("pipe"));
    pipe(&top.join("pipe"));
    pipe(&top.join("dir/pipe"));
    symlink(&endless, top.join("away")).expect("a link");
    // What stands between patches git passes over, but it looks like a part of one.
    let after = |line: &str| format!("{line}\n{}", changed("b.txt", "b"));
    for line in ["rename from pipe", "copy from dir/pipe"] {
        for three_way in [ThreeWay::No, ThreeWay::Yes] {
            let applied = field.apply(after(line).as_bytes(), three_way).await;
            applied.expect("it fits");
            put(&top, "b.txt", "b\n");
            git_in(&top, &["reset", "-q"]);
        }
    }
    let outside = format!("rename from {}/pipe", endless.display());
    for patch in [
        after(&outside),
        after("rename from ../endless/pipe"),
        after("rename from away/pipe"),
        after("rename from \"dir/\\056\\056/away/pipe\""),
        after("copy from away/pipe"),
        changed("pipe", "x"),
        new_file("dir/pipe"),
        moved("rename", "pipe", "elsewhere"),
    ] {
        for three_way in [ThreeWay::No, ThreeWay::Yes] {
            let applied = field.apply(patch.as_bytes(), three_way).await;
            assert!(applied.is_err(), "{patch}{applied:?}");
        }
    }
}

/// Git looks for symlinks in its index, and here is one that it does not track.
#[tokio::test]
async fn nothing_is_written_through_a_link_that_git_does_not_know() {
    let field = Field::new().await;
    let top = field.world.upstream();
    symlink(field.world.path("outside"), top.join("unknown")).expect("a link");
    symlink("../../outside", top.join("dir/unknown")).expect("a link");
    let untouched = picture(&top);
    for patch in [
        new_file("unknown/target"),
        new_file("unknown/evil"),
        new_file("dir/unknown/sub/evil"),
        new_file("dir/unknown/sub/target"),
        new_link("unknown/evil", "target"),
        moved("rename", "a.txt", "unknown/evil"),
        moved("copy", "a.txt", "unknown/target"),
        moved("copy", "unknown/target", "stolen"),
        moved("copy", "../outside/target", "stolen"),
        moved("copy", ".git/config", "stolen"),
        changed("unknown/target", "secret"),
        format!("{}{}", new_link("unknown", "dir"), new_file("unknown/evil")),
        format!("{}{}", new_file("unknown"), new_file("unknown/evil")),
        format!(
            "{}{}",
            no_link("unknown", "../outside"),
            new_file("unknown/evil")
        ),
    ] {
        for three_way in [ThreeWay::No, ThreeWay::Yes] {
            let applied = field.apply(patch.as_bytes(), three_way).await;
            if applied.is_ok() {
                // Only a link that goes first may be written where it was.
                assert!(patch.contains("deleted file mode 120000"), "{patch}");
                fs::remove_dir_all(top.join("unknown")).expect("a folder now");
                symlink(field.world.path("outside"), top.join("unknown")).expect("a link");
            }
            assert_eq!(picture(&top), untouched, "{patch}");
        }
    }
}

/// A folder in place of a symlink is no way out.
#[tokio::test]
async fn a_link_that_becomes_a_folder_is_written() {
    let field = Field::new().await;
    let top = field.world.upstream();
    for three_way in [ThreeWay::No, ThreeWay::Yes] {
        let patch = format!("{}{}", no_link("link", "../outside"), new_file("link/new"));
        let applied = field.apply(patch.as_bytes(), three_way).await;
        applied.expect("it fits");
        assert!(!top.join("link").is_symlink() && top.join("link/new").is_file());
        field.reset();
    }
}

/// The same numbers every time.
struct Dice(u64);

impl Dice {
    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let at = usize::try_from(self.0 >> 33).expect("31 bits") % choices.len();
        choices[at]
    }

    fn folder(&mut self) -> &'static str {
        self.one_of(&[
            "link", "dirlink", "linklink", "dir", "dir/link", "fresh", "moved", "loop", "gitlink",
            "..", ".git", "dir/sub",
        ])
    }

    fn path(&mut self) -> String {
        let name = self.one_of(&["evil", "target", "a.txt", "c.txt", "hooks", "link", "sub"]);
        match self.one_of(&["top", "below", "below", "deep"]) {
            "top" => self
                .one_of(&[
                    "link",
                    "outfile",
                    "fresh",
                    "moved",
                    "a.txt",
                    "b.txt",
                    "dirlink",
                    "configlink",
                ])
                .to_owned(),
            "deep" => format!("{}/{}/{name}", self.folder(), self.folder()),
            _ => format!("{}/{name}", self.folder()),
        }
    }

    fn step(&mut self) -> String {
        let (path, other) = (self.path(), self.path());
        match self.one_of(&["file", "link", "unlink", "rename", "copy", "change"]) {
            "file" => new_file(&path),
            "link" => {
                let target = self.one_of(&[
                    "../outside",
                    "../../outside",
                    ".git",
                    ".",
                    "dir",
                    "../outside/sub",
                ]);
                new_link(&path, target)
            }
            "unlink" => no_link("link", "../outside"),
            "change" => changed(&path, self.one_of(&["secret", "b", "c", "one"])),
            kind => moved(kind, &path, &other),
        }
    }
}

#[tokio::test]
async fn no_random_patch_finds_a_way_out() {
    let field = Field::new().await;
    let mut dice = Dice(20_230_223);
    let mut written = 0;
    for round in 0..200 {
        let steps: String = (0..=round % 4).map(|_| dice.step()).collect();
        let three_way = match round % 2 {
            0 => ThreeWay::No,
            _ => ThreeWay::Yes,
        };
        written += u32::from(field.apply(steps.as_bytes(), three_way).await.is_ok());
        field.reset();
    }
    // Some of them are patches that may be applied.
    assert!(written >= 5, "{written}");
}
