//! The environment's verify command, run where the agent had run, when nothing of the agent is left and its diff is made.
//!
//! What it writes goes to a layer of its own above the agent's, so nothing of it can get into a result. It has no network, no model and no
//! secrets. What it says is evidence and never a failure of the attempt.
//!
//! An attempt that changed tests can make them say anything. So where it passes and test files that the base has were changed or removed, the
//! command runs once more with these put back; and where files were added that decide how all tests run, it does so without the tests that
//! were added.

use std::time::{Duration, Instant};

use outwork_agents::{Agent, TurnOutcome};
use outwork_api::task::{TestCounts, Verification, WithOriginalTests};
use outwork_api::worker::{Finish, Outcome};
use outwork_domain::Failure;
use outwork_domain::evidence::VerificationState as State;
use outwork_domain::evidence::test_files::{decides_for_all, is_named_in, is_test_file};
use outwork_domain::evidence::{self, test_counts};
use outwork_domain::limits::{CHANGED_TESTS, PATHS, VERIFICATION_TAIL_BYTES};
use outwork_git::{ChangeKind, FileChange};
use outwork_sandbox::Stdin;

use super::drive::{Beside, Bounds, Driven, drive};
use super::step::StepName;
use super::tail::Tail;
use super::tree::Above;
use super::{Run, Stopped, millis, network, script};
use crate::failure;
use crate::sandbox_layout::{self as inside, Inside, Who};

/// How much of the output is looked through for counts of tests.
const READ_BYTES: usize = 256 * 1024;

/// What the diffs change, as far as it is evidence.
#[derive(Default)]
pub(super) struct Changes {
    paths: Vec<String>,
    /// How many files there are, also those that are not named.
    files: usize,
    /// Of each repository that has any.
    tests: Vec<ChangedTests>,
}

/// The test files of a repository that were changed.
struct ChangedTests {
    /// Its number in the assignment.
    repository: usize,
    /// What is put back: the base has it.
    restored: Vec<Vec<u8>>,
    /// What is hidden: it was added.
    hidden: Vec<Vec<u8>>,
}

impl Changes {
    pub(super) fn note(&mut self, run: &Run, repository: usize, files: &[FileChange]) {
        self.files += files.len();
        let name = run.repositories.get(repository).map(|it| it.name.as_str());
        let name = name.filter(|_| repository > 0);
        let shown = |path: &[u8]| shown(name, path);
        let room = PATHS.saturating_sub(self.paths.len());
        self.paths
            .extend(files.iter().take(room).map(|file| shown(&file.path)));
        let command = run.assignment.verify.as_ref();
        let command = command.map_or("", |verify| verify.command.as_str());
        let tests = of_files(repository, command, files);
        if !tests.restored.is_empty() || !tests.hidden.is_empty() {
            self.tests.push(tests);
        }
    }

    /// The changed test files, by the names that people see.
    fn named(&self, run: &Run) -> Vec<String> {
        let of = |tests: &ChangedTests| {
            let name = run.repositories.get(tests.repository);
            let name = name
                .map(|it| it.name.clone())
                .filter(|_| tests.repository > 0);
            let all = tests.restored.iter().chain(&tests.hidden);
            all.map(|path| shown(name.as_deref(), path))
                .collect::<Vec<_>>()
        };
        self.tests.iter().flat_map(of).take(CHANGED_TESTS).collect()
    }
}

fn shown(repository: Option<&str>, path: &[u8]) -> String {
    let path = String::from_utf8_lossy(path);
    match repository {
        Some(name) => format!("{name}/{path}"),
        None => path.into_owned(),
    }
}

/// What has to be put back and what to be hidden, so that the tests are those of the base.
fn of_files(repository: usize, command: &str, files: &[FileChange]) -> ChangedTests {
    let is_test = |path: &[u8]| {
        let path = String::from_utf8_lossy(path);
        is_test_file(&path) || is_named_in(command, &path)
    };
    let (mut restored, mut added, mut is_decided) = (Vec::new(), Vec::new(), false);
    for FileChange {
        path,
        kind,
        old_path,
        ..
    } in files
    {
        match kind {
            ChangeKind::Deleted(_) | ChangeKind::Modified(_) | ChangeKind::ModeChanged { .. } => {
                if is_test(path) {
                    restored.push(path.clone());
                }
            }
            ChangeKind::Renamed { .. } => {
                let old = old_path.as_ref().filter(|old| is_test(old));
                // Where it is now it would run beside what is put back.
                added.extend(old.map(|_| path.clone()));
                is_decided |= old.is_some();
                restored.extend(old.cloned());
            }
            ChangeKind::Added(_) => {
                if is_test(path) {
                    is_decided |= decides_for_all(&String::from_utf8_lossy(path));
                    added.push(path.clone());
                }
            }
        }
    }
    ChangedTests {
        repository,
        restored,
        hidden: match is_decided {
            true => added,
            false => Vec::new(),
        },
    }
}

/// Runs the command, if there is one and something to verify, and notes in `finish` what is known of the attempt.
pub(super) async fn run(run: &mut Run, finish: &mut Finish, changes: Changes) {
    finish.changed_tests = changes.named(run);
    let Some(verify) = run.assignment.verify.clone() else {
        finish.paths = changes.paths;
        return;
    };
    let has_succeeded = matches!(finish.outcome, Outcome::Succeeded {});
    let is_there = run.tree.as_ref().is_some_and(|tree| tree.root.is_some());
    let verification = match has_succeeded && is_there && changes.files > 0 {
        true => verified(run, &verify.command, &changes, &finish.changed_tests).await,
        false => nothing(&verify.command),
    };
    finish.verification = Some(Box::new(verification));
    finish.paths = changes.paths;
}

fn nothing(command: &str) -> Verification {
    Verification {
        state: State::NotRun.as_str().to_owned(),
        command: command.to_owned(),
        exit_code: None,
        duration_ms: 0,
        tests: None,
        tail: String::new(),
        with_original_tests: None,
    }
}

/// What one run came to.
struct Came {
    state: State,
    exit_code: Option<i32>,
    /// The end of the output, more than people are shown.
    output: String,
}

impl Came {
    fn not_run(why: impl Into<String>) -> Self {
        Self {
            state: State::NotRun,
            exit_code: None,
            output: why.into(),
        }
    }

    fn detail(&self) -> String {
        match (self.state, self.exit_code) {
            (State::Failed, Some(code)) => format!("failed (exit code {code})"),
            (state, _) => state.as_str().replace('_', " "),
        }
    }
}

async fn verified(
    run: &mut Run,
    command: &str,
    changes: &Changes,
    changed_tests: &[String],
) -> Verification {
    // The agent's mount: nothing has to be read by it any more, and its layer is one below now.
    if let Some(tree) = &mut run.tree {
        tree.root = None;
    }
    let began_at = Instant::now();
    let timer = run.begin(StepName::Verification);
    let own = once(run, command, 1, &[]).await;
    let mut detail = own.detail();
    let original = match own.state == State::Passed && !changes.tests.is_empty() {
        true => Some(once(run, command, 2, &changes.tests).await),
        false => None,
    };
    if let Some(original) = &original {
        detail = match original.state {
            State::Passed => format!("{detail}, also with the tests as they were"),
            _ => format!(
                "passed only with its own tests; as they were: {}",
                original.detail()
            ),
        };
    }
    run.end(timer, Some(detail));
    told(command, own, original, changed_tests, began_at.elapsed())
}

fn told(
    command: &str,
    own: Came,
    original: Option<Came>,
    changed_tests: &[String],
    duration: Duration,
) -> Verification {
    let state = original.as_ref().map_or(own.state, |run| run.state);
    let decisive = original.as_ref().unwrap_or(&own);
    let start = decisive
        .output
        .len()
        .saturating_sub(VERIFICATION_TAIL_BYTES);
    let tail = &decisive.output[decisive.output.ceil_char_boundary(start)..];
    Verification {
        state: state.as_str().to_owned(),
        command: command.to_owned(),
        exit_code: own.exit_code,
        duration_ms: millis(duration),
        tests: test_counts::read(&decisive.output).map(counts),
        tail: tail.to_owned(),
        with_original_tests: original.as_ref().map(|run| WithOriginalTests {
            state: run.state.as_str().to_owned(),
            exit_code: run.exit_code,
            changed: changed_tests.to_vec(),
        }),
    }
}

fn counts(counts: evidence::TestCounts) -> TestCounts {
    let evidence::TestCounts {
        runner,
        passed,
        failed,
        skipped,
    } = counts;
    TestCounts {
        runner,
        passed,
        failed,
        skipped,
    }
}

/// One run, with these tests as the base has them.
async fn once(run: &Run, command: &str, number: u32, tests: &[ChangedTests]) -> Came {
    let above = match lay(run, number, tests).await {
        Ok(above) => above,
        Err(failure) => return not_begun(run, &failure),
    };
    match execute(run, command, &above).await {
        Ok(came) => came,
        Err(Stopped::Failed(failure)) => not_begun(run, &failure),
        Err(Stopped::Cancelled | Stopped::Asks { .. } | Stopped::Released | Stopped::Abandoned) => {
            Came::not_run("")
        }
    }
}

/// People are told: nothing of what they wrote is at fault.
fn not_begun(run: &Run, failure: &Failure) -> Came {
    run.warn(format!(
        "The verify command did not run: {}",
        failure.message
    ));
    Came::not_run(&failure.message)
}

async fn lay(run: &Run, number: u32, tests: &[ChangedTests]) -> Result<Above, Failure> {
    let tree = run.tree.as_ref().expect("the caller looked");
    let above = tree.above(run.directory.verified(number), run.host.ids);
    let above = above.map_err(|error| {
        failure::internal("the directory of the verification cannot be made", &error)
    })?;
    for ChangedTests {
        repository,
        restored,
        hidden,
    } in tests
    {
        let (checkout, repository) = (&tree.checkouts[*repository], &run.repositories[*repository]);
        let place = above.place(&repository.name);
        let put = checkout.put_base(&place, restored, hidden).await;
        put.map_err(|error| failure::checkout("tests", &error))?;
    }
    Ok(above)
}

async fn execute(run: &Run, command: &str, above: &Above) -> Result<Came, Stopped> {
    let tree = run.tree.as_ref().expect("the caller looked");
    let usual = Vec::new();
    let mut environment = inside::environment(Who::Agent, &tree.base, &run.assignment, usual, None);
    network::join_java_options(run, &mut environment, None);
    run.runtimes.add_to(&mut environment);
    let mut binds = tree.binds();
    binds.extend(run.runtimes.binds());
    let inside = Inside {
        who: Who::Agent,
        command: ["/bin/bash", inside::SCRIPT].map(str::to_owned).into(),
        environment,
        stdin: Stdin::Null,
        cwd: &run.cwd,
        base: &tree.base,
        overlays: above.overlays(&tree.base),
        binds,
        links: run.runtimes.links(),
        script: Some(command),
        forwards: Vec::new(),
        handles: Vec::new(),
    };
    let name = StepName::Verification;
    let spawned = async { inside.spawn(run).await.map_err(Failure::from) };
    let running = run.bounded(name, spawned).await?;
    // A command is a program like the agent `command`; that adapter turns its output into events.
    let mut adapter = Agent::Command {
        command_line: inside::SCRIPT.to_owned(),
    }
    .prepare(script::context(run)?)
    .map_err(|error| failure::prepare(&error))?
    .adapter;
    let tail = Tail::of(run.outbox.masker().clone(), READ_BYTES);
    let bounds = Bounds {
        name,
        total: name.limit(&run.assignment),
        first_output: None,
        silence: None,
    };
    let beside = Beside {
        gateway: None,
        egress: None,
        tail: Some(&tail),
        session: None,
    };
    let driven = drive(run, running, adapter.as_mut(), &bounds, beside, &mut None).await?;
    let mut output = tail.text();
    let Driven {
        outcome,
        stopped,
        limit,
        exit,
        code,
    } = driven;
    let state = match (stopped, outcome, code) {
        // Nothing else fails in a command but by its time.
        (Some(Stopped::Failed(_)), _, _) => State::TimedOut,
        (Some(stopped), _, _) => return Err(stopped),
        (None, TurnOutcome::Completed { .. }, Some(0)) => State::Passed,
        (None, _, _) => State::Failed,
    };
    if let Some(limit) = limit.filter(|_| state == State::Failed) {
        output += &format!("\n{}", limit.message);
    } else if state == State::Failed && code.is_none() {
        output += &format!("\n{exit}");
    }
    Ok(Came {
        state,
        exit_code: code.filter(|_| state != State::TimedOut),
        output,
    })
}

#[cfg(test)]
mod tests {
    use outwork_git::FileMode;

    use super::*;

    fn change(path: &str, kind: ChangeKind, old: Option<&str>) -> FileChange {
        FileChange {
            path: path.into(),
            kind,
            added: None,
            removed: None,
            old_path: old.map(Into::into),
        }
    }

    fn told(files: &[FileChange]) -> (Vec<String>, Vec<String>) {
        let ChangedTests {
            restored, hidden, ..
        } = of_files(0, "bash check.sh", files);
        let text = |paths: Vec<Vec<u8>>| {
            let paths = paths.iter().map(|path| shown(None, path));
            paths.collect::<Vec<_>>()
        };
        (text(restored), text(hidden))
    }

    #[test]
    fn what_the_base_has_is_put_back_and_what_decides_for_all_hides_what_was_added() {
        const FILE: FileMode = FileMode::Regular;
        let (added, deleted, modified) = (
            ChangeKind::Added(FILE),
            ChangeKind::Deleted(FILE),
            ChangeKind::Modified(FILE),
        );
        let moved = ChangeKind::Renamed {
            from: FILE,
            to: FILE,
        };
        let of = |paths: &[&str]| paths.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
        assert_eq!(
            told(&[
                change("src/a.py", modified, None),
                change("tests/a.py", modified, None),
                change("tests/b.py", deleted, None),
                change("tests/new.py", added, None),
                change("check.sh", modified, None),
            ]),
            (of(&["tests/a.py", "tests/b.py", "check.sh"]), of(&[]))
        );
        assert_eq!(
            told(&[
                change("conftest.py", added, None),
                change("tests/new.py", added, None),
                change("src/new.py", added, None),
            ]),
            (of(&[]), of(&["conftest.py", "tests/new.py"]))
        );
        assert_eq!(
            told(&[change("old/a.txt", moved, Some("tests/a.py"))]),
            (of(&["tests/a.py"]), of(&["old/a.txt"]))
        );
        assert_eq!(
            told(&[change("tests/new.py", added, None)]),
            (of(&[]), of(&[]))
        );
    }
}
