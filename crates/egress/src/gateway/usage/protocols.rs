//! Where the three APIs put their token counts, and the text in their streams.
//!
//! - Responses: the last event (`response.completed`, `.incomplete` or `.failed`) has
//!   the whole response with its `usage`.
//! - Chat Completions: a chunk with `usage`, if the request asked for it; `[DONE]`
//!   ends the stream. Some servers put the count so far into each chunk.
//! - Messages: `message_start` counts the input; each `message_delta` the output so
//!   far; `message_stop` ends the stream.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::super::endpoint::Protocol;
use super::super::estimate::TextSize;
use super::super::mask::find;
use super::Usage;
use super::deltas::text_in;

/// What is known from the part of an answer read so far.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub usage: Option<Usage>,
    /// Nothing that follows can change it.
    pub is_final: bool,
    /// The model has written all it will write.
    pub is_ending: bool,
    message: Option<MessagesUsage>,
    /// In the events so far.
    text: TextSize,
}

impl Reading {
    pub(super) fn event(&mut self, protocol: Protocol, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        self.text += text_in(protocol, data);
        match protocol {
            Protocol::Responses => self.responses_event(data),
            Protocol::ChatCompletions => self.chat_event(data),
            Protocol::Messages => self.messages_event(data),
        }
    }

    pub(super) fn document(&mut self, protocol: Protocol, document: &[u8]) {
        self.usage = match protocol {
            Protocol::Responses => usage_in::<ResponsesUsage>(document).map(Usage::from),
            Protocol::ChatCompletions => usage_in::<ChatUsage>(document).map(Usage::from),
            Protocol::Messages => {
                let usage = usage_in::<MessagesUsage>(document);
                usage.and_then(MessagesUsage::complete)
            }
        };
        self.is_final = true;
    }

    /// The tokens of a call so far, its request of that size included.
    pub(super) fn at_least(&self, request: TextSize) -> u64 {
        self.counted().unwrap_or_else(|| {
            let input = self.input().unwrap_or(request.at_least());
            input.saturating_add(self.text.at_least())
        })
    }

    /// `unread`: of an answer that is no stream.
    pub(super) fn likely(&self, request: TextSize, unread: TextSize) -> u64 {
        self.counted().unwrap_or_else(|| {
            let input = self.input().unwrap_or(request.likely());
            let mut text = self.text;
            text += unread;
            input.saturating_add(text.likely())
        })
    }

    fn counted(&self) -> Option<u64> {
        self.usage.map(Usage::total)
    }

    /// Told at the beginning by Messages only.
    fn input(&self) -> Option<u64> {
        self.message.and_then(MessagesUsage::input)
    }

    /// At the proper end of the body, the count of Chat Completions stands even if
    /// `[DONE]` is missing; the other two always say that they are through.
    pub(super) fn at_end(&self, protocol: Protocol) -> Option<Usage> {
        match (self.is_final, protocol) {
            (true, _) | (false, Protocol::ChatCompletions) => self.usage,
            (false, Protocol::Responses | Protocol::Messages) => None,
        }
    }

    fn responses_event(&mut self, data: &[u8]) {
        // All other events are deltas and parts, and there are many.
        if find(data, b"\"response\"").is_none() {
            return;
        }
        let Ok(event) = serde_json::from_slice::<ResponsesEvent>(data) else {
            return;
        };
        let is_last = ["completed", "incomplete", "failed"]
            .iter()
            .any(|end| event.kind.strip_prefix("response.") == Some(end));
        if is_last {
            let usage = event.response.and_then(|response| response.usage);
            self.usage = usage.map(Usage::from);
            (self.is_final, self.is_ending) = (true, true);
        }
    }

    fn chat_event(&mut self, data: &[u8]) {
        if data == b"[DONE]" {
            (self.is_final, self.is_ending) = (true, true);
        } else if find(data, b"\"usage\"").is_some()
            && let Ok(chunk) = serde_json::from_slice::<ChatChunk>(data)
            && let Some(usage) = chunk.usage
        {
            // Where each chunk has the count so far, the last holds.
            self.usage = Some(usage.into());
            self.is_ending = chunk.choices.is_empty();
        }
    }

    fn messages_event(&mut self, data: &[u8]) {
        let Ok(event) = serde_json::from_slice::<MessagesEvent>(data) else {
            return;
        };
        match event.kind.as_str() {
            "message_start" => self.message = event.message.and_then(|message| message.usage),
            "message_delta" => {
                self.is_ending = event.delta.is_some_and(|delta| delta.stop_reason.is_some());
                if let (Some(message), Some(delta)) = (&mut self.message, event.usage) {
                    message.update(delta);
                    self.usage = message.complete();
                }
            }
            "message_stop" => (self.is_final, self.is_ending) = (true, true),
            _ => {}
        }
    }
}

fn usage_in<T: for<'de> Deserialize<'de>>(document: &[u8]) -> Option<T> {
    #[derive(Deserialize)]
    struct Document<T> {
        usage: Option<T>,
    }
    let document: Document<T> = serde_json::from_slice(document).ok()?;
    document.usage
}

#[derive(Deserialize)]
struct ResponsesEvent {
    #[serde(rename = "type")]
    kind: String,
    response: Option<ResponsesDocument>,
}

#[derive(Deserialize)]
struct ResponsesDocument {
    usage: Option<ResponsesUsage>,
}

#[derive(Deserialize)]
struct ResponsesUsage {
    input_tokens: u64,
    output_tokens: u64,
    input_tokens_details: Option<InputDetails>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Deserialize)]
struct ChatChunk {
    #[serde(default)]
    choices: Vec<IgnoredAny>,
    usage: Option<ChatUsage>,
}

#[derive(Deserialize)]
struct ChatUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
    /// DeepSeek's name for what others have in the details.
    prompt_cache_hit_tokens: Option<u64>,
    prompt_tokens_details: Option<InputDetails>,
    completion_tokens_details: Option<OutputDetails>,
}

#[derive(Deserialize)]
struct InputDetails {
    cached_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct MessagesEvent {
    #[serde(rename = "type")]
    kind: String,
    message: Option<MessagesDocument>,
    usage: Option<MessagesUsage>,
    delta: Option<MessagesDelta>,
}

#[derive(Deserialize)]
struct MessagesDelta {
    stop_reason: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct MessagesDocument {
    usage: Option<MessagesUsage>,
}

/// Without what was read from or written to the cache, `input_tokens` is what is left.
#[derive(Clone, Copy, Debug, Deserialize)]
struct MessagesUsage {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

impl MessagesUsage {
    /// Counts are cumulative.
    fn update(&mut self, delta: Self) {
        let Self {
            input_tokens,
            cache_creation_input_tokens,
            cache_read_input_tokens,
            output_tokens,
        } = delta;
        self.input_tokens = input_tokens.or(self.input_tokens);
        self.cache_creation_input_tokens =
            cache_creation_input_tokens.or(self.cache_creation_input_tokens);
        self.cache_read_input_tokens = cache_read_input_tokens.or(self.cache_read_input_tokens);
        self.output_tokens = output_tokens.or(self.output_tokens);
    }

    fn input(self) -> Option<u64> {
        let cached = self.cache_read_input_tokens.unwrap_or(0);
        let created = self.cache_creation_input_tokens.unwrap_or(0);
        let rest = self.input_tokens?;
        Some(rest.saturating_add(cached).saturating_add(created))
    }

    fn complete(self) -> Option<Usage> {
        Some(Usage {
            input: self.input()?,
            cached_input: self.cache_read_input_tokens.unwrap_or(0),
            output: self.output_tokens?,
            reasoning: 0,
        })
    }
}

impl From<ResponsesUsage> for Usage {
    fn from(usage: ResponsesUsage) -> Self {
        Self {
            input: usage.input_tokens,
            cached_input: cached(usage.input_tokens_details),
            output: usage.output_tokens,
            reasoning: reasoning(usage.output_tokens_details),
        }
    }
}

impl From<ChatUsage> for Usage {
    fn from(usage: ChatUsage) -> Self {
        Self {
            input: usage.prompt_tokens,
            cached_input: usage
                .prompt_cache_hit_tokens
                .unwrap_or_else(|| cached(usage.prompt_tokens_details)),
            output: usage.completion_tokens,
            reasoning: reasoning(usage.completion_tokens_details),
        }
    }
}

fn cached(details: Option<InputDetails>) -> u64 {
    details.and_then(|d| d.cached_tokens).unwrap_or(0)
}

fn reasoning(details: Option<OutputDetails>) -> u64 {
    details.and_then(|d| d.reasoning_tokens).unwrap_or(0)
}
