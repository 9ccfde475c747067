//! What a turn needs from the host, and what the host needs to start it.

use serde_json::Value;

use crate::path::{AbsolutePath, HomePath};
use crate::session::StoredSession;

/// All paths are as seen inside the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchContext {
    /// Writable, empty before the turn but for [`Launch::files`], one per attempt. For Codex not below `/tmp` (it
    /// refuses to make its links there).
    pub home: AbsolutePath,
    /// The checkout.
    pub cwd: AbsolutePath,
    pub model: Option<Model>,
    /// What is to be done; after a question, the answer.
    pub prompt: String,
    /// What the prompt is the answer to.
    pub question: Option<String>,
    /// Whether the agent may ask a person: the turn then ends with the question.
    pub interactive: bool,
    /// The JSON Schema that the agent's last message has to match.
    pub output_schema: Option<Value>,
    /// 1 for the first turn of a task.
    pub turn_number: u32,
    /// The session of the turn before.
    pub session: Option<StoredSession>,
    /// How long a model's answer may be silent before the agent itself tries again.
    pub model_idle_timeout_ms: u64,
}

/// The model as the agent sees it: a local gateway that adds the key. No key ever enters the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Sent to the endpoint as it is; any text.
    pub name: String,
    /// With the version, without a slash at the end: `http://127.0.0.1:8100/v1`.
    pub base_url: String,
    pub context_window_tokens: u64,
}

/// How to start the process. The working directory is [`LaunchContext::cwd`]; standard input is a pipe that stays open
/// until [`crate::Effect::CloseStdin`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The program by absolute path, then its arguments.
    pub argv: Vec<String>,
    /// To add to the environment's own variables (`PATH`, `LANG`, …); these win. A host that sets `HTTP_PROXY` must
    /// exempt the model's address with `NO_PROXY`.
    pub env: Vec<(String, String)>,
    /// To write below the home before the start, with the directories they need; owned by the agent's user.
    pub files: Vec<HomeFile>,
    /// Directories to make below the home.
    pub directories: Vec<HomePath>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeFile {
    pub path: HomePath,
    pub contents: Vec<u8>,
    /// Unix permission bits.
    pub mode: u32,
}
