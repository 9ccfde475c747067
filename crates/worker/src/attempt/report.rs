//! From what an agent says to entries of the log.

use outwork_agents::{
    AgentEvent, ChangeKind, CommandResult, Decision, DecisionSubject, FileChange, ItemId,
    OutputPlace, OutputStream, PatchResult, PlanStep, PlanStepState,
};
use outwork_api::event::{EventBody, PlanEntry};

pub(super) struct Reporter {
    /// The checkout inside, with a slash at the end.
    cwd: String,
    resumed: bool,
}

impl Reporter {
    pub(super) fn new(cwd: &str, resumed: bool) -> Self {
        Self {
            cwd: format!("{cwd}/"),
            resumed,
        }
    }

    pub(super) fn bodies(&self, event: AgentEvent) -> Vec<EventBody> {
        let body = match event {
            AgentEvent::SessionStarted { thread_id, file: _ } => EventBody::Session {
                thread_id,
                resumed: self.resumed,
            },
            AgentEvent::MessageDelta { item: _, text } => EventBody::MessageDelta { text },
            AgentEvent::Message { item: _, text } => EventBody::Message { text },
            // The whole follows.
            AgentEvent::ReasoningDelta { item: _, text: _ } => return Vec::new(),
            AgentEvent::Reasoning { item: _, text } => EventBody::Reasoning { text },
            AgentEvent::CommandStarted {
                item,
                command,
                cwd: _,
            } => started(item, command),
            AgentEvent::ToolStarted { item, name } => started(item, format!("[tool] {name}")),
            AgentEvent::CommandOutput { item, text, place } => command_output(item, text, place),
            AgentEvent::CommandFinished {
                item,
                result,
                duration_ms,
            } => finished(item, exit_code(result), duration_ms),
            AgentEvent::ToolFinished { item, name: _, ok } => {
                finished(item, Some(i64::from(!ok)), None)
            }
            AgentEvent::FilesChanged {
                item: _,
                changes,
                left_out,
                result,
            } => return self.files(changes, left_out, result),
            AgentEvent::Plan {
                explanation: _,
                steps,
            } => EventBody::Plan {
                entries: steps.into_iter().map(plan_entry).collect(),
            },
            // The gateway counts.
            AgentEvent::Tokens {
                last: _,
                context_window: _,
            } => return Vec::new(),
            AgentEvent::ContextCompacted => {
                warning("The agent shortened its history to fit the model's context.")
            }
            AgentEvent::DecisionTaken {
                item: _,
                subject,
                decision,
            } => return decided(&subject, decision),
            AgentEvent::Warning { message } | AgentEvent::Error { class: _, message } => {
                EventBody::Warning { message }
            }
            AgentEvent::Retrying { class: _, message } => EventBody::Retrying { message },
            AgentEvent::Output { stream, text } => output(stream, text),
        };
        vec![body]
    }

    fn files(
        &self,
        changes: Vec<FileChange>,
        left_out: usize,
        result: PatchResult,
    ) -> Vec<EventBody> {
        match result {
            PatchResult::Applied => {}
            PatchResult::Failed => {
                return vec![warning("An edit of the agent could not be applied.")];
            }
            PatchResult::Declined => return Vec::new(),
        }
        let mut bodies = Vec::new();
        for FileChange {
            path,
            kind,
            diff: _,
        } in changes
        {
            let path = self.relative(path);
            match kind {
                ChangeKind::Added => bodies.push(changed(path, "add")),
                ChangeKind::Updated => bodies.push(changed(path, "update")),
                ChangeKind::Deleted => bodies.push(changed(path, "delete")),
                ChangeKind::Renamed { to } => {
                    bodies.push(changed(path, "delete"));
                    bodies.push(changed(self.relative(to), "add"));
                }
            }
        }
        if left_out > 0 {
            bodies.push(warning(&format!(
                "The agent changed {left_out} more files."
            )));
        }
        bodies
    }

    fn relative(&self, path: String) -> String {
        match path.strip_prefix(&self.cwd) {
            Some(relative) => relative.to_owned(),
            None => path,
        }
    }
}

fn started(ItemId(id): ItemId, command: String) -> EventBody {
    EventBody::CommandStarted { id, command }
}

fn command_output(ItemId(id): ItemId, text: String, place: OutputPlace) -> EventBody {
    let text = match place {
        OutputPlace::Next => text,
        // The log only grows: what comes late is told late, and said to be.
        OutputPlace::Beginning => format!("[written before the above:]\n{text}"),
    };
    EventBody::CommandOutput { id, text }
}

fn finished(ItemId(id): ItemId, exit_code: Option<i64>, duration_ms: Option<u64>) -> EventBody {
    EventBody::CommandFinished {
        id,
        exit_code,
        duration_ms,
    }
}

fn exit_code(result: CommandResult) -> Option<i64> {
    match result {
        CommandResult::Exited { exit_code } => Some(i64::from(exit_code)),
        CommandResult::Aborted | CommandResult::Declined => None,
    }
}

fn output(stream: OutputStream, text: String) -> EventBody {
    let stream = match stream {
        OutputStream::Stdout => "stdout",
        OutputStream::Stderr => "stderr",
    };
    EventBody::Output {
        stream: stream.to_owned(),
        text,
    }
}

fn changed(path: String, kind: &str) -> EventBody {
    EventBody::FileChanged {
        path,
        kind: kind.to_owned(),
    }
}

fn warning(message: &str) -> EventBody {
    EventBody::Warning {
        message: message.to_owned(),
    }
}

fn plan_entry(step: PlanStep) -> PlanEntry {
    let PlanStep { text, state } = step;
    let status = match state {
        PlanStepState::Pending => "pending",
        PlanStepState::InProgress => "in_progress",
        PlanStepState::Completed => "completed",
    };
    PlanEntry {
        text,
        status: status.to_owned(),
    }
}

/// What the adapter decided in place of a person, where people should know.
fn decided(subject: &DecisionSubject, decision: Decision) -> Vec<EventBody> {
    let why = match decision {
        Decision::Approved => return Vec::new(),
        Decision::NobodyToAsk => "nobody can be asked during a turn",
        Decision::Unsupported => "this version does not support it",
    };
    let what = match subject {
        DecisionSubject::RunCommand { command, reason: _ } => format!("to run `{command}`"),
        DecisionSubject::ChangeFiles { reason: _ } => "to change files".to_owned(),
        DecisionSubject::Permissions { reason: _ } => "for permissions".to_owned(),
        DecisionSubject::Questions(questions) => {
            let texts: Vec<&str> = questions
                .iter()
                .map(|question| question.text.as_str())
                .collect();
            format!("a question: {}", texts.join(" / "))
        }
        DecisionSubject::Unknown { method } => format!("for `{method}`"),
    };
    vec![warning(&format!("The agent asked {what}; {why}."))]
}
