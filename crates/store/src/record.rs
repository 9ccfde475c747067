//! What goes into the store and comes out of it.

use std::time::Duration;

use outwork_domain::agent::AgentName;
use outwork_domain::cost::Prices;
use outwork_domain::credential::Credential;
use outwork_domain::environment::{Environment, Injection, InjectionTarget, SecretName};
use outwork_domain::evidence::Evidence;
use outwork_domain::job::Queue;
use outwork_domain::overlap::Certainty;
use outwork_domain::principal::{Principal, PrincipalKind, Worker, WorkerOrders};
use outwork_domain::scope::Scopes;
use outwork_domain::status::{TaskOutcome, TaskStatus, task_status};
use outwork_domain::task::{Task, TaskKind, Turn};
use outwork_domain::{
    Attempt, AttemptId, EnvironmentId, Epoch, ObjectKey, PrincipalId, TaskId, Timestamp, TokenId,
    WorkerId, WorkspaceId,
};

/// Something was committed. It carries no data: read again what it names. A receiver that lags
/// has to read again everything it follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The attempt or its events changed.
    Attempt(AttemptId),
    /// An attempt of the workspace waits for a worker (perhaps not visible yet).
    Queue(WorkspaceId),
    /// The worker that holds the attempt with this claim has something to hear: stop, or a message.
    Command(AttemptId, Epoch, WorkerId),
    /// What is wanted of the worker changed.
    Worker(WorkerId),
    /// The task is new, or it changed, also by a change of one of its attempts' states.
    Task(TaskId),
    /// A job of the queue may be due.
    Job(Queue),
    /// Something happened that somebody is to be told.
    Happened,
}

/// The first workspace and the tokens to get in.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    /// The id of the workspace to make.
    pub workspace_id: WorkspaceId,
    /// What people call it.
    pub workspace_name: String,
    /// Tokens to make in it; their `workspace_id` must be the one above.
    pub tokens: Vec<NewToken>,
}

/// A token, and its principal where that does not exist yet.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Its id.
    pub token_id: TokenId,
    /// Whom it speaks for.
    pub principal_id: PrincipalId,
    /// The principal's tenant.
    pub workspace_id: WorkspaceId,
    /// What the principal is.
    pub kind: PrincipalKind,
    /// What people call the principal.
    pub name: String,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// Not accepted from this time on; `None`: always accepted.
    pub expires_at: Option<Timestamp>,
}

/// Whom a token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated {
    /// The principal.
    pub principal: Principal,
    /// The name of its workspace.
    pub workspace_name: String,
    /// What the token may at most.
    pub scopes: Scopes,
    /// When the token was revoked: it is to be refused, and told so.
    pub revoked_at: Option<Timestamp>,
}

/// An environment and what is kept beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentRecord {
    /// The environment.
    pub environment: Environment,
    /// Its secrets by name, without their values.
    pub secrets: Vec<SecretName>,
    /// Its injections by host and header, without their values.
    pub injections: Vec<Injection>,
    /// How often its snapshots were reset.
    pub cache_generation: i64,
}

/// A change of one secret of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretChange {
    /// A new value.
    Set {
        /// Which secret.
        name: String,
        /// The value, sealed by the caller; the store cannot read it.
        sealed: Vec<u8>,
    },
    /// None any more; no error if there was none.
    Remove {
        /// Which secret.
        name: String,
    },
}

/// A change of one header injection of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InjectionChange {
    /// A new value.
    Set {
        /// Where it goes.
        target: InjectionTarget,
        /// The value, sealed by the caller; the store cannot read it.
        sealed: Vec<u8>,
    },
    /// None any more; no error if there was none.
    Remove {
        /// Where none goes.
        target: InjectionTarget,
    },
}

/// Changes of what is sealed beside an environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealedChanges {
    /// Of its secrets.
    pub secrets: Vec<SecretChange>,
    /// Of its injections.
    pub injections: Vec<InjectionChange>,
}

impl From<Vec<SecretChange>> for SealedChanges {
    fn from(secrets: Vec<SecretChange>) -> Self {
        Self {
            secrets,
            injections: Vec::new(),
        }
    }
}

/// A header injection of an environment with its sealed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedInjection {
    /// Where it goes.
    pub target: InjectionTarget,
    /// The value, as the caller sealed it.
    pub sealed: Vec<u8>,
}

/// A secret of an environment with its sealed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSecret {
    /// The variable.
    pub name: String,
    /// Which value it is: another one has another version.
    pub version: i64,
    /// The value, as the caller sealed it.
    pub sealed: Vec<u8>,
}

/// A credential with its sealed secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialRecord {
    /// The credential.
    pub credential: Credential,
    /// Its secret, as the caller sealed it.
    pub sealed: Vec<u8>,
}

/// Which model a workspace uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRecord {
    /// Where it is.
    pub base_url: String,
    /// Its name there.
    pub name: String,
    /// The key, sealed by the caller; the store cannot read it.
    pub sealed_key: Option<Vec<u8>>,
    /// How many tokens fit.
    pub context_window: u64,
    /// What its tokens cost, if that is known.
    pub prices: Option<Prices>,
    /// When it was set.
    pub updated_at: Timestamp,
}

/// A new task with its first turn.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The task; its `created_at` is taken as the present time.
    pub task: Task,
    /// Its first turn.
    pub turn: Turn,
    /// The attempts of that turn, queued, at least one.
    pub attempts: Vec<Attempt>,
    /// What the environment's first repository is called, for the whole life of the task.
    pub repository: String,
    /// Files and folders that a person says it is about; those that the prompt names come by themselves.
    pub paths: Vec<String>,
}

/// The caller's name for a request, so that sending it twice does it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Who sent it.
    pub principal_id: PrincipalId,
    /// What was called.
    pub route: String,
    /// The caller's key.
    pub key: String,
    /// SHA-256 of the request.
    pub fingerprint: [u8; 32],
    /// From then on the key is free again.
    pub expires_at: Timestamp,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It was done.
    New,
    /// It had been done before, under the same idempotency key; nothing was written.
    Replayed {
        /// The task that was made or continued then.
        task_id: TaskId,
    },
}

/// Which tasks to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// Only those of this environment.
    pub environment: Option<EnvironmentId>,
    /// Only those of this kind.
    pub kind: Option<TaskKind>,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paged<T> {
    /// The part.
    pub items: Vec<T>,
    /// Where the next part begins; `None` at the end. Safe in URLs.
    pub next_cursor: Option<String>,
}

/// A task with its turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRecord {
    /// The task.
    pub task: Task,
    /// The label of its environment, deleted or not.
    pub environment_label: String,
    /// How many people have to approve a result, as its environment says now.
    pub approvals_needed: u32,
    /// What its first repository is called.
    pub repository: String,
    /// Its turns in order; in a list only the newest.
    pub turns: Vec<TurnRecord>,
}

/// A turn with its attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnRecord {
    /// The turn.
    pub turn: Turn,
    /// Its attempts, by number.
    pub attempts: Vec<AttemptRecord>,
}

impl TurnRecord {
    /// The status that its task has, or had, by its attempts.
    pub fn status(&self) -> (TaskStatus, Option<TaskOutcome>) {
        task_status(self.attempts.iter().map(|record| &record.attempt.state))
    }
}

impl TaskRecord {
    /// The status that people are shown: that of its newest turn.
    pub fn status(&self) -> (TaskStatus, Option<TaskOutcome>) {
        let newest = self.turns.last().map_or(&[][..], |turn| &turn.attempts);
        task_status(newest.iter().map(|record| &record.attempt.state))
    }
}

/// An attempt with what it gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRecord {
    /// The attempt.
    pub attempt: Attempt,
    /// The worker of its newest claim, whether or not it still holds it.
    pub worker: Option<WorkerId>,
    /// How that worker isolates it, as it said when it registered.
    pub isolation: Option<String>,
    /// What the last worker that finished it handed in.
    pub result: Option<AttemptResult>,
    /// What tokens cost when that was handed in, if it was known.
    pub prices: Option<Prices>,
    /// What the task's first repository is called.
    pub repository: String,
    /// The agent of its environment as that is now, for an attempt without one of its own.
    pub environment_agent: AgentName,
}

/// What a worker handed in when it finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptResult {
    /// The claim that did.
    pub epoch: Epoch,
    /// The diff of the first repository.
    pub diff: Option<StoredDiff>,
    /// The diffs of further repositories, in the task's order.
    pub further_diffs: Vec<FurtherDiff>,
    /// The agent's session.
    pub session: Option<ObjectKey>,
    /// The agent's last message.
    pub message: Option<String>,
    /// What the model counted.
    pub tokens: Option<Tokens>,
    /// What speaks for it.
    pub evidence: Evidence,
}

/// What a worker hands in, and which files that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandedIn {
    /// What it hands in.
    pub result: AttemptResult,
    /// For each of its diffs, the files.
    pub touched: Vec<Touched>,
}

impl From<AttemptResult> for HandedIn {
    fn from(result: AttemptResult) -> Self {
        Self {
            result,
            touched: Vec::new(),
        }
    }
}

/// The files that a diff changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// The further repository's name; `None`: the first one.
    pub repository: Option<String>,
    /// Before and after, where one is moved.
    pub paths: Vec<String>,
}

/// An open task that is about the same files as another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// Which.
    pub task_id: TaskId,
    /// The first of the paths that both have.
    pub paths: Vec<String>,
    /// How many there are.
    pub path_count: u64,
    /// Whether it has changed one of them.
    pub certainty: Certainty,
}

/// The diff of a further repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FurtherDiff {
    /// The repository's name.
    pub repository: String,
    /// The diff.
    pub diff: StoredDiff,
}

/// A diff among the objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDiff {
    /// Its object.
    pub key: ObjectKey,
    /// How much it changes.
    pub stat: DiffStat,
    /// How long it is, in bytes.
    pub size_bytes: u64,
}

/// How much a diff changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiffStat {
    /// How many files it touches.
    pub files_changed: u64,
    /// Lines added, over all text files.
    pub lines_added: u64,
    /// Lines removed, over all text files.
    pub lines_removed: u64,
}

/// Tokens, as counted by the gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Input, cached ones included.
    pub input: u64,
    /// Input that the model had cached.
    pub cached_input: u64,
    /// Output, reasoning included.
    pub output: u64,
    /// Output that was reasoning.
    pub reasoning: u64,
    /// How many answers did not say what they used.
    pub uncounted_calls: u64,
}

/// What an attempt used that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedAttempt {
    /// Which.
    pub attempt_id: AttemptId,
    /// Its task.
    pub task_id: TaskId,
    /// The task's environment.
    pub environment_id: EnvironmentId,
    /// The environment's label now.
    pub environment_label: String,
    /// The environment's agent now.
    pub agent: String,
    /// Who asked for its turn.
    pub principal_id: PrincipalId,
    /// What people call them.
    pub principal_name: String,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Whether a worker ever had it.
    pub was_claimed: bool,
    /// The claim that handed in what follows; 0: none.
    pub epoch: Epoch,
    /// What the model counted.
    pub tokens: Option<Tokens>,
    /// What tokens cost then, if it was known.
    pub prices: Option<Prices>,
    /// How long workers held it.
    pub held: Duration,
}

/// An attempt that a worker now holds, and all it needs to run it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The attempt, held.
    pub attempt: Attempt,
    /// Its task.
    pub task: Task,
    /// Its turn.
    pub turn: Turn,
    /// What the task's first repository is called.
    pub repository: String,
    /// The environment as it is now.
    pub environment: Environment,
    /// How often the environment's snapshots were reset.
    pub cache_generation: i64,
    /// The values of its secrets, sealed, by name.
    pub secrets: Vec<SealedSecret>,
    /// Its header injections, their values sealed.
    pub injections: Vec<SealedInjection>,
    /// The credentials of the workspace.
    pub credentials: Vec<CredentialRecord>,
    /// The model of the workspace.
    pub model: Option<ModelRecord>,
    /// The attempt whose work and session it continues: the turn's, or the attempt itself after an answer.
    pub continues: Option<AttemptRecord>,
    /// What people told the attempt so far.
    pub messages: Vec<Message>,
}

/// What somebody told an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// 1, 2, … within the attempt.
    pub number: u32,
    /// What.
    pub body: MessageBody,
}

/// What somebody told an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageBody {
    /// For the agent, while it works.
    Steer(String),
    /// The agent's turn is to end.
    Interrupt,
    /// The answer to a question.
    Answer {
        /// The question.
        question: String,
        /// The answer.
        text: String,
    },
}

/// An event that a worker hands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEventRow {
    /// When it happened.
    pub at: Timestamp,
    /// Its kind: the `type` of the body.
    pub kind: String,
    /// Its body, a JSON object.
    pub json: String,
}

/// An event of an attempt's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// 1, 2, … within the attempt, without gaps.
    pub seq: i64,
    /// When it happened.
    pub at: Timestamp,
    /// The attempt's epoch then.
    pub epoch: Epoch,
    /// Its body as it was handed in, a JSON object.
    pub json: String,
}

/// A worker and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerRecord {
    /// The worker.
    pub worker: Worker,
    /// When it was last heard of.
    pub seen_at: Timestamp,
    /// The attempts it holds.
    pub attempts: Vec<AttemptId>,
    /// How many more it could begin, as it said last.
    pub free_slots: Option<u32>,
    /// Whether it said last that it takes nothing more.
    pub draining: bool,
    /// Whether it has a token of its own.
    pub enrolled: bool,
    /// What is wanted of it.
    pub orders: WorkerOrders,
}

/// What a worker says of itself with each sign of life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// How many attempts it runs at once; `None`: as it said before.
    pub slots: Option<u32>,
    /// How many more it could begin; `None`: it does not say.
    pub free_slots: Option<u32>,
    /// Whether it takes nothing more.
    pub draining: bool,
}
