//! The scenario: what is answered to whom, as data. Built in code or read from
//! JSON; the field names are the same, and unknown ones are errors.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// For [`Failing::times`]: this failure never ends.
pub const ALWAYS: u32 = u32::MAX;

#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    #[error("the scenario is not valid JSON of the expected shape")]
    Json(#[source] serde_json::Error),
    #[error("script {script:?}: {problem}")]
    Script {
        script: String,
        problem: &'static str,
    },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Names that `GET /v1/models` lists; requests may use any name.
    #[serde(default = "default_models")]
    pub models: Vec<String>,
    /// Tried in this order.
    pub scripts: Vec<Script>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// For the log and the call ids.
    #[serde(default)]
    pub name: String,
    /// Substrings of the user's message, all of which must occur.
    #[serde(deserialize_with = "one_or_many")]
    pub when: Vec<String>,
    /// Substrings of the request's JSON text, all of which must occur.
    #[serde(default, deserialize_with = "one_or_many")]
    pub request_contains: Vec<String>,
    /// Only the n-th (from 1) message of the conversation that matches `when`.
    #[serde(default)]
    pub nth: Option<usize>,
    /// One per model response.
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    #[serde(deserialize_with = "one_or_many")]
    pub reasoning: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    pub say: Vec<String>,
    pub calls: Vec<Call>,
    /// Without it, an estimate from the sizes.
    pub usage: Option<Usage>,
    /// The final response object then has `"usage": null`.
    pub omit_usage: bool,
    /// Before the HTTP answer starts.
    pub delay_ms: u64,
    /// Cuts texts and arguments into deltas of this many characters; 0: one delta.
    pub chunk_chars: usize,
    /// After each delta.
    pub chunk_delay_ms: u64,
    /// Holds the answer until the gate is open; a stream is held after its first event.
    pub gate: Option<String>,
    /// Failures of the first attempts at this step, in order.
    pub fail: Vec<Failing>,
    pub expect: Expect,
    /// Ends as `response.incomplete` with this reason, such as `max_output_tokens`.
    pub incomplete: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Call {
    /// A command, through whichever shell tool the request offers.
    Run(String),
    /// Makes or replaces a file.
    Write { path: String, content: String },
    /// A patch in the `*** Begin Patch` format.
    Patch(String),
    /// A function call as it stands. Arguments that are a string are sent
    /// unchanged, so they can be invalid JSON.
    Function { name: String, arguments: Value },
    /// A call of a custom (free-form) tool.
    Custom { name: String, input: String },
}

/// Tokens, as the API counts them: `input` includes `cached`, `output` includes `reasoning`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Usage {
    pub input: u64,
    pub cached: u64,
    pub output: u64,
    pub reasoning: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failing {
    pub failure: Failure,
    #[serde(default = "once")]
    pub times: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Failure {
    /// An HTTP error with the API's error document.
    Status {
        status: u16,
        #[serde(default)]
        code: Option<String>,
        #[serde(default)]
        message: Option<String>,
        #[serde(default)]
        retry_after_s: Option<u64>,
    },
    /// The connection is closed without an answer.
    Refuse,
    /// The stream breaks off after so many events.
    Drop { after_events: usize },
    /// The stream falls silent after so many events, until the client leaves.
    Hang { after_events: usize },
    /// `response.created`, `response.in_progress`, then `response.failed`.
    ResponseFailed { code: String, message: String },
    /// The same, but with an `error` event.
    ErrorEvent { code: String, message: String },
}

/// Conditions on the request; a failed one gives HTTP 400 `expectation_failed`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// In the tool outputs since the last model response.
    #[serde(deserialize_with = "one_or_many")]
    pub last_output_contains: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    pub last_output_lacks: Vec<String>,
    /// In the JSON text of the request.
    #[serde(deserialize_with = "one_or_many")]
    pub request_contains: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    pub request_lacks: Vec<String>,
    /// Names of offered tools.
    #[serde(deserialize_with = "one_or_many")]
    pub tools_include: Vec<String>,
}

impl Scenario {
    pub fn new() -> Self {
        Self {
            models: default_models(),
            scripts: Vec::new(),
        }
    }

    pub fn script(mut self, script: Script) -> Self {
        self.scripts.push(script);
        self.named()
    }

    pub fn from_json(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = serde_json::from_str(text).map_err(ScenarioError::Json)?;
        for script in &scenario.scripts {
            let problem = if script.when.is_empty() {
                "\"when\" is empty; give a part of the user's message"
            } else if script.steps.is_empty() {
                "\"steps\" is empty; give one step per model response"
            } else {
                continue;
            };
            let script = script.name.clone();
            return Err(ScenarioError::Script { script, problem });
        }
        Ok(scenario.named())
    }

    fn named(mut self) -> Self {
        for (index, script) in self.scripts.iter_mut().enumerate() {
            if script.name.is_empty() {
                script.name = format!("script{index}");
            }
        }
        self
    }
}

impl Default for Scenario {
    fn default() -> Self {
        Self::new()
    }
}

impl Script {
    /// A script for user messages that contain `part`.
    pub fn when(part: impl Into<String>) -> Self {
        Self {
            when: vec![part.into()],
            ..Self::default()
        }
    }

    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    pub fn nth(mut self, nth: usize) -> Self {
        self.nth = Some(nth);
        self
    }

    pub fn request_contains(mut self, part: impl Into<String>) -> Self {
        self.request_contains.push(part.into());
        self
    }

    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl Step {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn reasoning(mut self, text: impl Into<String>) -> Self {
        self.reasoning.push(text.into());
        self
    }

    pub fn say(mut self, text: impl Into<String>) -> Self {
        self.say.push(text.into());
        self
    }

    pub fn call(mut self, call: Call) -> Self {
        self.calls.push(call);
        self
    }

    pub fn run(self, command: impl Into<String>) -> Self {
        self.call(Call::Run(command.into()))
    }

    pub fn patch(self, patch: impl Into<String>) -> Self {
        self.call(Call::Patch(patch.into()))
    }

    pub fn write(self, path: impl Into<String>, content: impl Into<String>) -> Self {
        let (path, content) = (path.into(), content.into());
        self.call(Call::Write { path, content })
    }

    pub fn function(self, name: impl Into<String>, arguments: Value) -> Self {
        let name = name.into();
        self.call(Call::Function { name, arguments })
    }

    pub fn usage(mut self, usage: Usage) -> Self {
        self.usage = Some(usage);
        self
    }

    pub fn omit_usage(mut self) -> Self {
        self.omit_usage = true;
        self
    }

    pub fn gate(mut self, name: impl Into<String>) -> Self {
        self.gate = Some(name.into());
        self
    }

    pub fn chunk_chars(mut self, chars: usize) -> Self {
        self.chunk_chars = chars;
        self
    }

    pub fn fail(self, failure: Failure) -> Self {
        self.fail_times(failure, 1)
    }

    pub fn fail_times(mut self, failure: Failure, times: u32) -> Self {
        self.fail.push(Failing { failure, times });
        self
    }

    pub fn expect(mut self, expect: Expect) -> Self {
        self.expect = expect;
        self
    }

    /// The failure that the `attempt`-th (from 1) request for this step meets.
    pub(crate) fn failure(&self, attempt: u32) -> Option<&Failure> {
        let mut last = 0_u32;
        self.fail.iter().find_map(|failing| {
            last = last.saturating_add(failing.times);
            (attempt <= last).then_some(&failing.failure)
        })
    }
}

fn default_models() -> Vec<String> {
    vec!["scripted-1".into()]
}

fn once() -> u32 {
    1
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(text) => vec![text],
        OneOrMany::Many(texts) => texts,
    })
}
