//! What a fuzzer throws bytes at, and what must hold whatever they are. The tests below do the same with the seeds.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use outwork_api::event::EventBody;

use crate::attempt::patch_stat;
use crate::mask::{EventMasker, MaskStream, Masker};
use crate::session;

/// Values that begin alike, lie in each other, and have several lines.
const SECRETS: [(&str, &str); 4] = [
    ("TOKEN", "s3cr3t-canary-4711"),
    ("LONGER", "s3cr3t-canary-4711-and-more"),
    ("OTHER", "canary-4711-s3cr3t"),
    (
        "KEY",
        "-----BEGIN-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEF\n-----END-----",
    ),
];

/// Making it takes longer than anything that it does here.
static MASKER: LazyLock<Masker> = LazyLock::new(|| Masker::new(SECRETS));

/// A text of ordinary bytes, in which some stand for parts of secrets: a fuzzer would not find them.
fn text_with_secrets(bytes: &[u8]) -> String {
    let mut text = Vec::new();
    for &byte in bytes {
        match byte {
            0x80..=0xbf => {
                let (_, value) = SECRETS[usize::from(byte & 3)];
                let part = value.len() * usize::from((byte >> 2) & 15) / 15;
                text.extend(&value.as_bytes()[..part]);
            }
            0xc0..=0xff => {
                let (_, value) = SECRETS[usize::from(byte & 3)];
                let part = value.len() * usize::from((byte >> 2) & 15) / 15;
                text.extend(&value.as_bytes()[part..]);
            }
            other => text.push(other),
        }
    }
    String::from_utf8(text).expect("secrets are ASCII")
}

fn pieces(text: &str, length: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(rest.ceil_char_boundary(length));
        pieces.push(piece);
        rest = tail;
    }
    pieces
}

fn assert_masked(text: &str) {
    for (name, value) in SECRETS {
        assert!(!text.contains(value), "{name} is in {text:?}");
    }
}

/// No value is left, however the text was cut, and the cuts change nothing.
pub fn mask(bytes: &[u8]) {
    let Some((cut, rest)) = bytes.split_first() else {
        return;
    };
    let masker = &*MASKER;
    let text = text_with_secrets(rest);
    let whole = masker.mask(&text).into_owned();
    assert_masked(&whole);
    let mut stream = MaskStream::default();
    let said = pieces(&text, usize::from(cut % 32) + 1)
        .into_iter()
        .map(|piece| stream.push(masker, piece))
        .collect::<String>();
    assert_eq!(said + &stream.finish(masker), whole);
}

/// The same of a log in which several streams and other entries come by turns.
pub fn mask_events(bytes: &[u8]) {
    let Some((cut, rest)) = bytes.split_first() else {
        return;
    };
    let mut masker = EventMasker::new(MASKER.clone());
    let text = text_with_secrets(rest);
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    let mut note = |bodies: Vec<EventBody>| {
        for body in bodies {
            match body {
                EventBody::Output { stream, text } => {
                    said.entry(stream).or_default().push_str(&text)
                }
                EventBody::CommandOutput { id, text } => {
                    said.entry(id).or_default().push_str(&text)
                }
                EventBody::Message { text } => assert_masked(&text),
                other => panic!("{other:?}"),
            }
        }
    };
    for (number, piece) in pieces(&text, usize::from(cut % 32) + 1)
        .into_iter()
        .enumerate()
    {
        let text = piece.to_owned();
        note(masker.mask_event(match (number + usize::from(*cut)) % 5 {
            0 | 1 => EventBody::Output {
                stream: "stdout".to_owned(),
                text,
            },
            2 => EventBody::Output {
                stream: "stderr".to_owned(),
                text,
            },
            3 => EventBody::CommandOutput {
                id: "c".to_owned(),
                text,
            },
            _ => EventBody::Message { text },
        }));
    }
    note(masker.finish());
    for text in said.values() {
        assert_masked(text);
    }
}

/// What is counted of a patch is there.
pub fn patch_stat(patch: &[u8]) {
    let stat = patch_stat::stat(patch);
    let lines = |beginning: &[u8]| {
        let lines = patch.split(|byte| *byte == b'\n');
        lines.filter(|line| line.starts_with(beginning)).count() as u64
    };
    assert!(stat.files_changed <= lines(b"diff --git "));
    assert!(stat.lines_added <= lines(b"+") && stat.lines_removed <= lines(b"-"));
}

/// What is read as a session is the same after it was stored again, and has files below the home only.
pub fn stored_session(bytes: &[u8]) {
    for agent in ["codex", "command"] {
        let Ok(stored) = session::unpack(agent, bytes) else {
            continue;
        };
        for file in &stored.files {
            let mut parts = file.path.as_str().split('/');
            assert!(parts.all(|part| !matches!(part, "" | "." | "..")));
        }
        let mut again =
            session::unpack(agent, &session::pack(agent, stored.clone())).expect("it was stored");
        let mut stored = stored;
        stored.files.sort_by(|a, b| a.path.cmp(&b.path));
        again.files.sort_by(|a, b| a.path.cmp(&b.path));
        assert_eq!(again, stored);
    }
}

#[cfg(test)]
mod tests {
    use outwork_test_seeds::each;

    #[test]
    fn seeds() {
        each("worker_mask", super::mask);
        each("worker_mask", super::mask_events);
        each("worker_patch_stat", super::patch_stat);
        each("worker_session", super::stored_session);
    }
}
