//! The commits of a real history, applied one by one: whole, in random parts, and in the parts that are left, forward and back. Each
//! time the tree is exactly as it has to be, or untouched with a reason that names a file.
//!
//! What a part has to make of a file is worked out here, line by line, from the text of the diff: not by what is tested, nor by git.
//!
//! The history is this repository's own. Only of a shallow clone, or of an unpacked archive, it takes what there is, and says so.
//! `OUTWORK_HISTORY` names another repository, which has to have enough; `OUTWORK_HISTORY_COMMITS` how many commits of it; 0 is all.

mod oracle;

use crate::fixture::{Files, git_bytes, git_in, put};
use crate::random::Dice;
use oracle::{Record, after, records, sides};
use outwork_git::{ApplyError, Choice, CommitId, Git, Patch, RefName, Repository, ThreeWay};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

const COMMITS: usize = 300;
/// Another one chooses other parts.
const SEED: u64 = 20_261_130;
const THREADS: usize = 2;

#[test]
fn three_hundred_commits_of_a_real_history() {
    let named = std::env::var_os("OUTWORK_HISTORY").map(PathBuf::from);
    let is_own = named.is_none();
    let repository =
        named.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.."));
    let wanted = std::env::var_os("OUTWORK_HISTORY_COMMITS");
    let wanted = wanted.map_or(COMMITS, |it| {
        it.to_str()
            .and_then(|it| it.parse().ok())
            .expect("a number")
    });
    let mut all = Vec::new();
    if !is_own || repository.join(".git").exists() {
        all = commits(&repository);
    }
    if all.len() < wanted.max(COMMITS) {
        let short = format!(
            "{} has {} commits with a parent, and this wants {}: fetch all of it (`git fetch --unshallow`), \
             or name another repository with OUTWORK_HISTORY",
            repository.display(),
            all.len(),
            wanted.max(COMMITS)
        );
        assert!(is_own && is_cut_off(&repository), "{short}");
        eprintln!("{short}");
        if !all.is_empty() {
            go_through(&repository, &all, THREADS);
        }
        return;
    }
    // From all of its life.
    let count = if wanted == 0 { all.len() } else { wanted };
    let chosen: Vec<_> = (0..count)
        .map(|at| all[at * all.len() / count].clone())
        .collect();
    go_through(&repository, &chosen, THREADS);
}

#[test]
fn commits_that_are_rare_in_real_histories() {
    let dir = tempfile::tempdir().expect("a folder");
    let repository = dir.path().join("odd");
    odd_history(&repository);
    let all = commits(&repository);
    assert!(all.len() >= 60, "{}", all.len());
    go_through(&repository, &all, THREADS);
}

/// Whether it is a shallow clone, or none.
fn is_cut_off(repository: &Path) -> bool {
    !repository.join(".git").exists()
        || git_in(repository, &["rev-parse", "--is-shallow-repository"]).trim() == "true"
}

/// Each commit with its first parent, newest first.
fn commits(repository: &Path) -> Vec<(String, String)> {
    let listed = git_in(repository, &["rev-list", "--parents", "HEAD"]);
    let pair = |line: &str| {
        let mut ids = line.split(' ').map(str::to_owned);
        let commit = ids.next()?;
        Some((ids.next()?, commit))
    };
    listed.lines().filter_map(pair).collect()
}

fn go_through(repository: &Path, commits: &[(String, String)], threads: usize) {
    eprintln!(
        "seed {SEED}, {} commits of {}",
        commits.len(),
        repository.display()
    );
    let place = tempfile::tempdir().expect("a folder");
    let next = AtomicUsize::new(0);
    let parts = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let clone = place.path().join(format!("clone{thread}"));
            let (next, parts) = (&next, &parts);
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                let runtime = runtime.expect("a runtime");
                let round = runtime.block_on(Round::new(repository, clone));
                while let Some((base, commit)) = commits.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let chosen = runtime.block_on(round.commit(base, commit));
                    parts.fetch_add(chosen, Ordering::Relaxed);
                }
            });
        }
    });
    let parts = parts.into_inner();
    assert!(
        2 * parts > commits.len(),
        "only {parts} diffs in parts were applied"
    );
}

/// A clone in which diffs are applied.
struct Round {
    clone: PathBuf,
    repository: Repository,
}

impl Round {
    async fn new(original: &Path, clone: PathBuf) -> Self {
        let args = ["clone", "-q", "--shared", "--no-checkout"].map(OsString::from);
        let ends = [
            original
                .canonicalize()
                .expect("it is there")
                .into_os_string(),
            clone.clone().into_os_string(),
        ];
        git_in(Path::new("/"), &[&args[..], &ends].concat());
        put(
            &clone,
            ".git/info/attributes",
            "* -text !filter !ident !working-tree-encoding !eol\n",
        );
        for (name, value) in [("user.name", "Ada"), ("user.email", "ada@example.com")] {
            git_in(&clone, &["config", name, value]);
        }
        let variables = [
            (
                OsString::from("PATH"),
                std::env::var_os("PATH").expect("PATH is set"),
            ),
            (OsString::from("HOME"), clone.clone().into()),
        ];
        let git = Git::for_user("git", variables);
        let repository = Repository::at(git, &clone).await.expect("a repository");
        Self { clone, repository }
    }

    /// Applies a commit in every way, and gives how many diffs in parts that were.
    async fn commit(&self, base: &str, commit: &str) -> usize {
        git_in(&self.clone, &["checkout", "-q", "--detach", base]);
        let range = ["diff-tree", "-r", "-M", base, commit];
        let diff = git_bytes(
            &self.clone,
            &[
                &range[..],
                &["-p", "--binary", "--full-index", "--no-color"],
            ]
            .concat(),
        );
        let records = records(&git_bytes(
            &self.clone,
            &[&range[..], &["--raw", "-z", "--abbrev=40"]].concat(),
        ));
        let [before, wanted] = sides(&self.clone, &records);
        self.there_and_back(commit, &diff, &before, &wanted).await;
        // Every eighth, for the sake of time.
        if commit.ends_with(['0', '8']) {
            self.on_a_branch(base, commit, &diff).await;
            self.elsewhere(base, commit, &diff).await;
        }
        self.in_parts(commit, &diff, &before, &wanted, &records)
            .await
    }

    async fn there_and_back(&self, what: &str, diff: &[u8], before: &Files, wanted: &Files) {
        let applied = self.repository.apply(diff, ThreeWay::No, what).await;
        let applied = applied.unwrap_or_else(|error| panic!("{what}: {error}\n{}", text(diff)));
        self.is(before, wanted, what, diff);
        if applied.files.is_empty() {
            assert!(before == wanted, "{what}: nothing was told");
            return;
        }
        let undone = self.repository.undo(|label| label == what).await;
        let undone = undone.unwrap_or_else(|error| panic!("{what}, back: {error}\n{}", text(diff)));
        // Of a file that was moved, its other name.
        let count = undone.map(|undone| undone.files.len());
        assert_eq!(count, Some(applied.files.len()), "{what}");
        self.is(before, before, &format!("{what}, back"), diff);
    }

    async fn on_a_branch(&self, base: &str, commit: &str, diff: &[u8]) {
        let branch = RefName::parse("result").expect("a name");
        let base = CommitId::parse(base).expect("a commit");
        let made = self
            .repository
            .commit_on_branch(&branch, &base, diff, "result")
            .await;
        let made = made.unwrap_or_else(|error| panic!("{commit} on a branch: {error}"));
        let trees = [made.as_str(), commit].map(|it| format!("{it}^{{tree}}"));
        let trees = git_in(&self.clone, &["rev-parse", &trees[0], &trees[1]]);
        let trees: Vec<&str> = trees.lines().collect();
        assert_eq!(trees[0], trees[1], "{commit} on a branch");
        git_in(&self.clone, &["branch", "-q", "-D", "result"]);
    }

    /// Where it need not fit: forty commits before.
    async fn elsewhere(&self, base: &str, what: &str, diff: &[u8]) {
        let old = git_in(
            &self.clone,
            &["rev-list", "--first-parent", "--max-count=40", base],
        );
        let old = old.lines().last().expect("at least itself");
        git_in(&self.clone, &["checkout", "-q", "--detach", old]);
        match self.repository.apply(diff, ThreeWay::No, what).await {
            Ok(applied) if applied.files.is_empty() => {}
            Ok(_) => {
                let undone = self.repository.undo(|label| label == what).await;
                assert!(
                    undone.is_ok_and(|undone| undone.is_some()),
                    "{what} elsewhere, back"
                );
            }
            Err(ApplyError::Conflicts { conflicts }) => {
                let named = conflicts
                    .iter()
                    .all(|one| !one.path.is_empty() && !one.reason.is_empty());
                assert!(
                    named && !conflicts.is_empty(),
                    "{what} elsewhere: {conflicts:?}"
                );
            }
            Err(error) => panic!("{what} elsewhere: {error}"),
        }
        assert_eq!(
            text(&self.changed()),
            "",
            "{what} elsewhere\n{}",
            text(diff)
        );
        git_in(&self.clone, &["checkout", "-q", "--detach", base]);
    }

    /// A random part, and what is left of it.
    async fn in_parts(
        &self,
        commit: &str,
        diff: &[u8],
        before: &Files,
        wanted: &Files,
        records: &[Record],
    ) -> usize {
        let patch = Patch::parse(diff).expect("git wrote it");
        let mut dice = Dice(SEED ^ u64::from_str_radix(&commit[..15], 16).expect("hex"));
        let parts = patch.parts();
        let mut taken: Vec<Vec<bool>> = parts
            .iter()
            .map(|part| (0..part.changes).map(|_| dice.below(2) == 0).collect())
            .collect();
        // A file that becomes something else is two parts, which only go together.
        for at in 1..parts.len() {
            if parts[at].path == parts[at - 1].path && parts[at].header != parts[at - 1].header {
                let with = taken[at - 1][0];
                taken[at - 1].fill(with);
                taken[at].fill(with);
            }
        }
        let mut done = 0;
        for _ in 0..2 {
            let chosen = patch.chosen(&taken.iter().map(|taken| choice(taken)).collect::<Vec<_>>());
            let expected = after(before, wanted, records, &parts, &taken);
            let what = format!("{commit} in parts {taken:?}");
            self.there_and_back(&what, &chosen, before, &expected).await;
            done += usize::from(!chosen.is_empty() && chosen != diff);
            taken
                .iter_mut()
                .flatten()
                .for_each(|taken| *taken = !*taken);
        }
        done
    }

    /// What the diff touches is as wanted, and git finds nothing else that is not as before.
    #[track_caller]
    fn is(&self, before: &Files, wanted: &Files, what: &str, diff: &[u8]) {
        let touched: BTreeSet<&Vec<u8>> = before.keys().chain(wanted.keys()).collect();
        let wrong = |path: &&&Vec<u8>| on_disk(&self.clone, path) != wanted.get(**path).cloned();
        let mut wrong: Vec<String> = touched
            .iter()
            .filter(wrong)
            .map(|path| text(path))
            .collect();
        let other = |path: &&[u8]| {
            // A folder that is ignored is told in one.
            let is_of =
                |one: &Vec<u8>| one == path || (path.ends_with(b"/") && one.starts_with(path));
            !touched
                .iter()
                .any(|one| is_of(one) && before.get(*one) != wanted.get(*one))
        };
        let changed = self.changed();
        let changed = changed
            .split(|&byte| byte == 0)
            .filter(|entry| !entry.is_empty());
        wrong.extend(changed.map(|entry| &entry[3..]).filter(other).map(text));
        assert!(
            wrong.is_empty(),
            "{what}: {wrong:?} are wrong after\n{}",
            text(diff)
        );
    }

    fn changed(&self) -> Vec<u8> {
        let status = [
            "status",
            "--porcelain",
            "-z",
            "-uall",
            "--ignored",
            "--no-renames",
        ];
        git_bytes(&self.clone, &status)
    }
}

/// A file as git would call it: its mode, and its content.
fn on_disk(root: &Path, path: &[u8]) -> Option<(String, Vec<u8>)> {
    let path = root.join(OsStr::from_bytes(path));
    let file = path.symlink_metadata().ok().filter(|file| !file.is_dir())?;
    if file.is_symlink() {
        let target = fs::read_link(path).expect("a link").into_os_string();
        return Some(("120000".to_owned(), target.into_vec()));
    }
    let is_executable = file.permissions().mode() & 0o100 != 0;
    let mode = if is_executable { "100755" } else { "100644" };
    Some((mode.to_owned(), fs::read(path).expect("a file")))
}

fn choice(taken: &[bool]) -> Choice {
    match taken.iter().filter(|taken| **taken).count() {
        0 => Choice::Nothing,
        count if count == taken.len() => Choice::All,
        _ => Choice::Changes(taken.to_vec()),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(20_000)]).into_owned()
}

/// Renames with and without changes, rights, links, binary files, ends of lines, ends of files, odd names, merges: 80 steps.
fn odd_history(repository: &Path) {
    git_in(
        Path::new("/"),
        &[
            &OsString::from("init"),
            &"-q".into(),
            &"-b".into(),
            &"main".into(),
            &repository.into(),
        ],
    );
    put(repository, ".git/info/attributes", "* -text\n");
    let mut dice = Dice(SEED);
    let names = [
        "plain",
        "with blank",
        "q\"uote\\d",
        "t\tab",
        "\u{fc}n\u{ef}",
        "dir/one",
        "dir/two",
        "deep/er/three",
    ];
    for step in 0..80 {
        for _ in 0..1 + dice.below(3) {
            change(&repository.join(names[dice.below(names.len())]), &mut dice);
        }
        if dice.below(4) == 0 {
            let [from, to] = [(); 2].map(|()| repository.join(names[dice.below(names.len())]));
            if from.symlink_metadata().is_ok() && to.symlink_metadata().is_err() {
                fs::create_dir_all(to.parent().expect("has one")).expect("made");
                fs::rename(from, to).expect("moved");
            }
        }
        git_in(repository, &["add", "-A", "-f", "."]);
        git_in(
            repository,
            &[
                "commit",
                "-q",
                "--allow-empty",
                "-m",
                &format!("step {step}"),
            ],
        );
        if step % 10 == 9 {
            // What went another way comes back as the second parent.
            git_in(
                repository,
                &["checkout", "-q", "-b", &format!("side{step}"), "HEAD~3"],
            );
            put(repository, &format!("side/{step}"), "beside\n");
            git_in(repository, &["add", "-A", "-f", "."]);
            git_in(repository, &["commit", "-q", "-m", "beside"]);
            git_in(repository, &["checkout", "-q", "main"]);
            git_in(
                repository,
                &[
                    "merge",
                    "-q",
                    "--no-ff",
                    "-m",
                    "merged",
                    &format!("side{step}"),
                ],
            );
        }
    }
}

fn change(path: &Path, dice: &mut Dice) {
    fs::create_dir_all(path.parent().expect("has one")).expect("made");
    let now = fs::symlink_metadata(path).ok();
    let is_link = now.as_ref().is_some_and(fs::Metadata::is_symlink);
    match dice.below(12) {
        0 if now.is_some() => fs::remove_file(path).expect("removed"),
        1 if now.is_some() && !is_link => {
            let mode = [0o644, 0o755][dice.below(2)];
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
        }
        2 => {
            // Not through a link.
            let _ = fs::remove_file(path);
            symlink(["plain", "nowhere", "dir/one"][dice.below(3)], path).expect("a link");
        }
        3 => {
            let _ = fs::remove_file(path);
            let bytes: Vec<u8> = (0..dice.below(300))
                .map(|_| dice.below(256) as u8)
                .collect();
            fs::write(path, [b"\0", bytes.as_slice()].concat()).expect("written");
        }
        4 => {
            let _ = fs::remove_file(path);
            fs::write(path, "").expect("written");
        }
        _ => {
            let before = if is_link {
                Vec::new()
            } else {
                fs::read(path).unwrap_or_default()
            };
            let _ = is_link.then(|| fs::remove_file(path));
            fs::write(path, edited(&before, dice)).expect("written");
        }
    }
}

/// Some lines are taken away, changed and added; with either end of line, and at times none at the end.
fn edited(before: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = before
        .split_inclusive(|&byte| byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    let fresh = |dice: &mut Dice| {
        let end = ["\n", "\n", "\r\n"][dice.below(3)];
        // Few different ones, so that a hunk finds its context in many places.
        format!(
            "{}{end}",
            ["}", "", "  return", "-- x", "++ y", "caf\u{e9}"][dice.below(6)]
        )
        .into_bytes()
    };
    if lines.len() < 10 {
        lines.extend((0..40).map(|_| fresh(dice)));
    }
    for _ in 0..1 + dice.below(6) {
        let at = dice.below(lines.len());
        match dice.below(3) {
            0 => drop(lines.remove(at)),
            1 => lines[at] = fresh(dice),
            _ => lines.insert(at, fresh(dice)),
        }
    }
    let mut text = lines.concat();
    if dice.below(3) == 0 && text.ends_with(b"\n") {
        text.pop();
    }
    text
}
