//! The text that one event of a stream adds.

use std::borrow::Cow;

use serde::Deserialize;

use super::super::endpoint::Protocol;
use super::super::estimate::TextSize;

/// What is not read as a delta adds nothing: an estimate may be too low.
pub(super) fn text_in(protocol: Protocol, data: &[u8]) -> TextSize {
    let bytes = match protocol {
        Protocol::Responses => read::<ResponsesDelta<'_>>(data).map(|event| length(&event.delta)),
        Protocol::ChatCompletions => read::<ChatChunk<'_>>(data).map(|chunk| chunk.length()),
        Protocol::Messages => read::<MessagesDelta<'_>>(data).map(|event| event.delta.length()),
    };
    TextSize::of(bytes.unwrap_or(0))
}

fn read<'a, T: Deserialize<'a>>(data: &'a [u8]) -> Option<T> {
    serde_json::from_slice(data).ok()
}

fn length(text: &Option<Cow<'_, str>>) -> usize {
    text.as_ref().map_or(0, |text| text.len())
}

#[derive(Deserialize)]
struct ResponsesDelta<'a> {
    #[serde(borrow)]
    delta: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct ChatChunk<'a> {
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    delta: Option<ChatDelta<'a>>,
}

#[derive(Deserialize)]
struct ChatDelta<'a> {
    #[serde(borrow)]
    content: Option<Cow<'a, str>>,
    /// Of servers of open models.
    #[serde(borrow)]
    reasoning_content: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<ToolCall<'a>>>,
}

#[derive(Deserialize)]
struct ToolCall<'a> {
    #[serde(borrow)]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    arguments: Option<Cow<'a, str>>,
}

impl ChatChunk<'_> {
    fn length(&self) -> usize {
        let deltas = self.choices.iter().filter_map(|c| c.delta.as_ref());
        deltas.map(ChatDelta::length).sum()
    }
}

impl ChatDelta<'_> {
    fn length(&self) -> usize {
        let calls = self.tool_calls.iter().flatten();
        let arguments = calls.filter_map(|call| call.function.as_ref());
        let arguments: usize = arguments.map(|f| length(&f.arguments)).sum();
        length(&self.content) + length(&self.reasoning_content) + arguments
    }
}

#[derive(Deserialize)]
struct MessagesDelta<'a> {
    #[serde(borrow)]
    delta: BlockDelta<'a>,
}

#[derive(Deserialize)]
struct BlockDelta<'a> {
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    thinking: Option<Cow<'a, str>>,
    #[serde(borrow)]
    partial_json: Option<Cow<'a, str>>,
}

impl BlockDelta<'_> {
    fn length(&self) -> usize {
        length(&self.text) + length(&self.thinking) + length(&self.partial_json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_delta_is_measured() {
        let size = |protocol, data: &str| text_in(protocol, data.as_bytes());
        for (protocol, data, bytes) in [
            (
                Protocol::Responses,
                r#"{"type":"x.delta","delta":"a\nb"}"#,
                3,
            ),
            (Protocol::Responses, r#"{"response":{"delta":"abc"}}"#, 0),
            (
                Protocol::ChatCompletions,
                r#"{"choices":[{"delta":{"content":"ab","reasoning_content":"c","tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}]}"#,
                5,
            ),
            (Protocol::ChatCompletions, "[DONE]", 0),
            (
                Protocol::Messages,
                r#"{"delta":{"type":"text_delta","text":"é"}}"#,
                2,
            ),
            (Protocol::Messages, r#"{"delta":{"thinking":"hm"}}"#, 2),
            (
                Protocol::Messages,
                r#"{"delta":{"partial_json":"{\"a\""}}"#,
                4,
            ),
            (Protocol::Messages, r#"{"delta":{"signature":"c2ln"}}"#, 0),
        ] {
            assert_eq!(size(protocol, data), TextSize::of(bytes), "{data}");
        }
    }
}
