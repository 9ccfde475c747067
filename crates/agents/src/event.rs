//! The neutral vocabulary: what any agent can say while it works.
//!
//! Texts are bounded (see [`crate::EVENT_TEXT_MAX_BYTES`] and the limits beside the types), so that one event always
//! fits into one log record.

use crate::adapter::FailureClass;
use crate::path::HomePath;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentEvent {
    /// The agent opened (or continued) its session. Without a `file` it cannot be continued in another process.
    SessionStarted {
        thread_id: String,
        file: Option<HomePath>,
    },
    MessageDelta {
        item: ItemId,
        text: String,
    },
    /// The whole message; repeats what the deltas of the same item said.
    Message {
        item: ItemId,
        text: String,
    },
    ReasoningDelta {
        item: ItemId,
        text: String,
    },
    /// The whole reasoning; repeats what the deltas of the same item said.
    Reasoning {
        item: ItemId,
        text: String,
    },
    CommandStarted {
        item: ItemId,
        command: String,
        cwd: String,
    },
    /// Standard output and error of a command, as they were written.
    CommandOutput {
        item: ItemId,
        text: String,
        place: OutputPlace,
    },
    CommandFinished {
        item: ItemId,
        result: CommandResult,
        duration_ms: Option<u64>,
    },
    /// A tool other than a command or an edit (MCP, web search, …).
    ToolStarted {
        item: ItemId,
        name: String,
    },
    ToolFinished {
        item: ItemId,
        name: String,
        ok: bool,
    },
    /// Edits the agent made by its own means. Not the task's diff: commands edit files too, git tells the truth.
    FilesChanged {
        item: ItemId,
        changes: Vec<FileChange>,
        /// Changes that were not listed because there are too many.
        left_out: usize,
        result: PatchResult,
    },
    Plan {
        explanation: Option<String>,
        steps: Vec<PlanStep>,
    },
    /// One call of the model. Sums are for the reader to make.
    Tokens {
        last: TokenCount,
        context_window: Option<u64>,
    },
    /// The agent shortened its history to fit the model's context.
    ContextCompacted,
    /// The agent asked for permission or an answer, and the adapter gave the decision named here.
    DecisionTaken {
        item: Option<ItemId>,
        subject: DecisionSubject,
        decision: Decision,
    },
    Warning {
        message: String,
    },
    /// A call of the model failed; the agent tries again by itself.
    Retrying {
        class: FailureClass,
        message: String,
    },
    /// A failure the agent reported; whether the turn failed is said by the turn's outcome alone.
    Error {
        class: FailureClass,
        message: String,
    },
    /// What the agent's own process wrote outside any protocol.
    Output {
        stream: OutputStream,
        text: String,
    },
}

/// The agent's own name for a message, command or edit: unique within a turn, bounded, not to be interpreted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ItemId(pub String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputStream {
    Stdout,
    Stderr,
}

/// Where a portion of a command's output belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputPlace {
    /// After what was reported before.
    Next,
    /// Before everything that was reported as `Next`, after earlier portions of the beginning: some agents tell what a
    /// command wrote at first only when it has ended.
    Beginning,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandResult {
    Exited {
        exit_code: i32,
    },
    /// Ended without an exit code: killed, not started, or still running when the turn was over.
    Aborted,
    /// Not run, because permission was refused.
    Declined,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// As the agent names it: usually absolute inside the sandbox.
    pub path: String,
    pub kind: ChangeKind,
    /// Unified hunks for an update, the contents for an added or deleted file; cut at 64 KiB per event.
    pub diff: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeKind {
    Added,
    Deleted,
    Updated,
    Renamed { to: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchResult {
    Applied,
    Failed,
    Declined,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanStep {
    pub text: String,
    pub state: PlanStepState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanStepState {
    Pending,
    InProgress,
    Completed,
}

/// Tokens of one model call, as the model's endpoint counted them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenCount {
    /// All of the prompt, the cached part included.
    pub input: u64,
    pub cached_input: u64,
    /// All of the answer, the reasoning included.
    pub output: u64,
    pub reasoning_output: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecisionSubject {
    RunCommand {
        command: String,
        reason: Option<String>,
    },
    ChangeFiles {
        reason: Option<String>,
    },
    Permissions {
        reason: Option<String>,
    },
    Questions(Vec<Question>),
    /// Something this version has no words for; the agent's name for it.
    Unknown {
        method: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub text: String,
    pub options: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Allowed, because the sandbox around the agent is what holds.
    Approved,
    /// Not answered: nobody can be asked during a turn yet.
    NobodyToAsk,
    /// Refused, because this version cannot do it.
    Unsupported,
}
