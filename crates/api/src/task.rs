//! Tasks, turns and attempts on the wire.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::approval::TaskApproval;
use crate::comment::SendComments;
use crate::environment::AgentChoice;
use crate::member::Person;
use crate::parts::ComposedFrom;
use crate::time::Time;

/// A task to be submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTask {
    /// The environment's id or label.
    pub environment: String,
    /// What is to be done, 1 byte to 1 MiB.
    #[schema(min_length = 1, max_length = 1048576)]
    pub prompt: String,
    /// Start from this branch instead of the environment's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Start from this commit instead of a branch's newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// How many attempts run at once, 1 to 4; 1 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4)]
    pub attempts: Option<u32>,
    /// The agent of each attempt, in place of the environment's; then `attempts` is their number or left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 4)]
    pub agents: Vec<AgentChoice>,
    /// Uncommitted changes to start from, as a git patch; they are not part of the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starting_diff: Option<String>,
    /// The conversation to go on from: a session of the environment's agent, in the format of `docs/session-format.md`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starting_session: Option<String>,
    /// Whether the agent may ask and wait for an answer (`needs_input`); otherwise it is told to decide by itself.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    #[schema(default = true)]
    pub interactive: bool,
    /// How urgent it is, against the other tasks that wait for a worker.
    #[serde(default, skip_serializing_if = "Priority::is_normal")]
    pub priority: Priority,
    /// The JSON Schema of the answer: the agent's last message has to be JSON that matches it, else the attempt fails with
    /// `output_mismatch`. At most 64 KiB; `docs/scripts.md` has the keywords.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub output_schema: Option<Value>,
    /// What it is for. It decides in which lists it stands, and nothing of what the agent does.
    #[serde(default, skip_serializing_if = "TaskKind::is_code")]
    pub kind: TaskKind,
    /// Files and folders that it is about, from the repository's root, at most 200: so that others are told of overlaps. Those that the
    /// prompt names count anyway. The agent may change others all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 200)]
    pub paths: Vec<String>,
}

impl NewTask {
    /// That prompt in that environment (its id or label), and nothing else said: what a request leaves out.
    pub fn new(environment: impl Into<String>, prompt: impl Into<String>) -> Self {
        Self {
            environment: environment.into(),
            prompt: prompt.into(),
            branch: None,
            commit: None,
            attempts: None,
            agents: Vec::new(),
            starting_diff: None,
            starting_session: None,
            interactive: yes(),
            priority: Priority::default(),
            output_schema: None,
            kind: TaskKind::default(),
            paths: Vec::new(),
        }
    }
}

/// What a task is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskKind {
    /// Changes to be applied.
    #[default]
    Code,
    /// An opinion on code.
    Review,
}

impl TaskKind {
    /// The name in addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Review => "review",
        }
    }

    /// It is left out then: a server of an older version does not know the field.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
    fn is_code(&self) -> bool {
        *self == Self::Code
    }
}

/// How urgent a task is. It holds for all its turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// When nothing else waits, and for a fixed share of the time.
    Low,
    /// Unless somebody said otherwise.
    #[default]
    Normal,
    /// Before everything else.
    High,
}

impl Priority {
    /// It is left out then: a server of an older version does not know the field.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
    fn is_normal(&self) -> bool {
        *self == Self::Normal
    }
}

/// What a task waits for while one of its attempts is `queued`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WaitingFor {
    /// `worker` (none is connected), `agent` (no connected worker has it), `labels` (no connected worker has them), `environment` (it runs as
    /// many attempts as it may), `free_worker` (all that could run it are busy), `retry` (a pause after a lost worker) or `turn` (nothing is
    /// missing).
    pub reason: String,
    /// For people.
    pub text: String,
}

fn yes() -> bool {
    true
}

/// Left out then: a server of an older version does not know the field.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_yes(it: &bool) -> bool {
    *it
}

/// A follow-up to be submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTurn {
    /// What is to be done next; may be left out with `comments`.
    #[serde(default)]
    #[schema(max_length = 1048576)]
    pub prompt: String,
    /// The comments that become a part of the prompt: `true` for the open ones of the attempt that is continued, or the ids of some that
    /// are not resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comments: Option<SendComments>,
    /// How many attempts, 1 to 4; 1 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4)]
    pub attempts: Option<u32>,
    /// The number of the attempt of the newest turn that it continues; the one whose diff is
    /// shown for the task when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub attempt: Option<u32>,
    /// The JSON Schema of the answer: the agent's last message has to be JSON that matches it, else the attempt fails with
    /// `output_mismatch`. At most 64 KiB; `docs/scripts.md` has the keywords.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub output_schema: Option<Value>,
}

/// Something to tell an attempt of the newest turn: an answer to its question, or a message while it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMessage {
    /// What.
    #[schema(min_length = 1, max_length = 1048576)]
    pub text: String,
    /// The attempt's number; may be left out when there is only one that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub attempt: Option<u32>,
}

/// Which attempt of the newest turn is interrupted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Interruption {
    /// The attempt's number; may be left out when only one runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub attempt: Option<u32>,
}

/// The newest turn once more, as a new turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRetry {
    /// The number of the attempt from whose work it goes on; the one whose diff is shown for the task when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub attempt: Option<u32>,
    /// Begin where the turn began, and leave what was done.
    #[serde(default)]
    pub from_start: bool,
    /// How many attempts, 1 to 4; 1 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4)]
    pub attempts: Option<u32>,
}

/// How large a diff is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiffStat {
    /// How many files it touches.
    pub files_changed: u64,
    /// Lines added, over all text files.
    pub lines_added: u64,
    /// Lines removed, over all text files.
    pub lines_removed: u64,
}

/// How large the diff of one repository is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RepositoryDiff {
    /// The repository's name.
    pub repository: String,
    /// The size.
    #[serde(flatten)]
    pub summary: DiffStat,
}

/// Where a further repository stood when the task was submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskRepository {
    /// The repository's name.
    pub name: String,
    /// Where it is, without credentials.
    pub url: String,
    /// The branch; absent for a bare commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit.
    pub commit: String,
}

/// A task as it stands in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskSummary {
    /// `task_…`.
    pub id: String,
    /// Where people look at it.
    pub url: String,
    /// The first line of the prompt.
    pub title: String,
    /// `pending`, `running`, `needs_input`, `completed` or `failed`.
    pub status: String,
    /// `succeeded`, `failed`, `cancelled`, `timed_out`, `over_budget` or `lost`; absent until it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// When it was submitted.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// Who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Person>,
    /// Its environment.
    pub environment_id: String,
    /// The environment's label now.
    pub environment_label: String,
    /// The size of the diff shown for the task.
    pub summary: DiffStat,
    /// Whether it is a code review.
    pub is_review: bool,
    /// How many attempts the newest turn has.
    pub attempt_total: u32,
    /// What it waits for; absent when no attempt of the newest turn is queued, and in the answer to a submission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<WaitingFor>,
    /// `waiting`, `approved` or `rejected`: whether the result that is shown may leave; absent where nobody has to say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_state: Option<String>,
    /// How many other open tasks are about the same files; absent when there is none. `GET /tasks/{id}/overlaps` says which.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub overlap_count: u32,
}

/// Left out then: mostly there is none.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_zero(it: &u32) -> bool {
    *it == 0
}

/// A task with all its turns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Task {
    /// What a list shows.
    #[serde(flatten)]
    pub summary: TaskSummary,
    /// The branch it started from; absent for a bare commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit it started from; its diffs are against it.
    pub commit: String,
    /// Whether the agent may ask and wait for an answer.
    #[serde(default = "yes")]
    pub interactive: bool,
    /// How urgent it is.
    #[serde(default)]
    pub priority: Priority,
    /// Where the environment's further repositories stood.
    #[serde(default)]
    pub further_repositories: Vec<TaskRepository>,
    /// The pull request that its newest published result is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<TaskPullRequest>,
    /// Whether the result that is shown may leave; absent in the answer to a submission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<TaskApproval>,
    /// Its turns, oldest first.
    pub turns: Vec<Turn>,
}

/// A task's pull request, as its server told it when it was last published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskPullRequest {
    /// Where people look at it.
    pub url: String,
    /// Its number within the repository.
    pub number: u64,
    /// `open`, `draft`, `closed` or `merged`.
    pub state: String,
    /// Its branch.
    pub branch: String,
    /// Its commit.
    pub commit: String,
}

/// As servers of an older version have it.
fn prompt() -> String {
    "prompt".to_owned()
}

/// One prompt and its attempts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Turn {
    /// `turn_…`.
    pub id: String,
    /// 1, 2, …
    pub number: u32,
    /// What was asked.
    pub prompt: String,
    /// The JSON Schema that its answer has to match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub output_schema: Option<Value>,
    /// The attempt that it continues; of a composition, the one whose session goes on after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<String>,
    /// `prompt`, or `composition`, which makes one result of parts of attempts and runs no agent.
    #[serde(default = "prompt")]
    pub kind: String,
    /// Of a composition: what was taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub composed_from: Vec<ComposedFrom>,
    /// When.
    pub created_at: Time,
    /// Which of its attempts is the best, and why; absent from servers of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranking: Option<Ranking>,
    /// The attempt that a person chose; it comes before the ranking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Chosen>,
    /// The number of the attempt whose diff is shown, applied, gone on from and published: the one that was chosen, else the one that the
    /// ranking leads with, else the first that succeeded, else the first that has a diff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<u32>,
    /// Its attempts, by number.
    pub attempts: Vec<Attempt>,
}

/// One run of a turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// `att_…`.
    pub id: String,
    /// 1, 2, … within the turn.
    pub number: u32,
    /// `queued`, `leased`, `preparing`, `setting_up`, `running`, `collecting`, `awaiting_input`,
    /// `succeeded`, `failed` or `cancelled`.
    pub state: String,
    /// Whether somebody wants it stopped and it has not stopped yet.
    pub cancelling: bool,
    /// Who runs it; absent from servers of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AttemptAgent>,
    /// Until when it may stay in this state; absent once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_at: Option<Time>,
    /// How often a worker took it.
    pub tries: u32,
    /// The worker that has it or had it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// How that worker isolates it: `namespaces`, `oci:crun` and the like; absent before a worker
    /// took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What the agent asks, while it waits for an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// The size of its diffs, over all repositories; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<DiffStat>,
    /// The size of each repository's diff, the first repository's first.
    #[serde(default)]
    pub diffs: Vec<RepositoryDiff>,
    /// What the agent said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The same as JSON, when the turn has a schema and the attempt succeeded. With the task only, not where the attempt is
    /// shown alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// The tokens it used; absent when they are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// What the environment's verify command said of it; absent where the environment has none, and before it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// What they cost, by the prices that held when it ended; absent when that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// The agent of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttemptAgent {
    /// `codex`, `command`, or, of a composition, `none`.
    pub name: String,
    /// The model that the attempt asked for in place of the workspace's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// What the environment's verify command said of an attempt. It ran where the agent had run, without a network, after the diff was made: nothing
/// that it writes is part of the result. It never makes an attempt fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verification {
    /// `passed`, `failed`, `timed_out` or `not_run`. An attempt that passes only with test files that it changed itself has not passed.
    pub state: String,
    /// The command, Bash.
    pub command: String,
    /// How it ended; absent when it did not end by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// How long it ran, in milliseconds, both times together.
    pub duration_ms: u64,
    /// The tests that its output counts, where it is that of a known runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests: Option<TestCounts>,
    /// The end of its output, at most 4 KiB.
    pub tail: String,
    /// Where the attempt passes and has changed or removed test files that were there: the run with these put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with_original_tests: Option<WithOriginalTests>,
}

/// The tests that an output counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TestCounts {
    /// `cargo test`, `nextest`, `pytest`, `unittest`, `jest`, `vitest`, `mocha`, `go test`, `maven`, `gradle`, `rspec`, `phpunit` or `tap`.
    pub runner: String,
    /// How many passed.
    pub passed: u64,
    /// How many did not.
    pub failed: u64,
    /// How many did not run.
    pub skipped: u64,
}

/// A further run of the verify command, with the test files as they were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WithOriginalTests {
    /// `passed`, `failed`, `timed_out` or `not_run`.
    pub state: String,
    /// How it ended; absent when it did not end by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The test files that the attempt changed, at most 100.
    pub changed: Vec<String>,
}

/// The attempts of a turn in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ranking {
    /// `decided`, `tie`, `none_passed`, `unverified`, `nothing_done` or `pending`.
    pub verdict: String,
    /// The number of the best attempt; only where the verdict is `decided`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<u32>,
    /// A sentence or two for people.
    pub summary: String,
    /// All attempts, the first first; empty while some have not ended.
    pub places: Vec<RankedAttempt>,
}

/// Where an attempt stands among those of its turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RankedAttempt {
    /// Its number.
    pub attempt: u32,
    /// 1, 2, …; those that nothing tells apart have the same.
    pub place: u32,
    /// Why.
    pub reasons: Vec<RankingReason>,
}

/// Something that speaks for an attempt or against it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RankingReason {
    /// `verification`, `tests`, `own_tests`, `changed_tests`, `scope`, `size`, `time`, `cost` or `outcome`.
    pub kind: String,
    /// For people.
    pub text: String,
    /// Whether it speaks for it.
    pub good: bool,
}

/// The attempt that a person chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Chosen {
    /// Its number within the turn.
    pub attempt: u32,
    /// Who chose it: `prn_…`.
    pub by: String,
    /// When.
    pub at: Time,
}

/// The attempt of a turn that is to stand for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewChoice {
    /// The number of the turn; the newest when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub turn: Option<u32>,
    /// The number of the attempt.
    #[schema(minimum = 1)]
    pub attempt: u32,
}

/// What something cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cost {
    /// The currency: three capital letters.
    pub currency: String,
    /// How much, exactly: a decimal number.
    #[schema(example = "0.9025")]
    pub amount: String,
    /// Whether it was more: some of what was used was not counted.
    pub is_lower_bound: bool,
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// Stable, for programs: `setup_failed`, `timed_out`, `lost`, …
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Tokens, as counted by the gateway from the model's own answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tokens {
    /// Input, cached ones included.
    pub input: u64,
    /// Input that the model had cached.
    pub cached_input: u64,
    /// Output, reasoning included.
    pub output: u64,
    /// Output that was reasoning.
    pub reasoning: u64,
    /// How many answers did not say what they used: if not 0, the true sum is higher.
    pub uncounted_calls: u64,
}

impl From<TaskKind> for outwork_domain::task::TaskKind {
    fn from(kind: TaskKind) -> Self {
        match kind {
            TaskKind::Code => Self::Code,
            TaskKind::Review => Self::Review,
        }
    }
}

impl From<outwork_domain::task::TaskKind> for TaskKind {
    fn from(kind: outwork_domain::task::TaskKind) -> Self {
        match kind {
            outwork_domain::task::TaskKind::Code => Self::Code,
            outwork_domain::task::TaskKind::Review => Self::Review,
        }
    }
}

impl From<Priority> for outwork_domain::Priority {
    fn from(priority: Priority) -> Self {
        match priority {
            Priority::Low => Self::Low,
            Priority::Normal => Self::Normal,
            Priority::High => Self::High,
        }
    }
}

impl From<outwork_domain::Priority> for Priority {
    fn from(priority: outwork_domain::Priority) -> Self {
        match priority {
            outwork_domain::Priority::Low => Self::Low,
            outwork_domain::Priority::Normal => Self::Normal,
            outwork_domain::Priority::High => Self::High,
        }
    }
}

impl From<outwork_domain::Failure> for Failure {
    fn from(failure: outwork_domain::Failure) -> Self {
        let outwork_domain::Failure {
            code,
            message,
            hint,
        } = failure;
        Self {
            code: code.as_str().to_owned(),
            message,
            hint,
        }
    }
}
