//! What happened in an attempt. One numbered log per attempt, whoever wrote it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::task::{DiffStat, Failure, Tokens};
use crate::time::Time;

/// One entry of an attempt's log; over SSE its `seq` is the event's `id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// 1, 2, … within the attempt, without gaps.
    pub seq: i64,
    /// When, by the clock of who wrote it (server or worker).
    pub at: Time,
    /// Which claim of the attempt it belongs to; 0 before the first.
    pub epoch: i64,
    /// What.
    #[serde(flatten)]
    pub body: EventBody,
}

/// What happened. Clients must ignore kinds they do not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventBody {
    /// The attempt is in another state (written by the server).
    State {
        /// The state's name, as in an attempt's `state`.
        state: String,
        /// The worker that holds it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        worker: Option<String>,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
        /// What the agent asks, in the state `awaiting_input`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        question: Option<String>,
    },
    /// Somebody wants it stopped (written by the server).
    CancelRequested {},
    /// Somebody answered the agent's question (written by the server).
    Answered {
        /// The answer.
        text: String,
    },
    /// Somebody has a message for the agent (written by the server).
    Steered {
        /// The message's number within the attempt.
        number: u32,
        /// The message.
        text: String,
    },
    /// The agent has the message, or will not have it.
    SteerTaken {
        /// The message's number.
        number: u32,
        /// False: it could not be given to the agent any more.
        accepted: bool,
    },
    /// Somebody wants the agent's turn to end (written by the server).
    InterruptRequested {},
    /// What was done so far is safe: it is the attempt's diff if its worker is lost.
    Checkpoint {
        /// How large it is, over all repositories.
        summary: DiffStat,
    },
    /// The worker disappeared; the attempt waits for another (written by the server).
    WorkerLost {
        /// The worker.
        worker: String,
        /// How often the attempt was tried so far.
        tries: u32,
    },
    /// A step began.
    StepStarted {
        /// `checkout`, `image`, `setup`, `maintenance`, `agent` or `diff`.
        step: String,
    },
    /// A step ended.
    StepFinished {
        /// Which.
        step: String,
        /// How long it took, in milliseconds.
        duration_ms: u64,
        /// What came of it, in a few words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// Which snapshot the attempt runs on: cold or cached, and why.
    Snapshot {
        /// Its key, hexadecimal.
        key: String,
        /// `cached`; `waiting` for another attempt that builds it; `building`; `built`; `broken`.
        state: String,
        /// Why it is being built, what is broken, or who is waited for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// How long ago it was built, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        age_seconds: Option<u64>,
        /// What it takes on the disk, in bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size_bytes: Option<u64>,
    },
    /// The proxy let a request pass or refused it.
    NetworkRequest {
        /// The host asked for.
        host: String,
        /// The port.
        port: u16,
        /// The HTTP method, where it is seen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        method: Option<String>,
        /// The path without the query, where it is seen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// `allowed` or `refused`.
        verdict: String,
        /// Why it was refused, as a code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        /// Why it was refused, in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What decided: `allow: example.com`, `preset common: example.org`, `mode: all`,
        /// `methods: read_only`, `address: private` and the like.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<String>,
        /// How what was refused can be allowed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// The sandbox came up against a limit, and the attempt went on.
    LimitHit {
        /// `memory`, `processes`, `disk` or `output`.
        limit: String,
        /// What happened.
        message: String,
    },
    /// Output of the setup script or of a plain command.
    Output {
        /// `stdout` or `stderr`.
        stream: String,
        /// The text; invalid UTF-8 is replaced.
        text: String,
    },
    /// A piece of what the agent is saying.
    MessageDelta {
        /// The piece.
        text: String,
    },
    /// What the agent said, whole.
    Message {
        /// The text.
        text: String,
    },
    /// What the agent was thinking, as far as it says.
    Reasoning {
        /// The text.
        text: String,
    },
    /// The agent started a command.
    CommandStarted {
        /// Names the command within the attempt.
        id: String,
        /// The command line.
        command: String,
    },
    /// A piece of a command's output.
    CommandOutput {
        /// The command.
        id: String,
        /// The piece.
        text: String,
    },
    /// A command ended.
    CommandFinished {
        /// The command.
        id: String,
        /// Its exit status; absent when it was stopped or could not be started.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exit_code: Option<i64>,
        /// How long it took, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
    },
    /// The agent says that it changed a file. The diff is computed apart from this.
    FileChanged {
        /// The path, relative to the checkout where it lies inside.
        path: String,
        /// `add`, `update` or `delete`.
        kind: String,
    },
    /// The agent's plan.
    Plan {
        /// Its entries.
        entries: Vec<PlanEntry>,
    },
    /// The gateway passed a request on to the model.
    ModelCallStarted {
        /// 1, 2, … within the claim.
        number: u64,
    },
    /// The model answered.
    ModelCallFinished {
        /// Which call.
        number: u64,
        /// The HTTP status; absent when the model could not be reached.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// How long it took, in milliseconds.
        duration_ms: u64,
        /// What it used; absent when the answer did not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tokens: Option<Tokens>,
    },
    /// The agent's own session began or went on.
    Session {
        /// The agent's id for it.
        thread_id: String,
        /// Whether it continues an earlier turn.
        resumed: bool,
    },
    /// The agent tries something again.
    Retrying {
        /// Why.
        message: String,
    },
    /// Something to know that did not stop the attempt.
    Warning {
        /// What.
        message: String,
    },
    /// The diff of a repository was computed.
    DiffReady {
        /// Which repository; absent for the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repository: Option<String>,
        /// Its size.
        summary: DiffStat,
        /// Its length in bytes.
        size_bytes: u64,
    },
    /// The result is being published as a branch and a pull request (written by the server, also after the attempt's end).
    Publication {
        /// `pub_…`.
        publication: String,
        /// `queued`, `published` or `failed`.
        state: String,
        /// The branch.
        branch: String,
        /// The pull request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        /// What it waits for, what there is to say, or why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// A kind this version does not know.
    #[serde(other)]
    Unknown,
}

/// One entry of an agent's plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanEntry {
    /// What.
    pub text: String,
    /// `pending`, `in_progress` or `completed`.
    pub status: String,
}

impl EventBody {
    /// The name of the state that ends the attempt's log, if this is its last entry.
    pub fn final_state(&self) -> Option<&str> {
        let Self::State { state, .. } = self else {
            return None;
        };
        matches!(state.as_str(), "succeeded" | "failed" | "cancelled").then_some(state)
    }
}
