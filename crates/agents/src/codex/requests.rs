//! Answers to what Codex asks its client. Everything is answered: an open request would hold the turn for ever.

use serde_json::{Map, Value, json};

use super::wire::{ApprovalParams, AskedQuestion, UserInputParams};
use crate::event::{AgentEvent, Decision, DecisionSubject, ItemId, Question};
use crate::text::{EVENT_TEXT_MAX_BYTES, clipped};

const METHOD_NOT_FOUND: i64 = -32601;
const MAX_QUESTIONS: usize = 20;
/// Of an id or of permissions, which an answer repeats. An agent that asks and does not read keeps thousands of answers waiting.
const REPEATED_MAX_BYTES: usize = 4 * 1024;
const NOBODY_TO_ASK: &str = "Nobody can answer during this turn. Choose the most cautious option yourself and name your choice in your last message.";

/// Whether an answer can name this id: a number or a short text, as JSON-RPC has it.
pub(super) fn can_repeat(id: &Value) -> bool {
    match id {
        Value::Number(_) => true,
        Value::String(text) => text.len() <= REPEATED_MAX_BYTES,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

/// The line to send back, and the event that tells of it.
pub(super) fn answer(id: &Value, method: &str, params: Value) -> (Value, AgentEvent) {
    let Some(Reply {
        result,
        item,
        subject,
        decision,
    }) = reply(method, params)
    else {
        let message = format!("Outwork does not support `{}`", clipped(method, 200));
        let error = json!({"id": id, "error": {"code": METHOD_NOT_FOUND, "message": message}});
        let event = AgentEvent::DecisionTaken {
            item: None,
            subject: unknown(method),
            decision: Decision::Unsupported,
        };
        return (error, event);
    };
    let item = item.map(|id| ItemId(clipped(&id, 200)));
    (
        json!({"id": id, "result": result}),
        AgentEvent::DecisionTaken {
            item,
            subject,
            decision,
        },
    )
}

struct Reply {
    result: Value,
    item: Option<String>,
    subject: DecisionSubject,
    decision: Decision,
}

fn reply(method: &str, params: Value) -> Option<Reply> {
    let reply = match method {
        "item/commandExecution/requestApproval" => {
            let ApprovalParams {
                item_id,
                command,
                reason,
                permissions: _,
            } = approval(params);
            let subject = DecisionSubject::RunCommand {
                command: text(command.unwrap_or_default()),
                reason: reason.map(text),
            };
            Reply {
                result: json!({"decision": "accept"}),
                item: item_id,
                subject,
                decision: Decision::Approved,
            }
        }
        "item/fileChange/requestApproval" => {
            let ApprovalParams {
                item_id,
                reason,
                command: _,
                permissions: _,
            } = approval(params);
            let subject = DecisionSubject::ChangeFiles {
                reason: reason.map(text),
            };
            Reply {
                result: json!({"decision": "accept"}),
                item: item_id,
                subject,
                decision: Decision::Approved,
            }
        }
        "item/permissions/requestApproval" => {
            let ApprovalParams {
                item_id,
                reason,
                permissions,
                command: _,
            } = approval(params);
            let subject = DecisionSubject::Permissions {
                reason: reason.map(text),
            };
            let permissions = match permissions.to_string().len() {
                ..=REPEATED_MAX_BYTES => permissions,
                _ => json!({}),
            };
            let result = json!({"permissions": permissions, "scope": "turn"});
            Reply {
                result,
                item: item_id,
                subject,
                decision: Decision::Approved,
            }
        }
        "item/tool/requestUserInput" => questions(params),
        "mcpServer/elicitation/request" => Reply {
            result: json!({"action": "decline", "content": null}),
            item: None,
            subject: unknown(method),
            decision: Decision::NobodyToAsk,
        },
        "item/tool/call" => Reply {
            result: json!({"success": false, "contentItems": [{"type": "inputText", "text": "There is no such tool."}]}),
            item: None,
            subject: unknown(method),
            decision: Decision::Unsupported,
        },
        _ => return None,
    };
    Some(reply)
}

fn approval(params: Value) -> ApprovalParams {
    // The decision does not depend on the details, so details in an unknown shape are no reason to stop.
    serde_json::from_value(params).unwrap_or(ApprovalParams {
        item_id: None,
        command: None,
        reason: None,
        permissions: json!({}),
    })
}

/// Every question gets an answer that lets the model go on by itself; no model asks more than a few at once.
fn questions(params: Value) -> Reply {
    let asked = serde_json::from_value(params).unwrap_or(UserInputParams {
        item_id: None,
        questions: Vec::new(),
    });
    let answers: Map<String, Value> = asked
        .questions
        .iter()
        .take(MAX_QUESTIONS)
        .filter(|asked| asked.id.len() <= REPEATED_MAX_BYTES)
        .map(|asked| (asked.id.clone(), json!({"answers": [NOBODY_TO_ASK]})))
        .collect();
    Reply {
        result: json!({"answers": answers}),
        item: asked.item_id,
        subject: DecisionSubject::Questions(
            asked
                .questions
                .into_iter()
                .take(MAX_QUESTIONS)
                .map(question)
                .collect(),
        ),
        decision: Decision::NobodyToAsk,
    }
}

pub(super) fn is_question(method: &str) -> bool {
    method == "item/tool/requestUserInput"
}

/// What is asked, for a person to read: each question with its options.
pub(super) fn question_text(params: Value) -> String {
    let asked = serde_json::from_value(params).unwrap_or(UserInputParams {
        item_id: None,
        questions: Vec::new(),
    });
    let mut lines = Vec::new();
    for asked in asked.questions.into_iter().take(MAX_QUESTIONS) {
        let Question { text, options } = question(asked);
        lines.push(text);
        lines.extend(options.iter().map(|option| format!("- {option}")));
    }
    match lines.join("\n").trim() {
        "" => "Codex asks, and did not say what.".to_owned(),
        question => text(question.to_owned()),
    }
}

fn question(asked: AskedQuestion) -> Question {
    let options = asked.options.unwrap_or_default();
    Question {
        text: text(asked.question),
        options: options
            .iter()
            .take(MAX_QUESTIONS)
            .map(|option| clipped(&option.label, 200))
            .collect(),
    }
}

fn unknown(method: &str) -> DecisionSubject {
    DecisionSubject::Unknown {
        method: clipped(method, 200),
    }
}

fn text(text: String) -> String {
    clipped(&text, EVENT_TEXT_MAX_BYTES)
}
