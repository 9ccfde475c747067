//! What webhooks deliver, made from GitHub's own examples.

use std::io::{Read, Write};
use std::net::TcpStream;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{EXAMPLES, GitHub};

/// A delivery, as it is sent: once or more often.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub id: String,
    pub event: String,
    pub body: Vec<u8>,
}

impl Delivery {
    pub fn new(event: &str, payload: Value) -> Self {
        let body = serde_json::to_vec(&payload).expect("JSON");
        Self {
            id: sign("delivery", &body)[..36].to_owned(),
            event: event.to_owned(),
            body,
        }
    }

    /// The headers that GitHub sends along.
    pub fn headers(&self, secret: &str) -> Vec<(&'static str, String)> {
        vec![
            ("content-type", "application/json".to_owned()),
            ("user-agent", "GitHub-Hookshot/044aadd".to_owned()),
            ("x-github-event", self.event.clone()),
            ("x-github-delivery", self.id.clone()),
            (
                "x-hub-signature-256",
                format!("sha256={}", sign(secret, &self.body)),
            ),
        ]
    }
}

impl Delivery {
    /// Sends it there, and answers the status.
    pub fn send(&self, url: &str, secret: &str) -> u16 {
        let rest = url.strip_prefix("http://").expect("plain http");
        let (host, path) = rest.split_once('/').expect("a path");
        let mut head = format!("POST /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
        for (name, value) in self.headers(secret) {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", self.body.len());
        let mut stream = TcpStream::connect(host).expect("it listens");
        stream.write_all(head.as_bytes()).expect("it reads");
        stream.write_all(&self.body).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok());
        status.expect("a status")
    }
}

/// HMAC-SHA256, in hexadecimal digits.
pub fn sign(secret: &str, body: &[u8]) -> String {
    let mut code = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    code.update(body);
    let bytes = code.finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn example(github: &GitHub, event: &str, action: &str, by: &str) -> Value {
    let all: Vec<Value> = serde_json::from_str(EXAMPLES).expect("JSON");
    let mut fitting = all
        .into_iter()
        .filter(|one| one["event"] == event && one["payload"]["action"] == action);
    let mut payload = fitting.next().expect("an example")["payload"].take();
    let id = github.shared.state().people.get(by).map_or(999, |it| it.0);
    payload["repository"]["full_name"] = json!("team/repo");
    payload["repository"]["clone_url"] = json!(github.url());
    payload["sender"]["login"] = json!(by);
    payload["sender"]["id"] = json!(id);
    if github.shared.state().app.is_some() {
        payload["installation"] = json!({"id": 5});
    }
    payload
}

pub fn comment(github: &GitHub, number: u64, by: &str, comment: u64, body: &str) -> Delivery {
    let mut payload = example(github, "issue_comment", "created", by);
    let issue = github.of(number);
    payload["issue"]["number"] = json!(number);
    payload["issue"]["title"] = json!(issue.title);
    payload["issue"]["body"] = json!(issue.body);
    if issue.pull.is_some() {
        payload["issue"]["pull_request"] =
            json!({"url": format!("{}/repos/team/repo/pulls/{number}", github.api_url())});
    }
    payload["comment"]["id"] = json!(comment);
    payload["comment"]["body"] = json!(body);
    let sender = payload["sender"].clone();
    payload["comment"]["user"] = sender;
    Delivery::new("issue_comment", payload)
}
