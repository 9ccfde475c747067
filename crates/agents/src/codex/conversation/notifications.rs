//! What Codex tells without being asked.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Conversation, MESSAGE_MAX_BYTES, Phase, not_understood};
use crate::codex::wire::{
    DeltaParams, ErrorParams, Incoming, Item, ItemParams, PlanParams, StepStatus, TokenUsageParams,
    TurnParams, WarningParams, has_too_many_values,
};
use crate::codex::{failure, items, requests};
use crate::event::{AgentEvent, OutputPlace, OutputStream, PlanStep, PlanStepState, TokenCount};
use crate::text::{EVENT_TEXT_MAX_BYTES, clipped, portions};

const MAX_PLAN_STEPS: usize = 100;
const MAX_WARNINGS_REMEMBERED: usize = 50;

impl Conversation {
    pub(in crate::codex) fn on_line(&mut self, line: &[u8]) {
        if line.trim_ascii().is_empty() {
            return;
        }
        if has_too_many_values(line) {
            return self.give_up("Codex sent a message of more than a million values".to_owned());
        }
        let Ok(incoming) = serde_json::from_slice::<Incoming>(line) else {
            // Something else wrote to our pipe, for instance a wrapper script.
            let text = clipped(&String::from_utf8_lossy(line), EVENT_TEXT_MAX_BYTES);
            return self.emit(AgentEvent::Output {
                stream: OutputStream::Stdout,
                text,
            });
        };
        let Incoming {
            id,
            method,
            params,
            result,
            error,
        } = incoming;
        match (method, id) {
            (Some(_), Some(id)) if !requests::can_repeat(&id) => {
                self.give_up("Codex asked something under an id that is none".to_owned());
            }
            (Some(method), Some(_))
                if self.order.interactive
                    && matches!(self.phase, Phase::Running { .. })
                    && requests::is_question(&method) =>
            {
                self.ask(requests::question_text(params));
            }
            (Some(method), Some(id)) => {
                let (answer, event) = requests::answer(&id, &method, params);
                self.emit(event);
                self.send(&answer);
            }
            (Some(method), None) => self.on_notification(&method, params),
            (None, Some(id)) => self.on_response(&id, error.map_or(Ok(result), Err)),
            (None, None) => {}
        }
    }

    fn on_notification(&mut self, method: &str, params: Value) {
        if self.is_of_another_thread(&params) {
            return;
        }
        let understood = match method {
            "turn/started" => read(params).map(|TurnParams { turn }| self.turn_started(&turn.id)),
            "turn/completed" => match read(params) {
                Ok(TurnParams { turn }) => {
                    self.turn_completed(turn);
                    Ok(())
                }
                Err(error) => {
                    self.give_up(not_understood("the end of the turn", &error));
                    Ok(())
                }
            },
            "turn/plan/updated" => read(params).map(|plan| self.plan(plan)),
            "item/started" => read(params).map(|ItemParams { item }| self.item_started(&item)),
            "item/completed" => read(params).map(|ItemParams { item }| self.item_completed(&item)),
            "item/agentMessage/delta" => read(params).map(|delta| {
                self.delta(delta, |item, text| AgentEvent::MessageDelta { item, text })
            }),
            "item/reasoning/summaryTextDelta" | "item/reasoning/textDelta" => {
                read(params).map(|delta| {
                    self.delta(delta, |item, text| AgentEvent::ReasoningDelta {
                        item,
                        text,
                    })
                })
            }
            "item/commandExecution/outputDelta" => read(params).map(|delta: DeltaParams| {
                self.running.output(&delta.item_id, &delta.delta);
                self.delta(delta, |item, text| AgentEvent::CommandOutput {
                    item,
                    text,
                    place: OutputPlace::Next,
                });
            }),
            "thread/tokenUsage/updated" => read(params).map(|usage| self.tokens(usage)),
            "error" => read(params).map(|error| self.error(&error)),
            "warning" | "guardianWarning" | "configWarning" | "deprecationNotice" => {
                read(params).map(|warning| self.warning(warning))
            }
            _ => Ok(()),
        };
        if let Err(error) = understood {
            let message = clipped(
                &not_understood(&format!("`{method}`"), &error),
                MESSAGE_MAX_BYTES,
            );
            self.emit(AgentEvent::Warning { message });
        }
    }

    fn is_of_another_thread(&self, params: &Value) -> bool {
        let ours = match &self.phase {
            Phase::StartingTurn { thread } | Phase::Running { thread, .. } => thread,
            Phase::Opening | Phase::Cleaning | Phase::Finished => return false,
        };
        params
            .get("threadId")
            .and_then(Value::as_str)
            .is_some_and(|thread| thread != ours)
    }

    fn item_started(&mut self, item: &Item) {
        if let Item::CommandExecution(command) = item {
            self.running.started(&command.id);
        }
        if let Some(event) = items::started(item) {
            self.emit(event);
        }
    }

    fn item_completed(&mut self, item: &Item) {
        if let Item::AgentMessage { text, .. } = item {
            self.last_message = Some(items::message_text(text));
        }
        for event in items::completed(item, &mut self.running) {
            self.emit(event);
        }
    }

    fn delta(&mut self, delta: DeltaParams, event: impl Fn(crate::ItemId, String) -> AgentEvent) {
        let item = items::item_id(&delta.item_id);
        for portion in portions(&delta.delta) {
            self.emit(event(item.clone(), portion.to_owned()));
        }
    }

    fn plan(&mut self, plan: PlanParams) {
        let steps = plan
            .plan
            .into_iter()
            .take(MAX_PLAN_STEPS)
            .map(|step| PlanStep {
                text: clipped(&step.step, 1024),
                state: match step.status {
                    StepStatus::Pending => PlanStepState::Pending,
                    StepStatus::InProgress => PlanStepState::InProgress,
                    StepStatus::Completed => PlanStepState::Completed,
                },
            })
            .collect();
        let explanation = plan
            .explanation
            .map(|text| clipped(&text, EVENT_TEXT_MAX_BYTES));
        self.emit(AgentEvent::Plan { explanation, steps });
    }

    /// After a resume Codex repeats the count of the turn before: only our turn's count is news.
    fn tokens(&mut self, usage: TokenUsageParams) {
        if !matches!(&self.phase, Phase::Running { turn, .. } if *turn == usage.turn_id) {
            return;
        }
        let last = usage.token_usage.last;
        self.emit(AgentEvent::Tokens {
            last: TokenCount {
                input: last.input_tokens,
                cached_input: last.cached_input_tokens,
                output: last.output_tokens,
                reasoning_output: last.reasoning_output_tokens,
            },
            context_window: usage.token_usage.model_context_window,
        });
    }

    fn error(&mut self, params: &ErrorParams) {
        let class = failure::class(&params.error);
        let message = failure::message(&params.error);
        if params.will_retry {
            self.last_retry = Some((class, message.clone()));
            self.emit(AgentEvent::Retrying { class, message });
        } else {
            let class = self.class_of_final(class, &message);
            self.emit(AgentEvent::Error { class, message });
        }
    }

    fn warning(&mut self, warning: WarningParams) {
        let message = match warning.details {
            Some(details) => format!("{}: {details}", warning.message),
            None => warning.message,
        };
        let message = clipped(&message, MESSAGE_MAX_BYTES);
        if self.warnings.contains(&message) {
            return;
        }
        if self.warnings.len() < MAX_WARNINGS_REMEMBERED {
            self.warnings.push(message.clone());
        }
        self.emit(AgentEvent::Warning { message });
    }
}

fn read<T: DeserializeOwned>(params: Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(params)
}
