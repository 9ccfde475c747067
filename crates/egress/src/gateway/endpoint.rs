//! What of the model APIs may be called.

use hyper::{Method, Uri};

use super::refusal::Refusal;

/// The interface that an endpoint belongs to. It decides where the key goes, how
/// tokens are told, and what an error looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Responses,
    ChatCompletions,
    Messages,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `POST /v1/responses` (OpenAI)
    Responses,
    /// `POST /v1/responses/compact` (OpenAI)
    Compact,
    /// `POST /v1/chat/completions` (OpenAI and most others)
    ChatCompletions,
    /// `POST /v1/messages` (Anthropic)
    Messages,
    /// `POST /v1/messages/count_tokens` (Anthropic)
    CountTokens,
    /// `GET /v1/models`
    Models,
}

const ALL: [Endpoint; 6] = [
    Endpoint::Responses,
    Endpoint::Compact,
    Endpoint::ChatCompletions,
    Endpoint::Messages,
    Endpoint::CountTokens,
    Endpoint::Models,
];

/// Parameters that agents are known to send. None carries a credential: a key in
/// the query would let an agent use an account of its own.
const QUERY_PARAMETERS: [&str; 5] = ["beta", "limit", "after_id", "before_id", "client_version"];

impl Endpoint {
    /// As the agent calls it.
    pub fn path(self) -> &'static str {
        match self {
            Self::Responses => "/v1/responses",
            Self::Compact => "/v1/responses/compact",
            Self::ChatCompletions => "/v1/chat/completions",
            Self::Messages => "/v1/messages",
            Self::CountTokens => "/v1/messages/count_tokens",
            Self::Models => "/v1/models",
        }
    }

    pub fn method(self) -> Method {
        match self {
            Self::Models => Method::GET,
            Self::Responses
            | Self::Compact
            | Self::ChatCompletions
            | Self::Messages
            | Self::CountTokens => Method::POST,
        }
    }

    /// `GET /v1/models` has it from both makers; the answer has no tokens.
    pub(super) fn protocol(self) -> Protocol {
        match self {
            Self::Responses | Self::Compact | Self::Models => Protocol::Responses,
            Self::ChatCompletions => Protocol::ChatCompletions,
            Self::Messages | Self::CountTokens => Protocol::Messages,
        }
    }

    /// Whether a successful answer costs tokens.
    pub(super) fn uses_tokens(self) -> bool {
        match self {
            Self::Responses | Self::Compact | Self::ChatCompletions | Self::Messages => true,
            Self::CountTokens | Self::Models => false,
        }
    }

    /// The paths are compared as they came, so an encoded or dotted spelling of
    /// an allowed path is not allowed.
    pub(super) fn of(method: &Method, target: &Uri) -> Result<Self, Refusal> {
        if method == Method::CONNECT || target.scheme().is_some() || target.authority().is_some() {
            return Err(Refusal::Target);
        }
        let mut endpoints = ALL.into_iter();
        let endpoint = endpoints
            .find(|endpoint| endpoint.path() == target.path())
            .ok_or(Refusal::Path)?;
        if *method != endpoint.method() {
            return Err(Refusal::Method);
        }
        let mut parameters = target.query().unwrap_or_default().split('&');
        let is_allowed = |parameter: &str| {
            let name = parameter.split('=').next().unwrap_or_default();
            name.is_empty() || QUERY_PARAMETERS.contains(&name)
        };
        match parameters.all(is_allowed) {
            true => Ok(endpoint),
            false => Err(Refusal::Query),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, target: &str) -> Result<Endpoint, Refusal> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        Endpoint::of(&method, &target.parse().unwrap())
    }

    #[test]
    fn only_whole_undecoded_paths_are_allowed() {
        for endpoint in ALL {
            let (method, path) = (endpoint.method(), endpoint.path());
            assert_eq!(of(method.as_str(), path), Ok(endpoint));
        }
        assert_eq!(of("POST", "/v1/messages?beta=true"), Ok(Endpoint::Messages));
        for path in [
            "/",
            "/v1",
            "/v1/",
            "/v1/responses/",
            "//v1/responses",
            "/v1//responses",
            "/v1/responses/resp_1",
            "/v1/files",
            "/V1/responses",
            "/v1/./responses",
            "/v1/files/../responses",
            "/v1/responses/..",
            "/v1%2Fresponses",
            "/v1/responses%2Fcompact",
            "/v1/%72esponses",
            "/v1/responses%00",
            "/v1/responses;x",
            "*",
        ] {
            assert_eq!(of("POST", path), Err(Refusal::Path), "{path}");
        }
        assert_eq!(of("GET", "/v1/responses"), Err(Refusal::Method));
        assert_eq!(of("DELETE", "/v1/models"), Err(Refusal::Method));
        assert_eq!(of("GET", "http://other/v1/models"), Err(Refusal::Target));
        assert_eq!(of("CONNECT", "other:443"), Err(Refusal::Target));
        assert_eq!(of("GET", "/v1/models?key=k"), Err(Refusal::Query));
        assert_eq!(
            of("GET", "/v1/models?limit=1&api_key=k"),
            Err(Refusal::Query)
        );
        assert_eq!(of("GET", "/v1/models?k%65y=k"), Err(Refusal::Query));
    }
}
