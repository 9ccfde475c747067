//! Requests to a server's interface: bounded in time and size, no redirects, and no credential in anything that is said about them.

use std::time::Duration;

use outwork_api::Secret;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::{Client, Method, StatusCode, Url};
use serde_json::Value;

use super::super::access::ForgeAddress;
use super::super::trouble::{Trouble, chain};
use crate::plane::Plane;

const LIMIT: Duration = Duration::from_secs(30);
const ANSWER_BYTES: usize = 8 << 20;
const SAID_CHARS: usize = 300;
/// However long a server says: the deadline comes first, and then people are told.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// How a server's interface is asked.
pub(crate) struct Api<'a> {
    plane: &'a Plane,
    client: &'a Client,
    base: &'a str,
    token: &'a Secret,
    /// What people call it.
    pub(crate) name: &'static str,
    host: &'a str,
    path: &'a str,
    act: Act,
}

/// What it is asked for, in the sentences that say why that was not done.
#[derive(Clone, Copy)]
pub(crate) struct Act {
    /// `the credential for publishing`.
    pub(crate) credential: &'static str,
    /// `open pull requests`.
    pub(crate) doing: &'static str,
    /// `the pull request`.
    pub(crate) what: &'static str,
    /// What to do where the server does not take what it was sent.
    pub(crate) refused: &'static str,
    /// What to do where it does not take the credential.
    pub(crate) may_not: fn(&str) -> String,
}

/// What it answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    /// `Null` where it is no JSON.
    pub(crate) body: Value,
}

impl<'a> Api<'a> {
    pub(crate) fn new(
        plane: &'a Plane,
        client: &'a Client,
        address: &'a ForgeAddress,
        name: &'static str,
        host: &'a str,
        act: Act,
    ) -> Self {
        let ForgeAddress {
            kind: _,
            api_url,
            path,
            token,
        } = address;
        Self {
            plane,
            client,
            base: api_url,
            token,
            name,
            host,
            path,
            act,
        }
    }

    /// Asks. Each part of the path is one part there, whatever it holds. `scheme` is of the `Authorization`.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
        scheme: &str,
    ) -> Result<Answer, Trouble> {
        let mut url = Url::parse(self.base).map_err(|_| self.odd("its address"))?;
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let policy_fault = self.plane.git_gateway.may_go_to(&url);
        if let Some(address) = policy_fault {
            return Err(Trouble::last(
                "address",
                format!(
                    "{} of {} is at {address}, where this server sends no credentials.",
                    self.name, self.host
                ),
                "Its operator allows addresses with `--git-address`.",
            ));
        }
        let authorization = format!("{scheme} {}", self.token.reveal());
        let mut authorization =
            HeaderValue::from_str(&authorization).map_err(|_| self.odd("the token"))?;
        authorization.set_sensitive(true);
        let mut request = self
            .client
            .request(method, url)
            .header(AUTHORIZATION, authorization)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, format!("outwork/{}", self.plane.version))
            .timeout(LIMIT);
        if self.name == "GitHub" {
            request = request
                .header(ACCEPT, "application/vnd.github+json")
                .header("X-GitHub-Api-Version", "2022-11-28");
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request
            .send()
            .await
            .map_err(|fault| self.unanswered(&fault))?;
        self.read(response).await
    }

    async fn read(&self, mut response: reqwest::Response) -> Result<Answer, Trouble> {
        let (status, headers) = (response.status(), response.headers().clone());
        let mut bytes = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if bytes.len() + chunk.len() <= ANSWER_BYTES => {
                    bytes.extend_from_slice(&chunk);
                }
                Ok(Some(_)) => return Err(self.odd("more than fits")),
                Ok(None) => break,
                Err(fault) => return Err(self.unanswered(&fault)),
            }
        }
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    /// The body of an answer that says that it was done.
    pub(crate) fn done(&self, answer: Answer) -> Result<Value, Trouble> {
        match answer.status.is_success() {
            true => Ok(answer.body),
            false => Err(self.refused(&answer)),
        }
    }

    /// It answered, and not what its documentation says.
    pub(crate) fn odd(&self, what: &str) -> Trouble {
        Trouble::passing(format!(
            "{} of {} does not answer as it should ({what}).",
            self.name, self.host
        ))
    }

    fn unanswered(&self, fault: &reqwest::Error) -> Trouble {
        // The error names the address, which holds no credential; the header is not part of it.
        tracing::info!(error = %chain(fault), forge = self.name, "a forge did not answer");
        let why = match fault.is_timeout() {
            true => "does not answer in time",
            false => "cannot be reached",
        };
        Trouble::passing(format!("{} of {} {why}.", self.name, self.host))
    }

    /// What an answer means that says that it was not done.
    pub(crate) fn refused(&self, answer: &Answer) -> Trouble {
        let Self {
            name,
            host,
            path,
            act,
            ..
        } = self;
        let said = self.said(&answer.body);
        let quoted = match said.as_str() {
            "" => String::new(),
            said => format!(" (it says: {said})"),
        };
        let status = answer.status.as_u16();
        if let Some(wait) = self.limited(answer) {
            return Trouble::Passing {
                text: format!("{name} of {host} takes no more requests for now ({status})."),
                wait,
            };
        }
        match status {
            401 => Trouble::last(
                "not_permitted",
                format!(
                    "{name} of {host} does not take {} (401){quoted}.",
                    act.credential
                ),
                (act.may_not)(host),
            ),
            403 => Trouble::last(
                "not_permitted",
                format!(
                    "The credential may not {} in {path} of {host} (403){quoted}.",
                    act.doing
                ),
                (act.may_not)(host),
            ),
            404 => Trouble::last(
                "not_found",
                format!(
                    "{name} of {host} has no {path}, or hides it from the credential (404){quoted}."
                ),
                (act.may_not)(host),
            ),
            300..=399 => Trouble::last(
                "moved",
                format!("{path} of {host} has moved ({status})."),
                "Give the environment its new address with `outwork env edit`.",
            ),
            408 | 500.. => Trouble::passing(format!(
                "{name} of {host} has trouble of its own ({status}){quoted}."
            )),
            _ => Trouble::last(
                "refused",
                format!("{name} of {host} refuses {} ({status}){quoted}.", act.what),
                act.refused,
            ),
        }
    }

    /// How long to wait, if the answer says that there were too many requests.
    fn limited(&self, answer: &Answer) -> Option<Option<Duration>> {
        let header = |name: &str| answer.headers.get(name)?.to_str().ok();
        let after = answer
            .headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok());
        let after = after
            .and_then(|text| text.trim().parse().ok())
            .map(Duration::from_secs);
        let is_used_up = header("x-ratelimit-remaining") == Some("0");
        let is_limited = answer.status == StatusCode::TOO_MANY_REQUESTS
            || (answer.status == StatusCode::FORBIDDEN && (is_used_up || after.is_some()));
        if !is_limited {
            return None;
        }
        let reset = header("x-ratelimit-reset").and_then(|text| text.trim().parse::<i64>().ok());
        let until = reset.filter(|_| is_used_up).map(|reset| {
            let left = reset.saturating_mul(1000) - self.plane.now().as_millis();
            Duration::from_millis(u64::try_from(left).unwrap_or(0)) + Duration::from_secs(1)
        });
        Some(after.or(until).map(|wait| wait.min(LONGEST_WAIT)))
    }

    /// What the body says, in one line, without the token should it repeat that.
    fn said(&self, body: &Value) -> String {
        let mut parts = Vec::new();
        for field in ["message", "error", "errors"] {
            if let Some(value) = body.get(field) {
                collect(value, &mut parts);
            }
        }
        let text = parts.join("; ").replace(self.token.reveal(), "****");
        let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        let short: String = clean.take(SAID_CHARS).collect();
        short.trim().trim_end_matches('.').to_owned()
    }
}

/// The texts in a value, in its order.
fn collect(value: &Value, parts: &mut Vec<String>) {
    match value {
        Value::String(text) => parts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, parts)),
        Value::Object(fields) => match fields.get("message") {
            Some(message) => collect(message, parts),
            None => fields.values().for_each(|field| collect(field, parts)),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl Answer {
    /// Whether a text is somewhere in the body.
    pub(crate) fn says(&self, text: &str) -> bool {
        self.body.to_string().to_ascii_lowercase().contains(text)
    }
}
