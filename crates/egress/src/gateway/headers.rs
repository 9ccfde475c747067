//! Which headers pass, in each direction, and where the key goes.

use hyper::HeaderMap;
use hyper::header::{self, HeaderName, HeaderValue};

use super::endpoint::Endpoint;
use super::upstream::ApiKey;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

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

/// Not for the agent to say: credentials, the account that pays, the host, the
/// framing, and an encoding that would hide the token counts.
const NOT_FROM_AGENT: [&str; 14] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
    "openai-organization",
    "openai-project",
    "host",
    "content-length",
    "expect",
    "accept-encoding",
    "forwarded",
    "via",
    "x-real-ip",
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
        .filter(|name| name.as_str().starts_with("x-forwarded-"))
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
    headers
}

enum KeyHeader {
    Bearer,
    XApiKey,
}

/// The key goes where the agent put its own: that is how its API does it. An
/// agent without any gets the API's usual header.
fn key_header(endpoint: Endpoint, from_agent: &HeaderMap) -> KeyHeader {
    if from_agent.contains_key(X_API_KEY) {
        return KeyHeader::XApiKey;
    }
    if from_agent.contains_key(header::AUTHORIZATION) {
        return KeyHeader::Bearer;
    }
    match endpoint {
        Endpoint::Messages | Endpoint::CountTokens => KeyHeader::XApiKey,
        Endpoint::Responses | Endpoint::Compact | Endpoint::ChatCompletions | Endpoint::Models => {
            KeyHeader::Bearer
        }
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
