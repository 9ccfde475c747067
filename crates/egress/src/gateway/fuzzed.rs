//! What a fuzzer throws at the counter of tokens.

use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderValue};

use super::endpoint::Endpoint;
use super::usage::{Usage, UsageCounter};

/// The first byte says how the rest is cut, which changes nothing; and what is final stays.
pub fn usage(bytes: &[u8]) {
    let Some((cut, answer)) = bytes.split_first() else {
        return;
    };
    for endpoint in [
        Endpoint::Responses,
        Endpoint::ChatCompletions,
        Endpoint::Messages,
    ] {
        for media_type in ["text/event-stream", "application/json"] {
            let pieces = count(endpoint, media_type, answer, usize::from(*cut) + 1);
            let whole = count(endpoint, media_type, answer, answer.len().max(1));
            assert_eq!(pieces, whole);
        }
    }
}

fn count(
    endpoint: Endpoint,
    media_type: &'static str,
    answer: &[u8],
    piece_bytes: usize,
) -> (Option<Usage>, Option<Usage>) {
    let value = HeaderValue::from_static(media_type);
    let mut counter = UsageCounter::new(endpoint, &HeaderMap::from_iter([(CONTENT_TYPE, value)]));
    for piece in answer.chunks(piece_bytes) {
        counter.feed(piece);
    }
    (counter.final_usage(), counter.finish())
}
