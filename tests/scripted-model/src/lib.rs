//! A language model that does what a test tells it to.
//!
//! Real agents are run against this server in tests: it speaks the OpenAI
//! Responses API (`POST /v1/responses`), Chat Completions (`POST
//! /v1/chat/completions`) and Anthropic's Messages (`POST /v1/messages`), each
//! streamed and not, and `GET /v1/models`,
//! and answers from a [`Scenario`] instead of from a model. It stands in for
//! something that is not ours, hence it follows the published API to the event.
//!
//! ```no_run
//! use scripted_model::{Scenario, ScriptedModel, Script, Step};
//! let model = ScriptedModel::start(Scenario::new().script(
//!     Script::when("fix the readme")
//!         .step(Step::new().write("README.md", "fixed\n"))
//!         .step(Step::new().run("cat README.md").gate("before-cat"))
//!         .step(Step::new().say("Done.")),
//! ))?;
//! println!("base_url = {}/v1, key = {}", model.url(), model.api_key());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! **Which answer.** An agent sends its whole conversation with each request,
//! so the server need not follow sessions: the newest user message that a script
//! matches chooses the [`Script`], and the number of model responses since then
//! is the index of the [`Step`]. Any number of sessions can run at once, resume,
//! or move to another worker. Only failures (`Step::fail`) are counted, per
//! conversation and step.
//!
//! **What a step does.** Reasoning, text and tool calls, in this order. `run`,
//! `write` and `patch` are put in terms of the tools that the request offers
//! (`exec_command`, `shell`, `apply_patch`, …); a `gate` holds the stream until
//! the test opens it; a failure replaces the answer; an expectation that does
//! not hold gives HTTP 400 and is found in [`ScriptedModel::problems`].
//! `{{conversation}}`, `{{cwd}}` and `{{prompt}}` are filled in in all texts.
//!
//! **The key.** Without `Authorization: Bearer KEY` (Messages: `x-api-key: KEY`
//! and some `anthropic-version`) the answer is 401, so a test shows that somebody
//! added it. Every request is kept as it came
//! ([`ScriptedModel::requests`]).
//!
//! The same server as a process: `scripted-model SCENARIO.json --listen
//! 127.0.0.1:0 --port-file FILE`; `GET /_script/requests` shows the log and
//! `POST /_script/gates/NAME` opens a gate. `examples/edit.json` is a scenario,
//! `examples/codex.sh` runs the real Codex on it.
//!
//! Not there: Codex' "code mode" (a JavaScript tool), WebSockets, compressed
//! request bodies, `previous_response_id`, hosted tools.

mod scenario;

mod conversation;
mod reply;
mod stream;

mod board;
mod server;

pub use board::{Outcome, RequestRecord};
pub use scenario::{
    ALWAYS, Call, Expect, Failing, Failure, Scenario, ScenarioError, Script, Step, Usage,
};
pub use server::{DEFAULT_API_KEY, Options, ScriptedModel};
