//! Codex' errors in our classes.

use serde_json::Value;

use super::wire::TurnError;
use crate::adapter::FailureClass;
use crate::text::clipped;

/// Endpoints put whole HTML pages into error bodies.
const MESSAGE_MAX_BYTES: usize = 4 * 1024;

pub(super) fn class(error: &TurnError) -> FailureClass {
    let class = match &error.codex_error_info {
        Value::String(word) => class_of_word(word),
        Value::Object(members) => members
            .iter()
            .next()
            .map_or(FailureClass::Other, |(word, data)| {
                class_of_http(word, data)
            }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => FailureClass::Other,
    };
    match refusal(&error.message) {
        Some(refusal) if class == FailureClass::Other => class_of_refusal(&refusal),
        Some(_) | None => class,
    }
}

pub(super) fn message(error: &TurnError) -> String {
    let message = match refusal(&error.message) {
        Some(Refusal { message, code: _ }) => {
            format!("the model's endpoint refused the request: {message}")
        }
        None => error.message.clone(),
    };
    match error.additional_details.as_deref() {
        Some(details) if !details.is_empty() && !message.contains(details) => {
            clipped(&format!("{message} ({details})"), MESSAGE_MAX_BYTES)
        }
        Some(_) | None => clipped(&message, MESSAGE_MAX_BYTES),
    }
}

/// The body of a 400, which Codex gives as the message, as it came and without a kind.
struct Refusal {
    message: String,
    code: Option<String>,
}

fn refusal(message: &str) -> Option<Refusal> {
    let body: Value = serde_json::from_str(message).ok()?;
    // OpenAI's form has the error inside, older vLLM has it at the top.
    let error = body.get("error").unwrap_or(&body);
    Some(Refusal {
        message: error.get("message")?.as_str()?.to_owned(),
        code: error.get("code").and_then(Value::as_str).map(str::to_owned),
    })
}

fn class_of_refusal(refusal: &Refusal) -> FailureClass {
    match refusal.code.as_deref() {
        Some("context_length_exceeded") => FailureClass::ContextTooLong,
        Some("insufficient_quota") => FailureClass::QuotaExceeded,
        Some("model_not_found") => FailureClass::ModelNotFound,
        // vLLM and its relatives have no code for it.
        Some(_) | None if refusal.message.contains("maximum context length") => {
            FailureClass::ContextTooLong
        }
        Some(_) | None => FailureClass::ModelBadRequest,
    }
}

fn class_of_word(word: &str) -> FailureClass {
    match word {
        "contextWindowExceeded" => FailureClass::ContextTooLong,
        "usageLimitExceeded" | "sessionBudgetExceeded" => FailureClass::QuotaExceeded,
        "rateLimitExceeded" => FailureClass::RateLimited,
        "serverOverloaded"
        | "internalServerError"
        | "flexUnavailable"
        | "policyCapacityUnavailable" => FailureClass::ModelServerError,
        "modelNotFound" => FailureClass::ModelNotFound,
        "unauthorized" => FailureClass::ModelUnauthorized,
        "badRequest" => FailureClass::ModelBadRequest,
        "cyberPolicy" | "misalignmentPolicyViolation" | "inferenceHookDenied" => {
            FailureClass::PolicyRefused
        }
        "sandboxError" => FailureClass::SandboxError,
        _ => FailureClass::Other,
    }
}

fn class_of_http(word: &str, data: &Value) -> FailureClass {
    let status = data.get("httpStatusCode").and_then(Value::as_u64);
    match (word, status) {
        (_, Some(401 | 403)) => FailureClass::ModelUnauthorized,
        (_, Some(402)) => FailureClass::QuotaExceeded,
        (_, Some(404)) => FailureClass::ModelNotFound,
        (_, Some(429)) => FailureClass::RateLimited,
        (_, Some(400..=499)) => FailureClass::ModelBadRequest,
        (_, Some(500..=599)) => FailureClass::ModelServerError,
        (
            "httpConnectionFailed"
            | "responseStreamConnectionFailed"
            | "responseStreamDisconnected",
            _,
        ) => FailureClass::ModelUnreachable,
        ("responseTooManyFailedAttempts", _) => FailureClass::ModelServerError,
        _ => FailureClass::Other,
    }
}
