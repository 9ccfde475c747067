//! The HTTP side: addresses, headers, time limits, retries, and what an answer means.

use std::time::{Duration, Instant};

use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::address::{is_loopback, parse_base_url};
use super::error::{Cause, ClientError, InvalidToken};
use crate::problem::{Code, Problem};
use outwork_domain::limits::{DIFF_BYTES, SESSION_BYTES};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the first byte sent to the last byte of the answer.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two pieces of a long answer. The server sends a comment every 15 s on event streams.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(45);
/// Bodies are given a second more for each of these many bytes.
const SLOWEST_BYTES_PER_SECOND: usize = 256 * 1024;
/// An answer that comes more slowly, after [`REQUEST_TIMEOUT`], is given up: one byte now and then would hold a caller for ever.
const SLOWEST_ANSWER_PER_SECOND: usize = 4 * 1024;
/// The largest answer as JSON. A page of 100 environments with long scripts has a tenth of it.
const JSON_BYTES: usize = 64 * 1024 * 1024;
/// The largest answer that is a diff or a session.
const OBJECT_BYTES: usize = if DIFF_BYTES > SESSION_BYTES {
    DIFF_BYTES
} else {
    SESSION_BYTES
};
/// The largest answer that says no.
const PROBLEM_BYTES: usize = 1024 * 1024;
/// How often a request that is safe to repeat is repeated, and how long each time waits before.
const RETRY_AFTER: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];
/// How often to ask again while the server still works on the same request.
const IN_FLIGHT_TRIES: u32 = 50;
const IN_FLIGHT_DELAY: Duration = Duration::from_millis(200);

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A bearer token. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Takes a token as it was typed or read from a file: white space around it is dropped.
    pub fn parse(text: &str) -> Result<Self, InvalidToken> {
        let text = text.trim();
        let is_plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if is_plain {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidToken)
        }
    }

    /// The token itself, to be written to a credentials file.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(****)")
    }
}

/// Names one request, so that it can be sent again without being done twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// From 128 random bits.
    pub fn from_random(random: u128) -> Self {
        Self(format!("{random:032x}"))
    }

    /// The header's value.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A connection to one server, for one token. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base_url: Url,
    token: Token,
}

/// One request.
pub(super) struct Call {
    pub method: Method,
    pub url: Url,
    pub content: Option<(&'static str, Vec<u8>)>,
    pub headers: HeaderMap,
    /// The whole time; `None` for answers that flow.
    pub timeout: Option<Duration>,
    /// Whether doing it twice is the same as doing it once.
    pub repeatable: bool,
}

impl Call {
    pub fn new(method: Method, url: Url) -> Self {
        let repeatable = matches!(method, Method::GET | Method::PUT | Method::DELETE);
        Self {
            method,
            url,
            content: None,
            headers: HeaderMap::new(),
            timeout: Some(REQUEST_TIMEOUT),
            repeatable,
        }
    }

    pub fn json(self, body: &impl Serialize) -> Self {
        let bytes = serde_json::to_vec(body).expect("wire types have string keys only");
        self.bytes("application/json", bytes)
    }

    pub fn bytes(mut self, content_type: &'static str, bytes: Vec<u8>) -> Self {
        let seconds = bytes.len() / SLOWEST_BYTES_PER_SECOND;
        self.timeout = self
            .timeout
            .map(|timeout| timeout + Duration::from_secs(seconds as u64));
        self.content = Some((content_type, bytes));
        self
    }

    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("keys, ids and numbers are plain text");
        self.headers.insert(name, value);
        self
    }

    pub fn key(mut self, key: &IdempotencyKey) -> Self {
        self.repeatable = true;
        self.header(IDEMPOTENCY_KEY, key.as_str())
    }

    pub fn timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    pub fn once(mut self) -> Self {
        self.repeatable = false;
        self
    }
}

impl Client {
    /// A client for the server at `base_url`, such as `https://outwork.example/` or with a path.
    pub fn new(base_url: &str, token: Token) -> Result<Self, ClientError> {
        let base_url =
            parse_base_url(base_url).map_err(|error| ClientError::Setup(error.into()))?;
        let mut authorization =
            HeaderValue::from_str(&format!("Bearer {}", token.0)).expect("a token is plain text");
        authorization.set_sensitive(true);
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("outwork/", env!("CARGO_PKG_VERSION")))
            .default_headers(HeaderMap::from_iter([(
                header::AUTHORIZATION,
                authorization,
            )]))
            .connect_timeout(CONNECT_TIMEOUT)
            // A redirect would turn a POST into a GET, and could carry the token elsewhere.
            .redirect(reqwest::redirect::Policy::none());
        if base_url.scheme() == "http" {
            // Loading the machine's root certificates costs milliseconds and nothing asks for them.
            builder = builder.tls_certs_only([]);
        }
        if is_loopback(&base_url) {
            builder = builder.no_proxy();
        }
        let http = builder
            .build()
            .map_err(|error| ClientError::Setup(Box::new(error)))?;
        Ok(Self {
            http,
            base_url,
            token,
        })
    }

    /// The same with connections of its own. A connection is driven by the runtime that made it, so what must not wait for
    /// another runtime shares none with it.
    pub(super) fn apart(&self) -> Result<Self, ClientError> {
        Self::new(self.base_url.as_str(), self.token.clone())
    }

    /// Where the server is, without a slash at the end.
    pub fn base_url(&self) -> &str {
        self.base_url.as_str().trim_end_matches('/')
    }

    /// The address of `segments` below the server's, each escaped.
    pub(super) fn url(&self, segments: &[&str], query: &[(&str, Option<String>)]) -> Url {
        let mut url = self.base_url.clone();
        url.path_segments_mut()
            .expect("http addresses have paths")
            .pop_if_empty()
            .extend(segments);
        for (name, value) in query {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        url
    }

    /// Sends, again if that is safe, and turns every answer other than success into an error.
    pub(super) async fn send(&self, call: Call) -> Result<Response, ClientError> {
        let repeatable = call.repeatable;
        let request = self.request(call)?;
        let mut delays = RETRY_AFTER.iter();
        let mut in_flight = 0;
        loop {
            let copy = request
                .try_clone()
                .expect("the body is bytes, not a stream");
            let error = match self.http.execute(copy).await {
                Ok(response) => match self.accept(response).await {
                    Err(ClientError::Problem(problem))
                        if problem.is(Code::IdempotencyInFlight) && in_flight < IN_FLIGHT_TRIES =>
                    {
                        in_flight += 1;
                        tokio::time::sleep(IN_FLIGHT_DELAY).await;
                        continue;
                    }
                    answer => return answer,
                },
                Err(error) => error,
            };
            let is_safe = error.is_connect() || (repeatable && !error.is_timeout());
            match delays.next() {
                Some(delay) if is_safe => tokio::time::sleep(*delay).await,
                _ => return Err(self.unreachable(Box::new(error.without_url()))),
            }
        }
    }

    /// Sends and reads the answer as JSON.
    pub(super) async fn json<T: DeserializeOwned>(&self, call: Call) -> Result<T, ClientError> {
        let response = self.send(call).await?;
        let status = response.status().as_u16();
        let bytes = self.body(response, JSON_BYTES).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            self.protocol(status, "the answer is not as expected", Some(error.into()))
        })
    }

    /// Sends and reads the answer as bytes.
    pub(super) async fn bytes(&self, call: Call) -> Result<Vec<u8>, ClientError> {
        let response = self.open(call).await?;
        self.body(response, OBJECT_BYTES).await
    }

    /// Sends once, for an answer that flows: the headers must come within the request's time.
    pub(super) async fn open(&self, call: Call) -> Result<Response, ClientError> {
        match tokio::time::timeout(REQUEST_TIMEOUT, self.send(call)).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(self.unreachable(Box::new(elapsed))),
        }
    }

    /// The next piece of an answer that flows; `None` at its end.
    pub(super) async fn chunk(
        &self,
        response: &mut Response,
    ) -> Result<Option<impl AsRef<[u8]> + use<>>, ClientError> {
        match tokio::time::timeout(IDLE_TIMEOUT, response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(self.unreachable(Box::new(error.without_url()))),
            Err(elapsed) => Err(self.unreachable(Box::new(elapsed))),
        }
    }

    pub(super) fn unreachable(&self, source: Cause) -> ClientError {
        ClientError::Unreachable {
            url: self.base_url().to_owned(),
            source,
        }
    }

    pub(super) fn protocol(
        &self,
        status: u16,
        detail: impl Into<String>,
        source: Option<Cause>,
    ) -> ClientError {
        ClientError::Protocol {
            url: self.base_url().to_owned(),
            status,
            detail: detail.into(),
            source,
        }
    }

    fn request(&self, call: Call) -> Result<Request, ClientError> {
        let Call {
            method,
            url,
            content,
            headers,
            timeout,
            repeatable: _,
        } = call;
        let mut builder = self.http.request(method, url).headers(headers);
        if let Some(timeout) = timeout {
            builder = builder.timeout(timeout);
        }
        if let Some((content_type, bytes)) = content {
            builder = builder
                .header(header::CONTENT_TYPE, content_type)
                .body(bytes);
        }
        builder
            .build()
            .map_err(|error| ClientError::Setup(Box::new(error)))
    }

    async fn accept(&self, response: Response) -> Result<Response, ClientError> {
        let status = response.status();
        if status.is_success() {
            return self.not_a_page(response);
        }
        if status.is_redirection() {
            let target = response
                .headers()
                .get(header::LOCATION)
                .and_then(|value| value.to_str().ok())
                .unwrap_or("somewhere else");
            let target: String = target.chars().take(200).collect();
            let detail = format!("it redirects to {target}; use that address");
            return Err(self.protocol(status.as_u16(), detail, None));
        }
        let later = retry_after(response.headers());
        let body = self.body(response, PROBLEM_BYTES).await;
        let problem = body.and_then(|bytes| {
            serde_json::from_slice::<Problem>(&bytes)
                .map_err(|_| self.protocol(status.as_u16(), format!("status {status}"), None))
        });
        Err(match (problem, later) {
            (Ok(mut problem), later) => {
                // What is between client and server knows better than the body what it is.
                problem.status = status.as_u16();
                let later = later.map(|seconds| format!("Try again in {seconds} seconds."));
                problem.hint = problem.hint.or(later);
                ClientError::Problem(Box::new(problem))
            }
            (Err(ClientError::Protocol { status, detail, .. }), Some(seconds)) => {
                let detail = format!("{detail}; it asks to try again in {seconds} seconds");
                self.protocol(status, detail, None)
            }
            (Err(error), _) => error,
        })
    }

    /// A sign-in page of what stands in between is no answer, though its status says so.
    fn not_a_page(&self, response: Response) -> Result<Response, ClientError> {
        let content_type = response.headers().get(header::CONTENT_TYPE);
        let is_page = content_type.is_some_and(|it| it.as_bytes().starts_with(b"text/html"));
        match is_page {
            true => Err(self.protocol(
                response.status().as_u16(),
                "it answers with a web page",
                None,
            )),
            false => Ok(response),
        }
    }

    /// All of an answer of at most `limit` bytes, unless it comes so slowly that it would never end.
    async fn body(&self, mut response: Response, limit: usize) -> Result<Vec<u8>, ClientError> {
        let status = response.status().as_u16();
        let begun = Instant::now();
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk(&mut response).await? {
            let chunk = chunk.as_ref();
            if chunk.len() > limit - bytes.len() {
                let detail = format!("the answer is larger than {limit} bytes");
                return Err(self.protocol(status, detail, None));
            }
            bytes.extend_from_slice(chunk);
            let seconds = bytes.len() / SLOWEST_ANSWER_PER_SECOND;
            if begun.elapsed() > REQUEST_TIMEOUT + Duration::from_secs(seconds as u64) {
                return Err(self.unreachable("the answer comes too slowly".into()));
            }
        }
        Ok(bytes)
    }
}

/// How many seconds to wait, where a server or what stands before it says so.
fn retry_after(headers: &HeaderMap) -> Option<u32> {
    headers
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_plain_line_and_never_printed() {
        let token = Token::parse(" ow_secret\n").expect("a token");
        assert_eq!(token.reveal(), "ow_secret");
        assert_eq!(format!("{token:?}"), "Token(****)");
        for text in ["", "  ", "a b", "a\nb", "ü"] {
            assert_eq!(Token::parse(text), Err(InvalidToken), "{text:?}");
        }
    }
}
