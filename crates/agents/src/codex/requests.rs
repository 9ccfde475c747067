//! Answers to what Codex asks its client. Everything is answered: an open request would hold the turn for ever.

use serde_json::{Map, Value, json};

use super::wire::{ApprovalParams, AskedQuestion, UserInputParams};
use crate::event::{AgentEvent, Decision, DecisionSubject, ItemId, Question};
use crate::text::{EVENT_TEXT_MAX_BYTES, clipped};

const METHOD_NOT_FOUND: i64 = -32601;
const MAX_QUESTIONS: usize = 20;
const NOBODY_TO_ASK: &str = "Nobody can answer during this turn. Choose the most cautious option yourself and name your choice in your last message.";

/// The line to send back, and the event that tells of it.
pub(super) fn answer(id: &Value, method: &str, params: Value) -> (Value, AgentEvent) {
    match method {
        "item/commandExecution/requestApproval" => {
            let params = approval(params);
            let subject = DecisionSubject::RunCommand {
                command: text(params.command.unwrap_or_default()),
                reason: params.reason.map(text),
            };
            (
                result(id, json!({"decision": "accept"})),
                taken(params.item_id, subject, Decision::Approved),
            )
        }
        "item/fileChange/requestApproval" => {
            let params = approval(params);
            let subject = DecisionSubject::ChangeFiles {
                reason: params.reason.map(text),
            };
            (
                result(id, json!({"decision": "accept"})),
                taken(params.item_id, subject, Decision::Approved),
            )
        }
        "item/permissions/requestApproval" => {
            let params = approval(params);
            let subject = DecisionSubject::Permissions {
                reason: params.reason.map(text),
            };
            let granted = json!({"permissions": params.permissions, "scope": "turn"});
            (
                result(id, granted),
                taken(params.item_id, subject, Decision::Approved),
            )
        }
        "item/tool/requestUserInput" => {
            let (item, questions, answers) = questions(params);
            let answer = result(id, json!({"answers": answers}));
            (
                answer,
                taken(
                    item,
                    DecisionSubject::Questions(questions),
                    Decision::NobodyToAsk,
                ),
            )
        }
        "mcpServer/elicitation/request" => {
            let answer = result(id, json!({"action": "decline", "content": null}));
            (answer, taken(None, unknown(method), Decision::NobodyToAsk))
        }
        "item/tool/call" => {
            let refusal = json!({"success": false, "contentItems": [{"type": "inputText", "text": "There is no such tool."}]});
            (
                result(id, refusal),
                taken(None, unknown(method), Decision::Unsupported),
            )
        }
        other => {
            let error = json!({"code": METHOD_NOT_FOUND, "message": format!("Outwork does not support `{}`", text(other.to_owned()))});
            (
                json!({"id": id, "error": error}),
                taken(None, unknown(other), Decision::Unsupported),
            )
        }
    }
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

/// The item, what was asked, and an answer for each question that lets the model go on by itself.
fn questions(params: Value) -> (Option<String>, Vec<Question>, Map<String, Value>) {
    let Ok(UserInputParams { item_id, questions }) = serde_json::from_value(params) else {
        return (None, Vec::new(), Map::new());
    };
    let answers = questions
        .iter()
        .map(|asked| (asked.id.clone(), json!({"answers": [NOBODY_TO_ASK]})))
        .collect();
    (
        item_id,
        questions
            .into_iter()
            .take(MAX_QUESTIONS)
            .map(question)
            .collect(),
        answers,
    )
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

fn result(id: &Value, result: Value) -> Value {
    json!({"id": id, "result": result})
}

fn taken(item: Option<String>, subject: DecisionSubject, decision: Decision) -> AgentEvent {
    AgentEvent::DecisionTaken {
        item: item.map(|id| ItemId(clipped(&id, 200))),
        subject,
        decision,
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
