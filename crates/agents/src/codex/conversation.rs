//! One turn as a conversation with the app-server: what was asked, what is awaited, what came back.

use std::collections::{HashMap, VecDeque};

use serde_json::{Value, json};

use super::running::RunningCommands;
use super::wire::{Turn, TurnStatus};
use super::{failure, items};
use crate::adapter::{Effect, ExitStatus, FailureClass, SteerId, TurnOutcome};
use crate::event::{AgentEvent, CommandResult};
use crate::path::{AbsolutePath, HomePath};
use crate::text::clipped;

mod answers;
mod notifications;

const MESSAGE_MAX_BYTES: usize = 4 * 1024;
const STDERR_TAIL_BYTES: usize = 2 * 1024;

/// What the turn shall be.
pub(super) struct TurnOrder {
    pub(super) home: AbsolutePath,
    pub(super) cwd: AbsolutePath,
    pub(super) model: String,
    pub(super) prompt: String,
    /// Whether questions are for a person.
    pub(super) interactive: bool,
    /// What the last message has to match.
    pub(super) output_schema: Option<Value>,
    /// The thread to continue.
    pub(super) resume: Option<String>,
}

pub(super) struct Conversation {
    order: TurnOrder,
    phase: Phase,
    next_id: u64,
    awaited: HashMap<u64, Awaited>,
    session: Option<Session>,
    /// Someone wants the turn to end; what comes of it is not a failure.
    stop_wanted: bool,
    /// What the agent asked; its turn is being ended for it.
    question: Option<String>,
    /// Steering texts that came before there was a turn to steer.
    steers_waiting: Vec<(SteerId, String)>,
    last_message: Option<String>,
    /// The last failure that Codex got over by itself.
    last_retry: Option<(FailureClass, String)>,
    running: RunningCommands,
    stderr_tail: VecDeque<char>,
    /// Codex repeats its warnings at every step.
    warnings: Vec<String>,
    effects: Vec<Effect>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Opening,
    StartingTurn {
        thread: String,
    },
    Running {
        thread: String,
        turn: String,
    },
    /// The turn was interrupted; the commands that survived it are being killed.
    Cleaning,
    Finished,
}

/// What the answer to one of our requests is for.
#[derive(Debug)]
enum Awaited {
    Initialize,
    Thread,
    Turn,
    Interrupt,
    Cleaning,
    Steer(SteerId),
}

struct Session {
    thread_id: String,
    file: HomePath,
}

impl Conversation {
    pub(super) fn new(order: TurnOrder) -> Self {
        Self {
            order,
            phase: Phase::Opening,
            next_id: 1,
            awaited: HashMap::new(),
            session: None,
            stop_wanted: false,
            question: None,
            steers_waiting: Vec::new(),
            last_message: None,
            last_retry: None,
            running: RunningCommands::default(),
            stderr_tail: VecDeque::new(),
            warnings: Vec::new(),
            effects: Vec::new(),
        }
    }

    pub(super) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    pub(super) fn session(&self) -> Option<(&str, &HomePath)> {
        self.session
            .as_ref()
            .map(|session| (session.thread_id.as_str(), &session.file))
    }

    pub(super) fn emit(&mut self, event: AgentEvent) {
        if self.phase != Phase::Finished {
            self.effects.push(Effect::Event(event));
        }
    }

    pub(super) fn initialize(&mut self) {
        let params = json!({
            "clientInfo": {"name": "outwork", "title": "Outwork", "version": env!("CARGO_PKG_VERSION")},
            "capabilities": {"experimentalApi": true},
        });
        self.request("initialize", params, Awaited::Initialize);
    }

    pub(super) fn interrupt(&mut self) {
        self.stop_wanted = true;
        match &self.phase {
            // The prompt was not sent: there is nothing to interrupt.
            Phase::Opening => self.finish(TurnOutcome::Interrupted),
            Phase::Running { thread, turn } => {
                let params = json!({"threadId": thread, "turnId": turn});
                self.request("turn/interrupt", params, Awaited::Interrupt);
            }
            // Sent as soon as the turn runs: before that Codex says that there is none to interrupt.
            Phase::StartingTurn { .. } => {}
            Phase::Cleaning | Phase::Finished => {}
        }
    }

    /// The turn ends with a question. The request stays unanswered: Codex ends it with the turn.
    fn ask(&mut self, question: String) {
        let Phase::Running { thread, turn } = &self.phase else {
            return;
        };
        let params = json!({"threadId": thread, "turnId": turn});
        self.question = Some(question);
        self.request("turn/interrupt", params, Awaited::Interrupt);
    }

    pub(super) fn steer(&mut self, steer: SteerId, text: String) {
        match &self.phase {
            Phase::Opening | Phase::StartingTurn { .. } => self.steers_waiting.push((steer, text)),
            Phase::Running { thread, turn } => {
                let params =
                    json!({"threadId": thread, "expectedTurnId": turn, "input": text_input(&text)});
                self.request("turn/steer", params, Awaited::Steer(steer));
            }
            Phase::Cleaning | Phase::Finished => self.steer_answered(steer, false),
        }
    }

    /// Codex ends, and kills its commands, when its standard input closes.
    pub(super) fn shutdown(&mut self) {
        self.stop_wanted = true;
        self.effects.push(Effect::CloseStdin);
    }

    pub(super) fn remember_stderr(&mut self, text: &str) {
        self.stderr_tail.extend(text.chars());
        let surplus = self.stderr_tail.len().saturating_sub(STDERR_TAIL_BYTES);
        self.stderr_tail.drain(..surplus);
    }

    pub(super) fn on_exit(&mut self, status: ExitStatus) {
        if self.stop_wanted || self.phase == Phase::Cleaning {
            self.finish(TurnOutcome::Interrupted);
        } else {
            let tail: String = self.stderr_tail.iter().collect();
            let said = match tail.trim() {
                "" => "it wrote nothing to standard error".to_owned(),
                words => format!("it last wrote: {words}"),
            };
            self.fail(
                FailureClass::AgentCrashed,
                format!("Codex ended with {status} before its turn was over; {said}"),
            );
        }
        let unanswered: Vec<SteerId> = self
            .awaited
            .drain()
            .filter_map(|(_, awaited)| steer_of(&awaited))
            .collect();
        for steer in unanswered {
            self.steer_answered(steer, false);
        }
    }

    /// The other side cannot be understood any more.
    pub(super) fn give_up(&mut self, message: String) {
        self.fail(FailureClass::ProtocolError, message);
        self.effects.push(Effect::Kill);
    }

    fn turn_started(&mut self, turn: &str) {
        let Phase::StartingTurn { thread } = &self.phase else {
            return;
        };
        self.phase = Phase::Running {
            thread: thread.clone(),
            turn: turn.to_owned(),
        };
        if self.stop_wanted {
            self.interrupt();
        }
        for (steer, text) in std::mem::take(&mut self.steers_waiting) {
            self.steer(steer, text);
        }
    }

    fn turn_completed(&mut self, turn: Turn) {
        let thread = match &self.phase {
            Phase::StartingTurn { thread } => thread,
            Phase::Running { thread, turn: ours } if turn.id == *ours => thread,
            Phase::Opening | Phase::Running { .. } | Phase::Cleaning | Phase::Finished => return,
        };
        match turn.status {
            TurnStatus::Completed => {
                let last_message = self.last_message.take();
                self.finish(TurnOutcome::Completed { last_message });
            }
            TurnStatus::Interrupted => {
                let params = json!({"threadId": thread});
                self.phase = Phase::Cleaning;
                self.request(
                    "thread/backgroundTerminals/clean",
                    params,
                    Awaited::Cleaning,
                );
            }
            TurnStatus::Failed => match &turn.error {
                Some(error) => {
                    let message = failure::message(error);
                    let class = self.class_of_final(failure::class(error), &message);
                    self.fail(class, message);
                }
                None => self.fail(
                    FailureClass::Other,
                    "Codex failed without naming a reason".to_owned(),
                ),
            },
            TurnStatus::InProgress => {
                self.give_up("Codex ended a turn that it calls unfinished".to_owned())
            }
        }
    }

    /// When the retries are used up, Codex reports some failures without their kind, in the words of the last retry.
    fn class_of_final(&self, class: FailureClass, message: &str) -> FailureClass {
        match &self.last_retry {
            Some((retried, words)) if class == FailureClass::Other && words.contains(message) => {
                *retried
            }
            Some(_) | None => class,
        }
    }

    fn fail(&mut self, class: FailureClass, message: String) {
        self.finish(TurnOutcome::Failed {
            class,
            message: clipped(&message, MESSAGE_MAX_BYTES),
        });
    }

    fn finish(&mut self, outcome: TurnOutcome) {
        if self.phase == Phase::Finished {
            return;
        }
        // Whatever ended the turn, unless somebody else wanted it to end: the question is still open.
        let outcome = match (self.question.take(), outcome) {
            (Some(question), TurnOutcome::Interrupted) if !self.stop_wanted => {
                TurnOutcome::Asked { question }
            }
            (_, outcome) => outcome,
        };
        for (steer, _) in std::mem::take(&mut self.steers_waiting) {
            self.steer_answered(steer, false);
        }
        for id in self.running.abandon() {
            let item = items::item_id(&id);
            self.emit(AgentEvent::CommandFinished {
                item,
                result: CommandResult::Aborted,
                duration_ms: None,
            });
        }
        self.phase = Phase::Finished;
        self.effects.push(Effect::TurnFinished(outcome));
    }

    fn steer_answered(&mut self, steer: SteerId, accepted: bool) {
        self.effects.push(Effect::SteerAnswered { steer, accepted });
    }

    fn request(&mut self, method: &str, params: Value, awaited: Awaited) {
        let id = self.next_id;
        self.next_id += 1;
        self.awaited.insert(id, awaited);
        self.send(&json!({"id": id, "method": method, "params": params}));
    }

    fn send(&mut self, message: &Value) {
        let mut line = message.to_string().into_bytes();
        line.push(b'\n');
        self.effects.push(Effect::WriteStdin(line));
    }
}

fn steer_of(awaited: &Awaited) -> Option<SteerId> {
    match awaited {
        Awaited::Steer(steer) => Some(*steer),
        Awaited::Initialize
        | Awaited::Thread
        | Awaited::Turn
        | Awaited::Interrupt
        | Awaited::Cleaning => None,
    }
}

fn text_input(text: &str) -> Value {
    json!([{"type": "text", "text": text}])
}

fn not_understood(what: &str, error: &serde_json::Error) -> String {
    format!("Codex sent {what} in a form Outwork does not understand ({error})")
}
