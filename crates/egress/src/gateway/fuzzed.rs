//! What a fuzzer throws at the counter of tokens.

use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderValue};

use super::endpoint::Endpoint;
use super::estimate::TextSize;
use super::usage::{Usage, UsageCounter};

/// What became of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Counted {
    is_final: Option<Usage>,
    /// At its proper end.
    at_end: Option<Usage>,
    at_least: u64,
    /// Where the budget was used up.
    cut_at: Option<usize>,
}

/// The first byte says how the rest is cut into pieces, which changes nothing; the second, how much may be used.
pub fn usage(bytes: &[u8]) {
    let [piece_bytes, room, answer @ ..] = bytes else {
        return;
    };
    let room = u64::from(*room) * 16;
    for endpoint in [
        Endpoint::Responses,
        Endpoint::ChatCompletions,
        Endpoint::Messages,
    ] {
        for media_type in ["text/event-stream", "application/json", "text/plain"] {
            let count = |piece_bytes| count(endpoint, media_type, answer, piece_bytes, room);
            let whole = count(answer.len().max(1));
            assert_eq!(count(usize::from(*piece_bytes) + 1), whole);
            assert!(whole.cut_at.is_none_or(|at| at <= answer.len()));
        }
    }
}

fn count(
    endpoint: Endpoint,
    media_type: &'static str,
    answer: &[u8],
    piece_bytes: usize,
    room: u64,
) -> Counted {
    let value = HeaderValue::from_static(media_type);
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, value)]);
    let mut counter = UsageCounter::new(endpoint, &headers, TextSize::of(100));
    let mut cut_at = None;
    let mut fed = 0;
    for piece in answer.chunks(piece_bytes) {
        let at = counter.feed(piece, Some(room));
        cut_at = cut_at.or(at.map(|at| fed + at));
        fed += piece.len();
    }
    Counted {
        is_final: counter.final_usage(),
        at_least: counter.at_least(),
        at_end: counter.finish(),
        cut_at,
    }
}
