//! JSON bodies, with errors that name the field.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use outwork_api::problem::Code;
use serde::de::DeserializeOwned;

use crate::refusal::Refusal;

/// The JSON body of a request.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        if !is_json(&request) {
            return Err(Refusal::new(
                Code::UnsupportedMediaType,
                "The body is not marked as JSON.",
            )
            .with_hint("Send the header `Content-Type: application/json`."));
        }
        let bytes = bytes(request, state).await?;
        parse(&bytes).map(Self)
    }
}

/// The body as it is.
pub(crate) struct Raw(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        bytes(request, state).await.map(Self)
    }
}

async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Refusal> {
    Bytes::from_request(request, state)
        .await
        .map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                return Refusal::new(
                    Code::TooLarge,
                    "The body is larger than this endpoint takes.",
                );
            }
            Refusal::new(
                Code::InvalidRequest,
                "The body could not be read to its end.",
            )
        })
}

fn is_json(request: &Request) -> bool {
    let value = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let essence = value
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    // Nearly all are in order; only for what is not it is worth the time to find out where.
    match serde_json::from_slice(bytes) {
        Ok(value) => Ok(value),
        Err(_) => parse_with_places(bytes),
    }
}

fn parse_with_places<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|fault| {
        let pointer = pointer(&fault);
        let message = message(fault.inner());
        let refusal = Refusal::new(
            Code::InvalidRequest,
            format!("The body cannot be read: {message}."),
        );
        if fault.inner().is_data() {
            refusal.with_field(pointer, message)
        } else {
            refusal
        }
    })?;
    json.end().map_err(|_| {
        Refusal::new(
            Code::InvalidRequest,
            "There is something after the end of the JSON value.",
        )
    })?;
    Ok(value)
}

/// What serde says, without the value it found: that may be a secret.
fn message(fault: &serde_json::Error) -> String {
    let text = fault.to_string();
    let known = [
        "missing field",
        "unknown field",
        "unknown variant",
        "duplicate field",
    ];
    if fault.is_data() && !known.iter().any(|known| text.starts_with(known)) {
        let expected = text
            .split_once("expected ")
            .map_or("", |(_, expected)| expected);
        return match expected.split(" at line ").next().unwrap_or("") {
            "" => "the value is not of the right kind".to_owned(),
            kind if kind.starts_with("struct") || kind.starts_with("internally tagged") => {
                "expected an object".to_owned()
            }
            "u16" | "u32" | "u64" | "usize" => "expected a whole number, 0 or more".to_owned(),
            "i32" | "i64" => "expected a whole number".to_owned(),
            kind => format!("expected {kind}"),
        };
    }
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

fn pointer(fault: &serde_path_to_error::Error<serde_json::Error>) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in fault.path().iter() {
        let part = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { variant } => variant.clone(),
            Segment::Unknown => continue,
        };
        pointer += &format!("/{part}");
    }
    let text = fault.inner().to_string();
    let named = ["missing field `", "unknown field `"]
        .iter()
        .find_map(|start| text.strip_prefix(start))
        .and_then(|rest| rest.split('`').next());
    match named {
        Some(name) if !pointer.ends_with(&format!("/{name}")) => format!("{pointer}/{name}"),
        Some(_) | None => pointer,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use outwork_api::environment::NewEnvironment;
    use outwork_api::settings::NewModel;
    use outwork_api::task::NewTask;

    #[test]
    fn errors_name_the_field() {
        let mut table = String::new();
        for text in [
            "",
            "{",
            "[]",
            r#"{"environment":"e"}"#,
            r#"{"environment":"e","prompt":1}"#,
            r#"{"environment":"e","prompt":"p","colour":1}"#,
            r#"{"environment":"e","prompt":"p","attempts":-1}"#,
            r#"{"environment":"e","prompt":"p"} x"#,
        ] {
            let refusal = parse::<NewTask>(text.as_bytes()).expect_err("it is wrong");
            let problem = refusal.problem();
            table += &format!(
                "{text}\n  {} {:?}\n",
                problem.detail,
                problem
                    .errors
                    .iter()
                    .map(|e| &e.pointer)
                    .collect::<Vec<_>>()
            );
        }
        for text in [
            r#"{"label":"l","repository_url":"/r","agent":{"name":"emacs"}}"#,
            r#"{"label":"l","repository_url":"/r","agent":{"name":"command","command":"c","x":1}}"#,
            r#"{"label":"l","repository_url":"/r","agent":{"name":"codex"},"variables":{"A":1}}"#,
        ] {
            let refusal = parse::<NewEnvironment>(text.as_bytes()).expect_err("it is wrong");
            let problem = refusal.problem();
            table += &format!(
                "{text}\n  {} {:?}\n",
                problem.detail,
                problem
                    .errors
                    .iter()
                    .map(|e| &e.pointer)
                    .collect::<Vec<_>>()
            );
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn an_error_never_repeats_a_secret() {
        let text = r#"{"base_url":"http://x","name":"m","api_key":{"sk-canary":1},"context_window":"sk-canary"}"#;
        for text in [
            text,
            &text.replace(r#"{"sk-canary":1}"#, "null"),
            r#""sk-canary""#,
        ] {
            let refusal = parse::<NewModel>(text.as_bytes()).expect_err("it is wrong");
            assert!(
                !format!("{:?}", refusal.problem()).contains("canary"),
                "{:?}",
                refusal.problem()
            );
        }
    }
}
