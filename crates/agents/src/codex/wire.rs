//! The part of the app-server protocol that is used here. Fields, items and messages that are not listed are ignored:
//! the protocol is marked experimental and grows with every version.

use serde::Deserialize;
use serde_json::Value;

/// A value in memory takes up to thirty times what it takes in a line: a line of zeros would take gigabytes. The longest
/// thread that Codex reads out has some ten thousand values.
const VALUES_MAX: usize = 1_000_000;

/// Whether a line holds more values than any message of Codex.
pub(super) fn has_too_many_values(line: &[u8]) -> bool {
    // Each value takes a byte.
    if line.len() <= VALUES_MAX {
        return false;
    }
    let mut values = 1;
    let mut bytes = line.iter();
    let mut in_string = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' => drop(bytes.next()),
            b',' | b'[' | b'{' if !in_string => values += 1,
            _ => {}
        }
    }
    values > VALUES_MAX
}

/// One line from Codex: a response, a request or a notification, told apart by which members are present.
#[derive(Debug, Deserialize)]
pub(super) struct Incoming {
    pub(super) id: Option<Value>,
    pub(super) method: Option<String>,
    #[serde(default)]
    pub(super) params: Value,
    #[serde(default)]
    pub(super) result: Value,
    pub(super) error: Option<RpcError>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RpcError {
    pub(super) message: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InitializeResult {
    pub(super) user_agent: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ThreadResult {
    pub(super) thread: Thread,
}

#[derive(Debug, Deserialize)]
pub(super) struct Thread {
    pub(super) id: String,
    pub(super) path: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TurnParams {
    pub(super) turn: Turn,
}

#[derive(Debug, Deserialize)]
pub(super) struct Turn {
    pub(super) id: String,
    pub(super) status: TurnStatus,
    pub(super) error: Option<TurnError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum TurnStatus {
    Completed,
    Interrupted,
    Failed,
    InProgress,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TurnError {
    pub(super) message: String,
    /// A word, or an object with one member; see [`super::failure`].
    #[serde(default)]
    pub(super) codex_error_info: Value,
    pub(super) additional_details: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorParams {
    pub(super) error: TurnError,
    pub(super) will_retry: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeltaParams {
    pub(super) item_id: String,
    pub(super) delta: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ItemParams {
    pub(super) item: Item,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(super) enum Item {
    AgentMessage {
        id: String,
        text: String,
    },
    Reasoning {
        id: String,
        #[serde(default)]
        summary: Vec<String>,
        #[serde(default)]
        content: Vec<String>,
    },
    CommandExecution(CommandItem),
    FileChange {
        id: String,
        changes: Vec<Change>,
        status: ItemStatus,
    },
    McpToolCall {
        id: String,
        server: String,
        tool: String,
        status: ItemStatus,
    },
    DynamicToolCall {
        id: String,
        tool: String,
        status: ItemStatus,
    },
    WebSearch {
        id: String,
        query: String,
    },
    Plan {
        text: String,
    },
    ContextCompaction {},
    /// Among others `userMessage`, which repeats the prompt.
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CommandItem {
    pub(super) id: String,
    pub(super) command: String,
    pub(super) cwd: String,
    pub(super) status: ItemStatus,
    pub(super) aggregated_output: Option<String>,
    pub(super) exit_code: Option<i32>,
    pub(super) duration_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum ItemStatus {
    InProgress,
    Completed,
    Failed,
    Declined,
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Deserialize)]
pub(super) struct Change {
    pub(super) path: String,
    pub(super) kind: Kind,
    pub(super) diff: String,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(super) enum Kind {
    Add,
    Delete,
    Update { move_path: Option<String> },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenUsageParams {
    pub(super) turn_id: String,
    pub(super) token_usage: TokenUsage,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenUsage {
    pub(super) last: Tokens,
    pub(super) model_context_window: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tokens {
    pub(super) input_tokens: u64,
    #[serde(default)]
    pub(super) cached_input_tokens: u64,
    pub(super) output_tokens: u64,
    #[serde(default)]
    pub(super) reasoning_output_tokens: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct PlanParams {
    pub(super) explanation: Option<String>,
    pub(super) plan: Vec<Step>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Step {
    pub(super) step: String,
    pub(super) status: StepStatus,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum StepStatus {
    Pending,
    InProgress,
    Completed,
}

/// `warning` has a message; `configWarning` and `deprecationNotice` a summary with details.
#[derive(Debug, Deserialize)]
pub(super) struct WarningParams {
    #[serde(alias = "summary")]
    pub(super) message: String,
    pub(super) details: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApprovalParams {
    pub(super) item_id: Option<String>,
    pub(super) command: Option<String>,
    pub(super) reason: Option<String>,
    #[serde(default)]
    pub(super) permissions: Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserInputParams {
    pub(super) item_id: Option<String>,
    pub(super) questions: Vec<AskedQuestion>,
}

#[derive(Debug, Deserialize)]
pub(super) struct AskedQuestion {
    pub(super) id: String,
    pub(super) question: String,
    pub(super) options: Option<Vec<AskedOption>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct AskedOption {
    pub(super) label: String,
}
