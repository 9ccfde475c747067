//! Errors of the gateway's own, in the shape of the API that was called.

use bytes::Bytes;
use hyper::{Response, StatusCode, header};
use serde_json::{Value, json};

use super::endpoint::Protocol;
use super::request::{Body, whole};

pub(super) struct OwnError {
    pub status: u16,
    /// Stable.
    pub code: &'static str,
    pub message: String,
}

impl OwnError {
    /// Instead of an answer.
    pub(super) fn response(&self, protocol: Protocol) -> Response<Body> {
        let document = self.document(protocol).to_string();
        let mut response = Response::new(whole(Bytes::from(document)));
        *response.status_mut() =
            StatusCode::from_u16(self.status).expect("our own statuses are valid");
        let json = header::HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }

    /// As the last event of a stream that is cut.
    pub(super) fn event(&self, protocol: Protocol) -> Bytes {
        let event = match protocol {
            Protocol::Responses => format!(
                "event: response.failed\ndata: {}\n\n",
                json!({ "type": "response.failed", "sequence_number": 0, "response": self.response_object() })
            ),
            Protocol::ChatCompletions => format!("data: {}\n\n", self.document(protocol)),
            Protocol::Messages => format!("event: error\ndata: {}\n\n", self.document(protocol)),
        };
        Bytes::from(event)
    }

    /// OpenAI's error has no outer `type` and Anthropic's no `code`; clients of
    /// either pass over what they do not know.
    fn document(&self, protocol: Protocol) -> Value {
        let Self { code, message, .. } = self;
        let kind = self.kind(protocol);
        json!({
            "type": "error",
            "error": { "type": kind, "code": code, "message": message, "param": null },
        })
    }

    /// All fields that the API requires of a response.
    fn response_object(&self) -> Value {
        json!({
            "id": "resp_gateway", "object": "response", "created_at": 0, "status": "failed",
            "error": { "code": self.code, "message": self.message },
            "incomplete_details": null, "instructions": null, "metadata": {}, "model": "",
            "output": [], "parallel_tool_calls": true, "tool_choice": "auto", "tools": [],
            "usage": null,
        })
    }

    /// The kinds that the APIs publish.
    fn kind(&self, protocol: Protocol) -> &'static str {
        match (protocol, self.status) {
            (Protocol::Messages, 403) => "permission_error",
            (Protocol::Messages, 413) => "request_too_large",
            (Protocol::Messages, 504) => "timeout_error",
            (Protocol::Messages, 500..) => "api_error",
            (Protocol::Messages, 429) => "rate_limit_error",
            (_, 429) if self.code == "insufficient_quota" => "insufficient_quota",
            (_, 429) => "rate_limit_error",
            (_, 500..) => "server_error",
            (_, _) => "invalid_request_error",
        }
    }
}
