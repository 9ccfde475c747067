//! The worker protocol: what a worker says to the control plane, as types and as a trait.
//!
//! A worker dials out only. It registers, takes attempts ([`WorkerApi::acquire`], a long poll),
//! renews all its leases at once ([`WorkerApi::heartbeat`]), reports steps and events, uploads its
//! results and finishes. Each verb about an attempt carries the claim's epoch; a stale one is
//! answered with `409 stale_lease`, and the worker stops what it does for that attempt.
//! [`WorkerApi::commands`] brings what cannot wait for the next heartbeat.
//!
//! `outwork up` uses this trait in process, `outwork worker` over HTTP: there is no second path.
//!
//! # Tokens
//!
//! A worker comes with one of two tokens. The workspace's worker token (`DATA_DIR/worker.token`)
//! speaks for any worker. An enrolment token (`ow_e…`, made by an operator, limited in time and
//! uses) opens [`Enroll`] and nothing else; what it is exchanged for speaks for one worker only.
//! `401 token_revoked` is final: the worker kills its sandboxes at once, sends nothing more and
//! ends. Its attempts are given to others when their leases have run out.
//!
//! # Orders
//!
//! Operators want a worker to run, to drain or to retire, and may change its number of slots:
//! [`Orders`], said in each answer to a heartbeat and at once as a [`WorkerCommand::Orders`]. The
//! server holds to it by itself: it gives a draining worker nothing, also one that speaks an older
//! version and does not know. A worker that ends by itself (SIGTERM) does the same with a deadline
//! of its own, and says so ([`Heartbeat::draining`]).
//!
//! Over HTTP (JSON unless noted, bearer token of kind `worker`), below `/api/worker/v1`:
//!
//! | verb | request |
//! |---|---|
//! | enroll | `POST /enroll` (bearer token: the enrolment token; not part of the trait) |
//! | register | `POST /register` |
//! | acquire | `POST /acquire` (answers within `wait_ms`) |
//! | heartbeat | `POST /heartbeat` |
//! | commands | `GET /commands?worker=wkr_…` (SSE, one [`WorkerCommand`] an event) |
//! | advance | `POST /attempts/{attempt}/step` |
//! | append | `POST /attempts/{attempt}/events` |
//! | download | `GET /attempts/{attempt}/objects/{kind}?epoch=N[&repository=NAME]` (bytes) |
//! | upload | `PUT /attempts/{attempt}/objects/{kind}?epoch=N[&repository=NAME]` (bytes) |
//! | read a private repository | git's smart HTTP at `/attempts/{attempt}/git/{repository}`, with its lease token as a password |
//! | checkpoint | `POST /attempts/{attempt}/checkpoint` |
//! | finish | `POST /attempts/{attempt}/finish` |
//! | release | `POST /attempts/{attempt}/release` |
//! | snapshots | `PUT /snapshots` |
//! | deregister | `POST /deregister` |

mod life;

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::credential::CredentialSecret;
use crate::environment::Agent;
use crate::event::EventBody;
use crate::injection::AssignedInjection;
use crate::network::{AgentNetwork, Resources};
use crate::problem::Problem;
use crate::secret::Secret;
use crate::task::{Failure, RepositoryDiff, Tokens, Verification};
use crate::time::Time;

pub use life::{AttemptCommand, Enroll, Enrolled, Orders, WorkerCommand, WorkerDesired};

/// The version of the protocol that this crate speaks.
pub const PROTOCOL_VERSION: u32 = 4;

/// The oldest version that this crate still speaks, as a server and as a worker: the one before. It has no messages, no questions,
/// no checkpoints, no orders, and in `register` and `heartbeat` none of the fields that say "from version 4 on".
pub const OLDEST_PROTOCOL_VERSION: u32 = 3;

/// The first version whose workers may read private repositories through the server's git gateway; see [`Acquire::git_gateway`].
pub const GIT_GATEWAY_SINCE: u32 = 4;

/// The question of an attempt whose agent was interrupted.
pub const INTERRUPTED: &str = "The agent was interrupted. How does it go on?";

/// Bytes of an object on their way.
pub type Bytes = Vec<u8>;

/// Why a verb did not work.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The server answered, with a problem.
    #[error("{0}")]
    Problem(Problem),
    /// The server did not answer; trying again is right.
    #[error("the server cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What a verb answers.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, WorkerError>>;

/// The control plane as a worker sees it. Implemented by the server itself and, over HTTP, by
/// [`crate::client::worker::HttpWorkerApi`].
pub trait WorkerApi: Send + Sync + 'static {
    /// Says who the worker is; once at its start and again after `unknown worker`.
    fn register(&self, request: Register) -> Answer<'_, Registered>;
    /// Asks for attempts; waits until there is one, at most `wait_ms`.
    fn acquire(&self, request: Acquire) -> Answer<'_, Acquired>;
    /// Renews leases and learns what is wanted of each attempt.
    fn heartbeat(&self, request: Heartbeat) -> Answer<'_, HeartbeatAnswer>;
    /// What cannot wait for the next heartbeat; ends when the server goes away.
    fn commands(&self, worker: String) -> Answer<'_, BoxStream<'static, WorkerCommand>>;
    /// Says which step an attempt is in.
    fn advance(&self, attempt: String, request: Advance) -> Answer<'_, AppendAnswer>;
    /// Appends to an attempt's log; sending the same again is harmless.
    fn append(&self, attempt: String, request: Append) -> Answer<'_, AppendAnswer>;
    /// Fetches what an attempt starts from; `repository` names whose diff, the first one's when
    /// `None`.
    fn download(
        &self,
        attempt: String,
        epoch: i64,
        kind: InputKind,
        repository: Option<String>,
    ) -> Answer<'_, Bytes>;
    /// Hands in a part of the result; before `finish`. `repository` names whose diff, the first
    /// one's when `None`.
    fn upload(
        &self,
        attempt: String,
        epoch: i64,
        kind: OutputKind,
        repository: Option<String>,
        content: Bytes,
    ) -> Answer<'_, ()>;
    /// Keeps what was uploaded as a checkpoint: the result so far.
    fn checkpoint(&self, attempt: String, request: Checkpoint) -> Answer<'_, Checkpointed>;
    /// Ends an attempt. Sending it again after an answer got lost is harmless: `attempt_ended`.
    fn finish(&self, attempt: String, request: Finish) -> Answer<'_, ()>;
    /// Gives an attempt back unfinished.
    fn release(&self, attempt: String, request: Release) -> Answer<'_, ()>;
    /// Says which snapshots the worker keeps: all of them, in place of what it said before.
    fn snapshots(&self, request: SnapshotInventory) -> Answer<'_, ()>;
    /// Says that the worker stops; its attempts must have been finished or released.
    fn deregister(&self, request: Deregister) -> Answer<'_, ()>;
}

/// Who a worker is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// [`PROTOCOL_VERSION`].
    pub protocol_version: u32,
    /// The id it had before, `wkr_…`; a new one is given out when it is left out or unknown. With a
    /// token of its own, the worker has the id that it was enrolled with: left out, it is that one,
    /// and another is refused with `403 forbidden`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// What people call it.
    pub name: String,
    /// How many attempts it runs at once, 1 to 1000.
    #[schema(minimum = 1, maximum = 1000)]
    pub slots: u32,
    /// The agents it has installed.
    pub agents: Vec<String>,
    /// How it isolates attempts, in a word that people are shown: `namespaces`, `oci:crun` and the
    /// like.
    #[schema(min_length = 1, max_length = 100)]
    pub isolation: String,
    /// What it says of itself, name to value, at most 32: environments can ask for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The version of the worker's program, at most 100 characters; from version 4 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100)]
    pub version: Option<String>,
    /// The versions of its agents, by the names in `agents`, where they have one; from version 4 on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub agent_versions: BTreeMap<String, String>,
}

/// What a worker is told at its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Registered {
    /// Its id; to be kept over restarts.
    pub worker: String,
    /// How often it must send a heartbeat, in milliseconds.
    pub heartbeat_interval_ms: u64,
    /// The version that both speak from now on: the worker's, or an older one.
    #[serde(default = "oldest")]
    pub protocol_version: u32,
}

/// A server of that version does not say it.
fn oldest() -> u32 {
    OLDEST_PROTOCOL_VERSION
}

/// A request for work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acquire {
    /// Who asks.
    pub worker: String,
    /// How many attempts it can take, 1 to 100.
    #[schema(minimum = 1, maximum = 100)]
    pub max: u32,
    /// How long the server may keep the request open, in milliseconds, 0 to 30000.
    #[schema(maximum = 30000)]
    pub wait_ms: u64,
    /// Whether it reads private repositories through the server's git gateway. One that does not is given their credentials, unless the
    /// server's operator forbids that. Of version 4.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub git_gateway: bool,
}

/// Work.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Acquired {
    /// Leased to the worker from now on; empty when there was nothing to do.
    pub assignments: Vec<Assignment>,
}

/// An attempt to be run, and all that is needed for it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Assignment {
    /// `att_…`.
    pub attempt: String,
    /// Which claim this is.
    pub epoch: i64,
    /// How long the lease holds without a heartbeat, in milliseconds. A worker that the server
    /// refuses kills the sandbox when two thirds of that have passed since it last renewed; one
    /// that cannot reach the server goes on.
    pub lease_ms: u64,
    /// `task_…`.
    pub task: String,
    /// The turn's number, 1, 2, …
    pub turn: u32,
    /// The attempt's number within the turn.
    pub number: u32,
    /// The environment's label, for the log.
    pub environment: String,
    /// The environment's id: whose snapshots these are.
    pub environment_id: String,
    /// Counts the resets of the environment's cache; part of the key of its snapshots.
    pub cache_generation: i64,
    /// The repositories, at least one. The agent starts in the first.
    pub repositories: Vec<AssignedRepository>,
    /// Whether there is an input of kind `session`: the turn continues another.
    pub has_session: bool,
    /// The image to run on; the worker's own system when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_image: Option<String>,
    /// For the registry of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_credential: Option<CredentialSecret>,
    /// Pinned runtimes: name to the beginning of a version.
    #[serde(default)]
    pub runtimes: BTreeMap<String, String>,
    /// The agent.
    pub agent: Agent,
    /// The model for the worker's gateway; absent when none is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelAccess>,
    /// What is to be done; after a question, the answer.
    pub prompt: String,
    /// What the prompt is the answer to. The attempt goes on from its own diff and session then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// Whether the agent may ask: whether the attempt may end in `awaiting_input`.
    #[serde(default)]
    pub interactive: bool,
    /// The JSON Schema that the agent's last message has to match (`docs/worker-protocol.md`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub output_schema: Option<Value>,
    /// What people have told the agent since, in order.
    #[serde(default)]
    pub messages: Vec<AttemptMessage>,
    /// Bash, once for a snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_script: Option<String>,
    /// Bash, whenever a snapshot is resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance_script: Option<String>,
    /// Bash: what is run after the agent, when the diffs are made, where the agent ran, without a network. `docs/best-of-n.md` has what
    /// becomes of it. A worker that does not know it leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<AssignedVerification>,
    /// Variables for setup and agent.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// For the setup and maintenance scripts only.
    #[serde(default)]
    pub secrets: Vec<AssignedSecret>,
    /// Time limits.
    pub limits: StepLimits,
    /// What the agent may reach. Like the fields below no part of the key of snapshots: what setup
    /// makes does not depend on it.
    #[serde(default)]
    pub network: AgentNetwork,
    /// What sandboxes may use; where a limit is left out, the worker's own holds.
    #[serde(default)]
    pub resources: Resources,
    /// Whether the agent may make namespaces of its own.
    #[serde(default)]
    pub nested_namespaces: bool,
    /// How many tokens the attempt may use, input and output together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// Headers for the proxy to put into the agent's requests.
    #[serde(default)]
    pub injections: Vec<AssignedInjection>,
}

/// A repository of an assignment.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AssignedRepository {
    /// The directory below `/workspace`; unique in the assignment.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// The branch to check out by name; absent for a bare commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit to start from.
    pub commit: String,
    /// The environment's branch, the repository's default branch when absent: the setup script runs
    /// on its newest commit, whatever the task starts from. What runs with secrets for all tasks is
    /// not for the branch of one task to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_branch: Option<String>,
    /// Whether there is an input of kind `starting_diff` for it.
    pub has_starting_diff: bool,
    /// Whether there is an input of kind `carried_diff` for it: the turn continues another.
    pub has_carried_diff: bool,
    /// For the mirror, never handed into the sandbox: a key for ssh. A token for https is here only for a worker that does not know the
    /// git gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialSecret>,
    /// In place of a token for https: the repository is read at `/api/worker/v1/attempts/{attempt}/git/{name}` of this server, with this as
    /// the password of HTTP's Basic authentication. It holds as long as the claim does, and is kept under the repository's own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub lease_token: Option<Secret>,
}

/// The verify command of an assignment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AssignedVerification {
    /// Bash.
    pub command: String,
    /// How long each run of it may take, in milliseconds. There may be two.
    pub timeout_ms: u64,
}

/// A secret of an assignment.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AssignedSecret {
    /// The variable.
    pub name: String,
    /// Its value.
    pub value: Secret,
    /// Rises whenever the value is set; part of the key of snapshots in place of the value.
    pub version: i64,
}

/// How long the worker lets each step take, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepLimits {
    /// Mirror and checkout.
    pub preparing_ms: u64,
    /// Finding or building the snapshot, the setup script or the wait for another attempt's, and the
    /// maintenance script: each of them.
    pub setting_up_ms: u64,
    /// The agent.
    pub running_ms: u64,
    /// The diff.
    pub collecting_ms: u64,
}

/// How the worker's gateway reaches the model. Never handed into the sandbox.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ModelAccess {
    /// Where the API is, with the version.
    pub base_url: String,
    /// The model's name.
    pub name: String,
    /// The key, if the endpoint wants one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub api_key: Option<Secret>,
    /// How many tokens a conversation may have.
    pub context_window: u64,
}

/// A sign of life.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// Who.
    pub worker: String,
    /// The claims it holds.
    pub leases: Vec<Claim>,
    /// How many attempts it runs at once now, 1 to 1000; in place of what it registered. From
    /// version 4 on, like the fields below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub slots: Option<u32>,
    /// How many more it could begin now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_slots: Option<u32>,
    /// Whether it takes nothing more, by an order or because it ends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub draining: bool,
}

/// Which snapshots a worker keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotInventory {
    /// Who.
    pub worker: String,
    /// All of them; at most 10,000.
    #[schema(max_items = 10000)]
    pub snapshots: Vec<KeptSnapshot>,
    /// Uses by environment, since the worker's directory was made.
    pub uses: Vec<SnapshotUses>,
}

/// A snapshot that a worker keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeptSnapshot {
    /// Its key, hexadecimal.
    pub key: String,
    /// `env_…`.
    pub environment_id: String,
    /// That of the assignment that it was built for.
    pub cache_generation: i64,
    /// Why it was built.
    pub reason: String,
    /// When, by the worker's clock.
    pub built_at: Time,
    /// When an attempt last started from it.
    pub last_used_at: Time,
    /// What it takes on the disk, in bytes.
    pub size_bytes: u64,
    /// How many attempts started from it without building it.
    pub hits: u64,
    /// How many attempts use it now.
    pub in_use: u32,
}

/// Uses of an environment's snapshots on one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotUses {
    /// `env_…`.
    pub environment_id: String,
    /// Attempts that found a snapshot.
    pub hits: u64,
    /// Snapshots that had to be built.
    pub builds: u64,
}

/// One claim of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// `att_…`.
    pub attempt: String,
    /// Which claim.
    pub epoch: i64,
    /// The number of the last message that the worker has, 0 for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub message_seq: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What somebody tells a running attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttemptMessage {
    /// Rises within the attempt. One that the worker has already is passed over.
    pub number: u32,
    /// What.
    #[serde(flatten)]
    pub body: MessageBody,
}

/// What somebody tells a running attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MessageBody {
    /// A message for the agent. The worker gives it to the agent as soon as that runs, and says so in the log (`steer_taken`).
    Steer {
        /// The message.
        text: String,
    },
    /// The agent's turn is to end now: the worker hands in diff and session, and finishes as `awaiting_input`.
    Interrupt {},
    /// Of a later version: passed over.
    #[serde(other)]
    Unknown,
}

/// What the server makes of each claim, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeartbeatAnswer {
    /// One for each claim.
    pub leases: Vec<LeaseAnswer>,
    /// Keys of snapshots that were reset: the worker removes them as soon as nobody uses them, and
    /// then sends its inventory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reset_snapshots: Vec<String>,
    /// What operators want of the worker.
    #[serde(default, skip_serializing_if = "Orders::are_none")]
    pub orders: Orders,
}

/// What is wanted of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeaseAnswer {
    /// `att_…`.
    pub attempt: String,
    /// Which claim was meant.
    pub epoch: i64,
    /// What the worker should do.
    pub desired: Desired,
    /// What people said after the message that the worker has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<AttemptMessage>,
}

/// What a worker should do with an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Desired {
    /// Go on.
    Run,
    /// Stop the agent, hand in the diff, finish as cancelled.
    Cancel,
    /// Kill the sandbox and forget the attempt: the claim is stale or the attempt has ended.
    Abandon,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Advance {
    /// Which claim speaks.
    pub epoch: i64,
    /// `preparing`, `setting_up`, `running` or `collecting`.
    pub step: String,
}

/// Events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Append {
    /// Which claim speaks.
    pub epoch: i64,
    /// The number of the first of them within the claim, from 1. Events that the server has
    /// already are passed over; a gap is refused with `out_of_order`.
    pub first_seq: i64,
    /// At most 1000.
    #[schema(max_items = 1000)]
    pub events: Vec<NewEvent>,
}

/// One event on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewEvent {
    /// When, by the worker's clock.
    pub at: Time,
    /// What.
    #[serde(flatten)]
    pub body: EventBody,
}

/// The answer to a step or to events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppendAnswer {
    /// The claim's events up to this number are durable.
    pub acknowledged_seq: i64,
    /// What the worker should do.
    pub desired: Desired,
}

/// What an attempt starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// Uncommitted changes that the person sent along.
    StartingDiff,
    /// The diff of the attempt that this one continues.
    CarriedDiff,
    /// The agent's session of the attempt that this one continues.
    Session,
}

/// What an attempt hands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutputKind {
    /// The diff, as a git patch.
    Diff,
    /// The agent's session.
    Session,
    /// The diff so far, for the next checkpoint.
    CheckpointDiff,
    /// The agent's session so far, for the next checkpoint.
    CheckpointSession,
}

impl InputKind {
    /// The name in a path.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StartingDiff => "starting_diff",
            Self::CarriedDiff => "carried_diff",
            Self::Session => "session",
        }
    }
}

impl OutputKind {
    /// The name in a path.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Diff => "diff",
            Self::Session => "session",
            Self::CheckpointDiff => "checkpoint_diff",
            Self::CheckpointSession => "checkpoint_session",
        }
    }
}

/// What was done so far, after its parts were uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Which claim speaks.
    pub epoch: i64,
    /// The size of each repository's `checkpoint_diff`, in the order of the assignment: all of them, also those that did not change
    /// since the last checkpoint.
    #[serde(default)]
    pub diffs: Vec<RepositoryDiff>,
    /// Whether a `checkpoint_session` was uploaded.
    #[serde(default)]
    pub has_session: bool,
}

/// The answer to a checkpoint: it is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Checkpointed {
    /// What the worker should do.
    pub desired: Desired,
}

/// The end of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Finish {
    /// Which claim speaks.
    pub epoch: i64,
    /// How it ended.
    pub outcome: Outcome,
    /// The size of each repository's diff that was uploaded, in the order of the assignment. An
    /// empty diff counts as one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diffs: Vec<RepositoryDiff>,
    /// Whether a session was uploaded.
    pub has_session: bool,
    /// What the agent said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The tokens used; absent when no model was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// What the verify command said, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Box<Verification>>,
    /// How long the agent ran, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_ms: Option<u64>,
    /// The files that the diffs change, those of further repositories with the repository's name before them; at most 500.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 500)]
    pub paths: Vec<String>,
    /// The test files among them that were there before, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 100)]
    pub changed_tests: Vec<String>,
    /// The last event of the claim; the server refuses with `out_of_order` until it has it.
    pub last_seq: i64,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Outcome {
    /// The agent finished its turn.
    Succeeded {},
    /// It ended otherwise.
    Failed {
        /// Why. An unknown code is taken as `internal`.
        failure: Failure,
    },
    /// It was told to stop, and did.
    Cancelled {},
    /// The agent asks.
    AwaitingInput {
        /// What.
        question: String,
    },
}

/// Giving back: the attempt waits for another worker, and the claim does not count as a try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Which claim speaks.
    pub epoch: i64,
    /// Whether the next claim may go on from this claim's last checkpoint, which the worker made
    /// after the agent had stopped: it does if the checkpoint has a session, with the same prompt
    /// and the checkpoint's diffs as `carried_diff`. Without a session nobody knows what the agent
    /// has done already, and the attempt begins anew. From version 4 on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resume: bool,
}

/// The end of a worker: it is forgotten until it registers again, and its orders and its token
/// are kept. One that was told to retire is forgotten for good, and its own token is revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Deregister {
    /// Who.
    pub worker: String,
}
