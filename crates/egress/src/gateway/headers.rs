//! Which headers pass, in each direction, and where the key goes.

use hyper::HeaderMap;
use hyper::header::{self, HeaderName, HeaderValue};

use super::endpoint::{Endpoint, Protocol};
use super::upstream::ApiKey;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");

/// About one connection only (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Not for the agent to say: the account that pays, the host, the framing, and an
/// encoding that would hide the token counts.
const NOT_FROM_AGENT: [&str; 12] = [
    "openai-organization",
    "openai-project",
    "chatgpt-account-id",
    "anthropic-organization-id",
    "anthropic-workspace-id",
    "host",
    "content-length",
    "expect",
    "accept-encoding",
    "forwarded",
    "via",
    "x-real-ip",
];

/// Parts of the names of headers that carry credentials. An agent that brings its
/// own key could send what it has read to an account of somebody else.
const CREDENTIALS: [&str; 7] = [
    "auth",
    "cookie",
    "credential",
    "password",
    "secret",
    "signature",
    "token",
];

const NOT_FROM_UPSTREAM: [&str; 3] = ["set-cookie", "alt-svc", "strict-transport-security"];

/// The headers to send upstream for a request that came with `from_agent`.
pub(super) fn to_upstream(
    endpoint: Endpoint,
    from_agent: &HeaderMap,
    key: Option<&ApiKey>,
) -> HeaderMap {
    let mut headers = without(from_agent, &NOT_FROM_AGENT);
    let forwarded: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-forwarded-") || is_credential(name.as_str()))
        .cloned()
        .collect();
    for name in forwarded {
        headers.remove(name);
    }
    headers.insert(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    );
    if let Some(key) = key {
        let (name, value) = match key_header(endpoint, from_agent) {
            KeyHeader::XApiKey => (X_API_KEY, key.plain()),
            KeyHeader::Bearer => (header::AUTHORIZATION, key.bearer()),
        };
        headers.insert(name, value);
    }
    if endpoint.protocol() == Protocol::Messages && !headers.contains_key(ANTHROPIC_VERSION) {
        // The API refuses requests without it, and has had no later one.
        let version = HeaderValue::from_static("2023-06-01");
        headers.insert(ANTHROPIC_VERSION, version);
    }
    headers
}

fn is_credential(name: &str) -> bool {
    let is_key = name.ends_with("key") && name != "idempotency-key";
    is_key || CREDENTIALS.iter().any(|part| name.contains(part))
}

enum KeyHeader {
    Bearer,
    XApiKey,
}

/// The key goes where the agent put its own: servers that imitate an API may
/// want another header than the original. An agent without any gets the API's usual one.
fn key_header(endpoint: Endpoint, from_agent: &HeaderMap) -> KeyHeader {
    if from_agent.contains_key(X_API_KEY) {
        return KeyHeader::XApiKey;
    }
    if from_agent.contains_key(header::AUTHORIZATION) {
        return KeyHeader::Bearer;
    }
    match endpoint.protocol() {
        Protocol::Messages => KeyHeader::XApiKey,
        Protocol::Responses | Protocol::ChatCompletions => KeyHeader::Bearer,
    }
}

/// The headers of an answer as the agent gets them. One that shows the key is
/// left out.
pub(super) fn to_agent(from_upstream: &HeaderMap, key: Option<&ApiKey>) -> HeaderMap {
    let headers = without(from_upstream, &NOT_FROM_UPSTREAM);
    let shows_key = |value: &HeaderValue| key.is_some_and(|key| key.is_in(value.as_bytes()));
    let shown = headers.iter().filter(|(_, value)| !shows_key(value));
    shown.map(|(n, v)| (n.clone(), v.clone())).collect()
}

/// Also leaves out what `Connection` names.
fn without(headers: &HeaderMap, names: &[&str]) -> HeaderMap {
    let connection = headers.get_all(header::CONNECTION).iter();
    let named: Vec<String> = connection
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .map(|name| String::from_utf8_lossy(name).trim().to_ascii_lowercase())
        .collect();
    let passes = |name: &str| {
        !HOP_BY_HOP.contains(&name) && !names.contains(&name) && !named.iter().any(|n| n == name)
    };
    let passing = headers.iter().filter(|(name, _)| passes(name.as_str()));
    passing.map(|(n, v)| (n.clone(), v.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-the-real-key-0001";
    const BEARER: &str = "Bearer sk-the-real-key-0001";

    fn map(headers: &[(&str, &str)]) -> HeaderMap {
        let headers = headers.iter();
        headers
            .map(|(n, v)| (n.parse::<HeaderName>().unwrap(), v.parse().unwrap()))
            .collect()
    }

    #[test]
    fn credentials_and_connection_headers_stay_behind() {
        let key = ApiKey::new(KEY).unwrap();
        let from_agent = map(&[
            ("authorization", "Bearer mine"),
            ("cookie", "a=b"),
            ("x-goog-api-key", "mine"),
            ("api-key", "mine"),
            ("x-amz-security-token", "mine"),
            ("x-custom-auth", "mine"),
            ("idempotency-key", "7"),
            ("chatgpt-account-id", "mine"),
            ("host", "elsewhere"),
            ("openai-project", "mine"),
            ("x-forwarded-for", "1.2.3.4"),
            ("connection", "close, X-Private"),
            ("x-private", "1"),
            ("transfer-encoding", "chunked"),
            ("accept-encoding", "gzip"),
            ("content-type", "application/json"),
            ("thread-id", "t"),
        ]);
        let sent = to_upstream(Endpoint::Responses, &from_agent, Some(&key));
        let expected = map(&[
            ("content-type", "application/json"),
            ("thread-id", "t"),
            ("idempotency-key", "7"),
            ("accept-encoding", "identity"),
            ("authorization", BEARER),
        ]);
        assert_eq!(sent, expected);
        assert!(sent[header::AUTHORIZATION].is_sensitive());
    }

    #[test]
    fn the_key_goes_where_the_agent_put_its_own() {
        let key = ApiKey::new(KEY).unwrap();
        let sent = |endpoint, from_agent: &[(&str, &str)]| {
            let sent = to_upstream(endpoint, &map(from_agent), Some(&key));
            let get = |name| sent.get(name).map(|v| v.to_str().unwrap().to_owned());
            (get("authorization"), get("x-api-key"))
        };
        let bearer = (Some(BEARER.to_owned()), None);
        let plain = (None, Some(KEY.to_owned()));
        assert_eq!(sent(Endpoint::Messages, &[]), plain);
        assert_eq!(sent(Endpoint::Models, &[("x-api-key", "mine")]), plain);
        assert_eq!(
            sent(Endpoint::Messages, &[("authorization", "Bearer m")]),
            bearer
        );
        assert_eq!(sent(Endpoint::ChatCompletions, &[]), bearer);
    }

    #[test]
    fn anthropics_api_gets_a_version() {
        let version = |endpoint, from_agent: &[(&str, &str)]| {
            let sent = to_upstream(endpoint, &map(from_agent), None);
            sent.get(ANTHROPIC_VERSION)
                .map(|v| v.to_str().unwrap().to_owned())
        };
        let own = [("anthropic-version", "2030-01-01")];
        let usual = Some("2023-06-01".to_owned());
        assert_eq!(version(Endpoint::Messages, &[]), usual);
        assert_eq!(
            version(Endpoint::Messages, &own),
            Some("2030-01-01".to_owned())
        );
        assert_eq!(version(Endpoint::Responses, &[]), None);
    }

    #[test]
    fn a_header_that_shows_the_key_does_not_reach_the_agent() {
        let key = ApiKey::new(KEY).unwrap();
        let answer = map(&[
            ("x-request-id", "7"),
            ("x-echo", BEARER),
            ("set-cookie", "a=b"),
            ("transfer-encoding", "chunked"),
        ]);
        assert_eq!(to_agent(&answer, Some(&key)), map(&[("x-request-id", "7")]));
    }
}
