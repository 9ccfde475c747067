//! Counting the streams of Chat Completions.
//!
//! Their tokens are told only if the request has `stream_options.include_usage`.
//! Agents that do not ask are asked for; the extra chunk at the end, which has no
//! choices, is kept from them, because many read the first choice of every chunk.

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::mask::find;
use super::usage::SseData;

/// A longer event is not held back.
const MAX_HELD_BYTES: usize = 1 << 20;

/// The request with the wish for a count; `None` if it has it, or is no stream.
/// What cannot be read is left as it is: the endpoint will say so.
pub(super) fn asking_for_usage(request: &[u8]) -> Option<Bytes> {
    #[derive(Deserialize)]
    struct Request {
        stream: Option<bool>,
        stream_options: Option<Map<String, Value>>,
    }
    const WISH: &[u8] = br#""stream_options":{"include_usage":true},"#;
    let read: Request = serde_json::from_slice(request).ok()?;
    if read.stream != Some(true) {
        return None;
    }
    let Some(mut options) = read.stream_options else {
        if find(request, b"\"stream_options\"").is_none() {
            // Put in front, so that nothing else moves: the order of a tool's fields
            // is part of what the model reads.
            let begin = request.iter().position(|&byte| byte == b'{')? + 1;
            return Some([&request[..begin], WISH, &request[begin..]].concat().into());
        }
        return rewritten(request, Map::new());
    };
    match options.get("include_usage") {
        Some(Value::Bool(true)) => None,
        _ => {
            options.remove("include_usage");
            rewritten(request, options)
        }
    }
}

/// For the few that have other options, or say that they want no count.
fn rewritten(request: &[u8], mut options: Map<String, Value>) -> Option<Bytes> {
    let mut request: Map<String, Value> = serde_json::from_slice(request).ok()?;
    options.insert("include_usage".into(), Value::Bool(true));
    request.insert("stream_options".into(), Value::Object(options));
    serde_json::to_vec(&request).ok().map(Bytes::from)
}

/// Takes the chunk with nothing but the count out of a stream.
pub(super) struct HideUsage {
    events: SseData,
    /// The event that has not ended yet; it is of no use to the agent before.
    held: BytesMut,
}

impl HideUsage {
    pub(super) fn new() -> Self {
        Self {
            events: SseData::new(MAX_HELD_BYTES),
            held: BytesMut::new(),
        }
    }

    pub(super) fn feed(&mut self, chunk: &[u8]) -> Bytes {
        let Self { events, held } = self;
        let mut passed = BytesMut::new();
        let mut from = 0;
        events.feed(chunk, |data, end| {
            held.extend_from_slice(&chunk[from..end]);
            from = end;
            let event = held.split();
            if !is_only_usage(data) {
                passed.extend_from_slice(&event);
            }
        });
        held.extend_from_slice(&chunk[from..]);
        if held.len() > MAX_HELD_BYTES {
            passed.extend_from_slice(&held.split());
        }
        passed.freeze()
    }

    /// What is left at the end of the answer.
    pub(super) fn finish(&mut self) -> Bytes {
        self.held.split().freeze()
    }
}

fn is_only_usage(data: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Chunk {
        choices: Vec<IgnoredAny>,
        usage: Option<IgnoredAny>,
    }
    find(data, b"\"usage\"").is_some()
        && serde_json::from_slice::<Chunk>(data)
            .is_ok_and(|chunk| chunk.choices.is_empty() && chunk.usage.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(request: &str) -> Option<String> {
        asking_for_usage(request.as_bytes()).map(|b| String::from_utf8(b.to_vec()).unwrap())
    }

    #[test]
    fn a_stream_is_asked_for_its_count() {
        let wish = r#""stream_options":{"include_usage":true}"#;
        assert_eq!(
            asking(" {\"z\":1, \"stream\": true,\"a\":{\"y\":1,\"b\":2}}"),
            Some(format!(
                " {{{wish},\"z\":1, \"stream\": true,\"a\":{{\"y\":1,\"b\":2}}}}"
            ))
        );
        for options in ["null", "{}", r#"{"include_usage":false}"#] {
            let request = format!(r#"{{"stream":true,"stream_options":{options}}}"#);
            let expected = format!(r#"{{"stream":true,{wish}}}"#);
            assert_eq!(asking(&request), Some(expected), "{options}");
        }
        let kept = asking(r#"{"stream":true,"stream_options":{"x":1}}"#).unwrap();
        assert!(kept.contains(r#""x":1"#) && kept.contains(r#""include_usage":true"#));
    }

    #[test]
    fn what_needs_no_wish_is_left_as_it_is() {
        for request in [
            r#"{"stream":true,"stream_options":{"include_usage":true}}"#,
            r#"{"stream":false}"#,
            r#"{"messages":[]}"#,
            r#"{"stream":true"#,
            r#"{"stream":true,"stream":false}"#,
            r#"[{"stream":true}]"#,
            "",
        ] {
            assert_eq!(asking(request), None, "{request}");
        }
    }

    #[test]
    fn only_the_count_is_hidden_however_the_stream_is_cut() {
        let before = ": ping\n\ndata: {\"choices\":[{}],\"usage\":null}\n\ndata: {\"choices\":[],\"prompt_filter_results\":[]}\n\n";
        let count = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n";
        let after = "data: {\"choices\":[{}],\"usage\":{\"prompt_tokens\":1}}\r\n\r\ndata: [DONE]\n\ndata: left";
        let stream = format!("{before}{count}{after}");
        for cut in 1..=stream.len() {
            let mut hide = HideUsage::new();
            let mut passed = Vec::new();
            for chunk in stream.as_bytes().chunks(cut) {
                passed.extend_from_slice(&hide.feed(chunk));
            }
            passed.extend_from_slice(&hide.finish());
            let passed = String::from_utf8(passed).unwrap();
            assert_eq!(passed, format!("{before}{after}"), "cut {cut}");
        }
    }
}
