//! Taking a diff in parts, taking back what was applied, and putting it on a branch.

use crate::fixture::{World, git_in, put};
use crate::random::Dice;
use outwork_git::{
    ApplyError, BranchError, Choice, CommitId, Git, Patch, RefName, Repository, ThreeWay,
};
use std::ffi::OsString;
use std::fs;

const FILE: &str = "file with \u{fc}";

async fn repository(world: &World) -> Repository {
    let path = std::env::var_os("PATH").expect("PATH is set");
    let variables = [
        (OsString::from("PATH"), path),
        (OsString::from("HOME"), world.dir.path().into()),
    ];
    Repository::at(Git::for_user("git", variables), &world.upstream())
        .await
        .expect("a repository")
}

/// A file before and after, and with each choice of changes.
struct Edited {
    segments: Vec<Segment>,
    ends_with_newline: bool,
}

enum Segment {
    Same(Vec<String>),
    Changed { old: Vec<String>, new: Vec<String> },
}

impl Edited {
    /// Lines that stay are alike, so that a hunk that looks for its place finds wrong ones; lines that change are not.
    fn random(dice: &mut Dice) -> Self {
        let mut unique = 0;
        let mut lines = |dice: &mut Dice, most: usize| -> Vec<String> {
            let count = dice.below(most + 1);
            let line = |_| {
                unique += 1;
                format!("line {unique}")
            };
            (0..count).map(line).collect()
        };
        let alike: &[&str] = match dice.below(3) {
            0 => &["}", "", "    return;", "{"],
            _ => &["}"],
        };
        let same = |dice: &mut Dice| {
            let count = 1 + dice.below(20);
            let lines = (0..count).map(|_| alike[dice.below(alike.len())].to_owned());
            Segment::Same(lines.collect())
        };
        let mut segments = vec![same(dice)];
        for _ in 0..1 + dice.below(6) {
            let (old, mut new) = (lines(dice, 3), lines(dice, 3));
            if old.is_empty() && new.is_empty() {
                new.push(format!("new {}", segments.len()));
            }
            segments.push(Segment::Changed { old, new });
            segments.push(same(dice));
        }
        if dice.below(3) == 0 {
            segments.pop();
        }
        Self {
            segments,
            ends_with_newline: dice.below(3) > 0,
        }
    }

    fn text(&self, mut is_taken: impl FnMut(usize) -> bool) -> String {
        let mut number = 0;
        let mut lines: Vec<&str> = Vec::new();
        for segment in &self.segments {
            match segment {
                Segment::Same(same) => lines.extend(same.iter().map(String::as_str)),
                Segment::Changed { old, new } => {
                    let side = if is_taken(number) { new } else { old };
                    lines.extend(side.iter().map(String::as_str));
                    number += 1;
                }
            }
        }
        let mut text = lines.join("\n");
        if self.ends_with_newline {
            text.push('\n');
        }
        text
    }
}

#[tokio::test]
async fn any_part_of_a_diff_gives_just_that_part() {
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let edited = Edited::random(&mut dice);
        let before = edited.text(|_| false);
        let world = World::with_files(&[(FILE, &before)]);
        let repository = repository(&world).await;
        put(&world.upstream(), FILE, edited.text(|_| true));
        let diff = repository.changes().await.expect("a diff");
        git_in(&world.upstream(), &["checkout", "-q", "."]);

        let patch = Patch::parse(&diff).expect("git's own");
        let mut taken = Vec::new();
        let choices: Vec<Choice> = patch
            .parts()
            .iter()
            .map(|part| {
                let changes: Vec<bool> = (0..part.changes).map(|_| dice.below(2) == 0).collect();
                taken.extend(&changes);
                match changes.iter().filter(|taken| **taken).count() {
                    0 => Choice::Nothing,
                    count if count == changes.len() => Choice::All,
                    _ => Choice::Changes(changes),
                }
            })
            .collect();
        let expected = edited.text(|number| taken[number]);
        let part = patch.chosen(&choices);
        let shown = String::from_utf8_lossy(&part).into_owned();
        repository
            .apply(&part, ThreeWay::No, "part")
            .await
            .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{shown}"));
        let path = world.upstream().join(FILE);
        let read = || fs::read_to_string(&path).expect("the file");
        assert_eq!(read(), expected, "seed {seed}:\n{shown}");
        if !part.is_empty() {
            let undone = repository.undo(|_| true).await.expect("can be undone");
            assert_eq!(undone.expect("the part").files, [FILE.as_bytes()]);
        }
        assert_eq!(read(), before, "seed {seed}:\n{shown}");
    }
}

fn three_kinds() -> World {
    World::with_files(&[("a", "1\n2\n3\n"), ("b", "b\n"), ("c", "c\n")])
}

async fn diff_of(world: &World, repository: &Repository, change: impl Fn()) -> Vec<u8> {
    change();
    let diff = repository.changes().await.expect("a diff");
    git_in(&world.upstream(), &["add", "-A"]);
    git_in(&world.upstream(), &["reset", "-q", "--hard"]);
    diff
}

#[tokio::test]
async fn what_was_applied_can_be_taken_back_in_any_order_that_fits() {
    let world = three_kinds();
    let repository = repository(&world).await;
    let root = world.upstream();
    let first = diff_of(&world, &repository, || {
        put(&root, "a", "1\nzwei\n3\n");
        put(&root, "new/file", b"\0binary\xff");
        fs::remove_file(root.join("b")).expect("removed");
    })
    .await;
    let second = diff_of(&world, &repository, || put(&root, "c", "see\n")).await;
    for (patch, label) in [(&first, "one 1"), (&second, "two 1")] {
        let applied = repository.apply(patch, ThreeWay::No, label).await;
        applied.expect("applies");
    }
    let undone = repository.undo(|label| label.starts_with("one ")).await;
    let undone = undone.expect("fits").expect("was applied");
    assert_eq!(undone.label, "one 1");
    assert_eq!(git_in(&root, &["status", "--porcelain"]), " M c\n");
    assert!(!root.join("new").exists());
    let again = repository.undo(|label| label.starts_with("one ")).await;
    assert_eq!(again.expect("asked"), None);

    put(&root, "c", "mine\n");
    let refused = repository.undo(|_| true).await.expect_err("does not fit");
    let ApplyError::Conflicts { conflicts } = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(conflicts[0].path, "c");
    put(&root, "c", "see\n");
    assert!(repository.undo(|_| true).await.expect("fits").is_some());
    assert_eq!(git_in(&root, &["status", "--porcelain"]), "");
    assert_eq!(repository.undo(|_| true).await.expect("asked"), None);
}

#[tokio::test]
async fn a_merge_with_conflicts_is_taken_back_with_its_index() {
    let world = three_kinds();
    let repository = repository(&world).await;
    let root = world.upstream();
    let patch = diff_of(&world, &repository, || {
        put(&root, "a", "1\nzwei\n3\n");
        put(&root, "b", "B\n");
    })
    .await;
    put(&root, "a", "1\ndeux\n3\n");
    world.commit("another");
    put(&root, "c", "staged\n");
    git_in(&root, &["add", "c"]);
    let status = || git_in(&root, &["status", "--porcelain"]);
    let before = (status(), git_in(&root, &["ls-files", "--stage"]));
    let applied = repository.apply(&patch, ThreeWay::Yes, "task 1").await;
    let applied = applied.expect("merged");
    assert_eq!(applied.conflicted, [b"a"]);
    assert!(
        fs::read_to_string(root.join("a"))
            .expect("read")
            .contains("<<<<<<<")
    );
    repository.undo(|_| true).await.expect("fits").expect("it");
    assert_eq!((status(), git_in(&root, &["ls-files", "--stage"])), before);
    assert_eq!(
        fs::read_to_string(root.join("a")).expect("read"),
        "1\ndeux\n3\n"
    );
}

#[tokio::test]
async fn twenty_are_kept_and_a_refused_one_is_not() {
    let world = three_kinds();
    let repository = repository(&world).await;
    let root = world.upstream();
    let patch = diff_of(&world, &repository, || put(&root, "c", "see\n")).await;
    let folder = root.join(".git/outwork/applied");
    let count = || fs::read_dir(&folder).expect("a folder").count();
    for number in 0..25 {
        let label = format!("task {number}");
        let applied = repository.apply(&patch, ThreeWay::No, &label).await;
        applied.expect("applies");
        git_in(&root, &["checkout", "-q", "."]);
    }
    assert_eq!(count(), 20);
    put(&root, "c", "mine\n");
    let refused = repository.apply(&patch, ThreeWay::No, "task").await;
    assert!(matches!(refused, Err(ApplyError::Conflicts { .. })));
    assert_eq!(count(), 20);
}

#[tokio::test]
async fn a_branch_gets_the_diff_as_a_commit_and_the_tree_stays() {
    let world = three_kinds();
    let repository = repository(&world).await;
    let root = world.upstream();
    for (name, value) in [("user.name", "Somebody"), ("user.email", "some@body")] {
        git_in(&root, &["config", name, value]);
    }
    let base = world.head();
    let patch = diff_of(&world, &repository, || {
        put(&root, "a", "1\nzwei\n3\n");
        put(&root, "run", "#!/bin/sh\n");
    })
    .await;
    put(&root, "a", "further\n");
    world.commit("further on");
    put(&root, "b", "not committed\n");
    let branch = RefName::parse("task/one").expect("a name");
    let before = git_in(&root, &["status", "--porcelain", "--branch"]);
    let made = repository
        .commit_on_branch(&branch, &base, &patch, "Title\n\nBody\n")
        .await
        .expect("a commit");
    assert_eq!(
        git_in(&root, &["status", "--porcelain", "--branch"]),
        before
    );
    let shown = git_in(&root, &["log", "--format=%H %P %an %s", "-1", "task/one"]);
    let expected = format!("{} {} Somebody Title\n", made.as_str(), base.as_str());
    assert_eq!(shown, expected);
    assert_eq!(git_in(&root, &["show", "task/one:a"]), "1\nzwei\n3\n");
    // Not over what is not committed.
    assert!(!repository.switch_if_clean(&branch).await.expect("asked"));
    git_in(&root, &["checkout", "-q", "."]);
    assert!(repository.switch_if_clean(&branch).await.expect("asked"));
    assert_eq!(git_in(&root, &["status", "--porcelain"]), "");

    let commit = |branch: &'static str, base: CommitId| {
        let branch = RefName::parse(branch).expect("a name");
        let (repository, patch) = (&repository, &patch);
        async move {
            repository
                .commit_on_branch(&branch, &base, patch, "x")
                .await
        }
    };
    let again = commit("task/one", base).await;
    assert!(
        matches!(again, Err(BranchError::Exists { .. })),
        "{again:?}"
    );
    let missing = CommitId::parse(&"1".repeat(40)).expect("an id");
    let missing = commit("two", missing).await;
    assert!(
        matches!(missing, Err(BranchError::BaseMissing { .. })),
        "{missing:?}"
    );
    let other = commit("two", made).await;
    assert!(
        matches!(other, Err(BranchError::Conflicts { .. })),
        "{other:?}"
    );
    assert_eq!(git_in(&root, &["branch", "--list", "two"]), "");
}
