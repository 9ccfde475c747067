//! Codex' answers to our requests: initialize, open the thread, start the turn.

use serde_json::{Value, json};

use super::{Awaited, Conversation, MESSAGE_MAX_BYTES, Phase, Session, not_understood, text_input};
use crate::adapter::{FailureClass, TurnOutcome};
use crate::codex::wire::{InitializeResult, RpcError, ThreadResult};
use crate::codex::{CODEX_VERSION, config, is_rollout, is_thread_id};
use crate::event::AgentEvent;
use crate::text::clipped;

impl Conversation {
    pub(super) fn on_response(&mut self, id: &Value, answer: Result<Value, RpcError>) {
        let Some(awaited) = id.as_u64().and_then(|id| self.awaited.remove(&id)) else {
            return;
        };
        match (awaited, answer) {
            (Awaited::Initialize, Ok(result)) => self.initialized(result),
            (Awaited::Thread, Ok(result)) => self.thread_opened(result),
            (Awaited::Steer(steer), answer) => self.steer_answered(steer, answer.is_ok()),
            // `turn/started` tells when the turn can be interrupted and steered; the answer comes too early for that.
            (Awaited::Turn, Ok(_)) => {}
            // `turn/completed` tells the rest; an error means that the turn was over already.
            (Awaited::Interrupt, _) => {}
            (Awaited::Cleaning, answer) => {
                if let Err(error) = answer {
                    self.emit(AgentEvent::Warning {
                        message: clipped(
                            &format!("commands may still run: {}", error.message),
                            MESSAGE_MAX_BYTES,
                        ),
                    });
                }
                self.finish(TurnOutcome::Interrupted);
            }
            (Awaited::Initialize, Err(error)) => {
                self.fail(
                    FailureClass::ProtocolError,
                    format!("Codex refused to begin: {}", error.message),
                );
            }
            (Awaited::Thread, Err(error)) if self.order.resume.is_some() => self.fail(
                FailureClass::SessionLost,
                format!(
                    "Codex could not continue the stored session: {}",
                    error.message
                ),
            ),
            (Awaited::Thread, Err(error)) => {
                self.fail(
                    FailureClass::Other,
                    format!("Codex could not open a session: {}", error.message),
                );
            }
            (Awaited::Turn, Err(error)) => {
                self.fail(
                    FailureClass::Other,
                    format!("Codex could not start the turn: {}", error.message),
                );
            }
        }
    }

    fn initialized(&mut self, result: Value) {
        // `outwork/0.169.0 (…) …`
        let version = serde_json::from_value::<InitializeResult>(result)
            .ok()
            .and_then(|result| {
                Some(
                    result
                        .user_agent
                        .split_once('/')?
                        .1
                        .split(' ')
                        .next()?
                        .to_owned(),
                )
            });
        if version.as_deref() != Some(CODEX_VERSION) {
            let found = version
                .as_deref()
                .map_or("an unknown version".to_owned(), |version| {
                    clipped(version, 100)
                });
            self.emit(AgentEvent::Warning {
                message: format!("this is Codex {found}; Outwork was made for {CODEX_VERSION}, so some things may not work"),
            });
        }
        self.send(&json!({"method": "initialized"}));
        if self.phase != Phase::Opening {
            return;
        }
        // Passed again on resume: the stored session remembers those of another machine and of the turn before.
        let mut params = json!({
            "cwd": self.order.cwd.as_str(),
            "model": self.order.model,
            "modelProvider": config::PROVIDER,
            "approvalPolicy": "never",
            "sandbox": "danger-full-access",
        });
        match &self.order.resume {
            Some(thread) => {
                params["threadId"] = json!(thread);
                // The whole history would come back in one line; nobody here reads it.
                params["excludeTurns"] = json!(true);
                self.request("thread/resume", params, Awaited::Thread);
            }
            None => self.request("thread/start", params, Awaited::Thread),
        }
    }

    fn thread_opened(&mut self, result: Value) {
        if self.phase != Phase::Opening {
            return;
        }
        let thread = match serde_json::from_value::<ThreadResult>(result) {
            Ok(ThreadResult { thread }) => thread,
            Err(error) => return self.give_up(not_understood("the opened session", &error)),
        };
        if !is_thread_id(&thread.id)
            || self
                .order
                .resume
                .as_ref()
                .is_some_and(|wanted| *wanted != thread.id)
        {
            return self.give_up("Codex opened another session than the one asked for".to_owned());
        }
        let file = thread
            .path
            .and_then(|path| self.order.home.relative(&path).ok())
            .filter(is_rollout);
        if file.is_none() {
            let message = "Codex named no usable session file; this turn cannot be followed up with its history";
            self.emit(AgentEvent::Warning {
                message: message.to_owned(),
            });
        }
        self.session = file.clone().map(|file| Session {
            thread_id: thread.id.clone(),
            file,
        });
        self.emit(AgentEvent::SessionStarted {
            thread_id: thread.id.clone(),
            file,
        });
        let mut params = json!({"threadId": thread.id, "input": text_input(&self.order.prompt)});
        if let Some(schema) = self.order.output_schema.take() {
            params["outputSchema"] = schema;
        }
        self.phase = Phase::StartingTurn { thread: thread.id };
        self.request("turn/start", params, Awaited::Turn);
    }
}
