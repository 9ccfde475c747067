//! The requests that Slack makes.

use std::fmt::Write as _;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use outwork_slack::signature::sign;
use serde_json::Value;
use tokio::net::TcpStream;

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    pub status: u16,
    pub body: String,
}

/// A request, ready to be sent.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// An event as JSON, an interaction in a form; signed.
pub(crate) fn signed(payload: &Value, secret: &str, now_seconds: i64) -> Delivery {
    let (kind, body) = match payload["type"].as_str() {
        Some("event_callback" | "url_verification" | "app_rate_limited") => {
            ("application/json", payload.to_string())
        }
        _ => (
            "application/x-www-form-urlencoded",
            format!("payload={}", escaped(&payload.to_string())),
        ),
    };
    let timestamp = now_seconds.to_string();
    let signature = sign(secret, &timestamp, body.as_bytes());
    Delivery {
        headers: vec![
            ("content-type", kind.to_owned()),
            ("x-slack-request-timestamp", timestamp),
            ("x-slack-signature", signature),
        ],
        body: body.into_bytes(),
    }
}

impl Delivery {
    /// Sends it.
    ///
    /// # Panics
    /// If nobody answers.
    pub async fn to(self, url: &str) -> Delivered {
        let rest = url.strip_prefix("http://").expect("an address without TLS");
        let (host, path) = rest.split_once('/').expect("a path");
        let mut request = Request::post(format!("/{path}")).header("host", host);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let body = Full::new(Bytes::from(self.body));
        let request = request.body(body).expect("a request");
        let wire = TcpStream::connect(host).await.expect("the server is there");
        let shaken = hyper::client::conn::http1::handshake(TokioIo::new(wire)).await;
        let (mut sender, connection) = shaken.expect("it speaks HTTP");
        tokio::spawn(connection);
        let response = sender.send_request(request).await.expect("an answer");
        let status = response.status().as_u16();
        let body = response
            .into_body()
            .collect()
            .await
            .expect("a whole answer");
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        Delivered { status, body }
    }

    /// The same where there is no runtime.
    pub fn blocking(self, url: &str) -> Delivered {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime starts").block_on(self.to(url))
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                out.push(char::from(byte))
            }
            other => _ = write!(out, "%{other:02X}"),
        }
    }
    out
}
