//! What a request does, told from its head: the rules of methods, git and WebSockets.

use super::denial::{Denial, DenialKind, Remedy};
use super::injection::Injection;
use super::rule::Rule;
use super::target::Host;
use super::{Methods, Permit, Policy};

const READING: [&str; 3] = ["GET", "HEAD", "OPTIONS"];
/// They give a request's own headers back, and so a credential that was added on the way.
const TRACING: [&str; 2] = ["TRACE", "TRACK"];
const PUSH: &str = "git-receive-pack";
const FETCH: &str = "git-upload-pack";
/// Each round undoes one encoding; nobody writes more than two in earnest.
const DECODING_ROUNDS: usize = 8;

/// The head of a request, as far as a policy looks at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestFacts<'a> {
    /// As written: methods are case-sensitive.
    pub(crate) method: &'a str,
    /// As written, without the query.
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) content_type: &'a str,
    /// The protocol that the connection is to change to.
    pub(crate) upgrade: Option<&'a str>,
    /// A header asks the server to read the method as another one.
    pub(crate) overrides_method: bool,
    pub(crate) is_tls: bool,
}

/// The right to send one request. Only [`Policy::check_request`] makes one.
#[derive(Debug)]
pub(crate) struct RequestPermit<'a> {
    pub(crate) purpose: Purpose,
    /// Credentials to add.
    pub(crate) injections: Vec<&'a Injection>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Exchange,
    /// After the answer 101 the connection is a WebSocket.
    WebSocket,
}

impl Policy {
    /// Decides about one request to a host that is permitted.
    pub(crate) fn check_request(
        &self,
        permit: &Permit,
        facts: &RequestFacts<'_>,
    ) -> Result<RequestPermit<'_>, Denial> {
        let whole = format!("{}?{}", facts.path, facts.query);
        let (Some(path), Some(whole)) = (plain(facts.path), plain(&whole)) else {
            return Err(Denial {
                kind: DenialKind::Ambiguous,
                rule: Rule::Escapes,
                reason: "The path has escapes that can be read in more than one way.".to_owned(),
                remedy: Remedy::None,
            });
        };
        if TRACING.contains(&facts.method.to_ascii_uppercase().as_str()) {
            return Err(method_denied(facts, Rule::NoTrace, Remedy::None));
        }
        let purpose = self.purpose(facts)?;
        let is_reading = READING.contains(&facts.method) && !facts.overrides_method;
        let is_push = (!is_reading && path.contains(PUSH))
            || (whole.contains("service=") && whole.contains(PUSH))
            || facts.content_type.to_ascii_lowercase().contains(PUSH);
        if is_push && !self.git_push {
            return Err(Denial {
                kind: DenialKind::GitPush,
                rule: Rule::NoGitPush,
                reason: "This is a git push, and pushing is not allowed.".to_owned(),
                remedy: Remedy::GitPush,
            });
        }
        let is_written_plainly = |service: &str| facts.path.ends_with(&format!("/{service}"));
        let is_git = |service: &str| {
            let kind = format!("application/x-{service}-request");
            facts.method == "POST" && is_written_plainly(service) && facts.content_type == kind
        };
        let reads = is_reading || (!facts.overrides_method && (is_git(FETCH) || is_git(PUSH)));
        if self.methods == Methods::ReadOnly && !reads {
            return Err(method_denied(facts, Rule::ReadOnly, Remedy::AllMethods));
        }
        Ok(RequestPermit {
            purpose,
            injections: self.injections(permit, facts.is_tls)?,
        })
    }

    fn purpose(&self, facts: &RequestFacts<'_>) -> Result<Purpose, Denial> {
        let Some(protocol) = facts.upgrade else {
            return Ok(Purpose::Exchange);
        };
        let is_websocket = protocol.eq_ignore_ascii_case("websocket") && facts.method == "GET";
        match (is_websocket, self.websocket) {
            (true, true) => Ok(Purpose::WebSocket),
            (true, false) => Err(Denial {
                kind: DenialKind::WebSocket,
                rule: Rule::NoWebSocket,
                reason: "This is a WebSocket, and these are not allowed.".to_owned(),
                remedy: Remedy::WebSocket,
            }),
            (false, _) => Err(Denial {
                kind: DenialKind::OtherUpgrade,
                rule: Rule::NoUpgrade,
                reason: "The connection is to change to another protocol than WebSocket."
                    .to_owned(),
                remedy: Remedy::None,
            }),
        }
    }

    /// What is added to a request to the permitted host.
    fn injections(&self, permit: &Permit, is_tls: bool) -> Result<Vec<&Injection>, Denial> {
        let Host::Name(name) = &permit.target().host else {
            return Ok(Vec::new());
        };
        let all = self.injections.iter();
        let injections: Vec<_> = all.filter(|one| one.host() == name.as_str()).collect();
        if !is_tls && injections.iter().any(|one| !one.is_plain_http()) {
            return Err(Denial {
                kind: DenialKind::PlainHttp,
                rule: Rule::Injection,
                reason: format!(
                    "A credential is set for {}, and http:// would show it to everybody on the way.",
                    name.as_str()
                ),
                remedy: Remedy::None,
            });
        }
        Ok(injections)
    }
}

fn method_denied(facts: &RequestFacts<'_>, rule: Rule, remedy: Remedy) -> Denial {
    let reason = match facts.overrides_method {
        true => "A header asks the server to read the method as another one.".to_owned(),
        false => {
            let method: String = facts.method.chars().take(32).collect();
            format!("The method {method} is not allowed here.")
        }
    };
    Denial {
        kind: DenialKind::Method,
        rule,
        reason,
        remedy,
    }
}

/// The text as the most willing server may read it: without escapes, in lower case, with slashes only. `None` if that has no end, or if an
/// escape is none.
fn plain(text: &str) -> Option<String> {
    // A query is full of signs that are no escapes; they stay.
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    if !escapes_are_whole(path) {
        return None;
    }
    let mut bytes = [path.as_bytes(), b"?", query.as_bytes()].concat();
    for _ in 0..DECODING_ROUNDS {
        let decoded = decoded(&bytes);
        if decoded == bytes {
            let text = String::from_utf8_lossy(&bytes).to_lowercase();
            return Some(text.replace('\\', "/"));
        }
        bytes = decoded;
    }
    None
}

fn escapes_are_whole(path: &str) -> bool {
    let mut parts = path.as_bytes().split(|byte| *byte == b'%');
    let before_the_first = parts.next();
    before_the_first.is_some()
        && parts.all(|part| part.len() >= 2 && part[..2].iter().all(u8::is_ascii_hexdigit))
}

fn decoded(bytes: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        let escaped = match after {
            [high, low, ..] if *first == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        let (byte, used) = match escaped {
            Some((high, low)) => (u8::try_from(high * 16 + low).unwrap_or(b'?'), 3),
            None => (*first, 1),
        };
        decoded.push(byte);
        rest = &rest[used..];
    }
    decoded
}
