use hyper::header::HeaderValue;

use super::*;

fn headers(media_type: &'static str) -> HeaderMap {
    let value = HeaderValue::from_static(media_type);
    HeaderMap::from_iter([(header::CONTENT_TYPE, value)])
}

/// The count of an answer cut into pieces: known early, and known at the end.
fn count(
    endpoint: Endpoint,
    media_type: &'static str,
    answer: &str,
    cut: usize,
) -> (Option<Usage>, Option<Usage>) {
    let mut counter = UsageCounter::new(endpoint, &headers(media_type), TextSize::default());
    for chunk in answer.as_bytes().chunks(cut) {
        assert_eq!(counter.feed(chunk, None), None, "without a limit");
    }
    (counter.final_usage(), counter.finish())
}

const EVENTS: &str = "text/event-stream; charset=utf-8";
const USAGE: Usage = Usage {
    input: 100,
    cached_input: 40,
    output: 20,
    reasoning: 5,
};
const RESPONSE: &str = r#"{"id":"r","output":[{"usage":{"input_tokens":1}}],"usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":40},"output_tokens":20,"output_tokens_details":{"reasoning_tokens":5},"total_tokens":120}}"#;
const CHAT: &str = r#"{"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":20,"prompt_tokens_details":{"cached_tokens":40},"completion_tokens_details":{"reasoning_tokens":5}}}"#;
const MESSAGES: &str = concat!(
    "event: message_start\n",
    r#"data: {"type":"message_start","message":{"usage":{"input_tokens":50,"cache_creation_input_tokens":10,"cache_read_input_tokens":40,"output_tokens":1}}}"#,
    "\n\nevent: content_block_delta\n",
    r#"data: {"type":"content_block_delta","delta":{"text":"\"usage\""}}"#,
    "\n\nevent: message_delta\n",
    r#"data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":20}}"#,
    "\n\n",
);
const MESSAGE_STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

#[test]
fn each_protocol_is_counted_wherever_the_stream_is_cut() {
    let responses = format!(
        "event: response.created\ndata: {{\"type\":\"response.created\",\"response\":{{\"usage\":null}}}}\n\n\
         data: {{\"type\":\"response.output_text.delta\",\"delta\":\"\\\"response\\\"\"}}\n\n\
         event: response.completed\r\ndata: {{\"type\":\"response.completed\",\"response\":{RESPONSE}}}\r\n\r\n"
    );
    let chat =
        format!("data: {{\"choices\":[{{}}],\"usage\":null}}\n\ndata: {CHAT}\n\ndata: [DONE]\n\n");
    let messages = format!("{MESSAGES}{MESSAGE_STOP}");
    let messages_usage = Usage {
        reasoning: 0,
        ..USAGE
    };
    for (endpoint, stream, usage) in [
        (Endpoint::Responses, &responses, USAGE),
        (Endpoint::ChatCompletions, &chat, USAGE),
        (Endpoint::Messages, &messages, messages_usage),
    ] {
        for cut in 1..=stream.len() {
            let counted = count(endpoint, EVENTS, stream, cut);
            assert_eq!(
                counted,
                (Some(usage), Some(usage)),
                "{endpoint:?} cut {cut}"
            );
        }
    }
}

#[test]
fn documents_are_counted() {
    let message = r#"{"type":"message","usage":{"input_tokens":50,"cache_creation_input_tokens":10,"cache_read_input_tokens":40,"output_tokens":20}}"#;
    let plain = Usage {
        reasoning: 0,
        ..USAGE
    };
    for (endpoint, document, usage) in [
        (Endpoint::Responses, RESPONSE, USAGE),
        (Endpoint::Compact, RESPONSE, USAGE),
        (Endpoint::ChatCompletions, CHAT, USAGE),
        (Endpoint::Messages, message, plain),
    ] {
        for cut in [1, 7, document.len()] {
            let counted = count(endpoint, "application/json", document, cut);
            assert_eq!(counted, (None, Some(usage)), "{endpoint:?} cut {cut}");
        }
    }
}

#[test]
fn what_is_not_said_is_unknown() {
    let unknown = (None, None);
    let completed = |response: &str| {
        format!("data: {{\"type\":\"response.completed\",\"response\":{response}}}\n\n")
    };
    let cut_off = completed(RESPONSE);
    let cut_off = cut_off.trim_end();
    for stream in [
        "",
        "data: {\"type\":\"response.created\",\"response\":{\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n",
        cut_off,
        &completed(r#"{"usage":null}"#),
        &completed(r#"{"usage":{"input_tokens":5}}"#),
        &completed(r#"{"usage":{"input_tokens":-5,"output_tokens":1}}"#),
        "data: {\"type\":\"response.failed\",\"response\":{\"error\":{}}}\n\n",
        "data: not json with \"response\"\n\n",
    ] {
        let counted = count(Endpoint::Responses, EVENTS, stream, 1000);
        assert_eq!(counted, unknown, "{stream}");
    }
    let without_usage = "data: {\"choices\":[{}]}\n\ndata: [DONE]\n\n";
    assert_eq!(
        count(Endpoint::ChatCompletions, EVENTS, without_usage, 9),
        unknown
    );
    assert_eq!(
        count(Endpoint::Messages, EVENTS, MESSAGES, 9),
        unknown,
        "no message_stop"
    );
    let json = "application/json";
    assert_eq!(
        count(Endpoint::Responses, json, &RESPONSE[..50], 9),
        unknown
    );
    assert_eq!(
        count(Endpoint::Responses, "text/html", RESPONSE, 9),
        unknown
    );
}

#[test]
fn a_chat_count_stands_without_done_if_the_body_ended_properly() {
    let stream = format!("data: {CHAT}\n\n");
    let counted = count(Endpoint::ChatCompletions, EVENTS, &stream, 9);
    assert_eq!(counted, (None, Some(USAGE)));
}

#[test]
fn a_compressed_answer_is_not_counted() {
    let mut headers = headers("application/json");
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    let mut counter = UsageCounter::new(Endpoint::Responses, &headers, TextSize::default());
    counter.feed(RESPONSE.as_bytes(), None);
    assert_eq!(counter.finish(), None);
}

/// A stream whose texts are 80 bytes, 10 tokens at least, and what follows them.
fn long(endpoint: Endpoint) -> (Vec<String>, String) {
    let text = "x".repeat(40);
    let delta = |data: String| format!("data: {data}\n\n");
    match endpoint.protocol() {
        Protocol::Responses => {
            let one = format!(r#"{{"type":"response.output_text.delta","delta":"{text}"}}"#);
            let end = format!(r#"{{"type":"response.completed","response":{RESPONSE}}}"#);
            (vec![delta(one.clone()), delta(one)], delta(end))
        }
        Protocol::ChatCompletions => {
            let one = format!(r#"{{"choices":[{{"delta":{{"content":"{text}"}}}}]}}"#);
            (vec![delta(one.clone()), delta(one)], delta(CHAT.to_owned()))
        }
        Protocol::Messages => {
            let one = format!(
                r#"{{"type":"content_block_delta","delta":{{"type":"text_delta","text":"{text}"}}}}"#
            );
            let end = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":100,"output_tokens":20}}"#;
            (vec![delta(one.clone()), delta(one)], delta(end.to_owned()))
        }
    }
}

#[test]
fn a_stream_is_cut_at_the_event_that_goes_over() {
    for endpoint in [
        Endpoint::Responses,
        Endpoint::ChatCompletions,
        Endpoint::Messages,
    ] {
        let (deltas, end) = long(endpoint);
        let stream = deltas.concat() + &end;
        let request = TextSize::of(400);
        let cut = |room| {
            let mut counter = UsageCounter::new(endpoint, &headers(EVENTS), request);
            let at = counter.feed(stream.as_bytes(), Some(room));
            (at, counter.at_least())
        };
        // 50 for the request, 5 for each text.
        assert_eq!(cut(54).0, Some(deltas[0].len()), "{endpoint:?}");
        assert_eq!(cut(55).0, Some(deltas.concat().len()), "{endpoint:?}");
        assert_eq!(cut(60).0, None, "{endpoint:?}: what is through is not cut");
    }
}

#[test]
fn counts_that_come_early_are_better_than_estimates() {
    let request = TextSize::of(1_000_000);
    let mut counter = UsageCounter::new(Endpoint::Messages, &headers(EVENTS), request);
    let start = MESSAGES.split_inclusive("\n\n").next().unwrap();
    assert_eq!(counter.feed(start.as_bytes(), Some(99)), Some(start.len()));
    assert_eq!((counter.at_least(), counter.likely()), (100, 100));

    let mut counter = UsageCounter::new(Endpoint::ChatCompletions, &headers(EVENTS), request);
    let chunk =
        "data: {\"choices\":[{}],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":2}}\n\n";
    assert_eq!(counter.feed(chunk.as_bytes(), Some(10)), None);
    assert_eq!(counter.likely(), 10);
    assert_eq!(counter.feed(chunk.as_bytes(), Some(9)), Some(chunk.len()));
}

#[test]
fn an_answer_that_breaks_off_is_estimated_by_its_size() {
    let request = TextSize::of(400);
    let likely = |media_type, answer: &str| {
        let mut counter =
            UsageCounter::new(Endpoint::ChatCompletions, &headers(media_type), request);
        counter.feed(answer.as_bytes(), None);
        counter.likely()
    };
    let (deltas, _) = long(Endpoint::ChatCompletions);
    assert_eq!(likely(EVENTS, &deltas.concat()), 100 + 20);
    assert_eq!(likely("application/json", &"x".repeat(40)), 100 + 10);
    assert_eq!(likely("text/html", &"x".repeat(40)), 100 + 10);
}
