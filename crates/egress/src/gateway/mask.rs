//! Blacks the key out of an answer.
//!
//! A model endpoint should not repeat the key, but debugging proxies and some
//! error pages do. The replacement is of the same length, so the announced length of the
//! body holds. A key that comes back encoded (base64, say) is not recognised.

use bytes::{Bytes, BytesMut};

use super::upstream::ApiKey;

pub(super) struct Mask {
    key: Option<ApiKey>,
    /// The last bytes so far, while they could be the beginning of the key.
    held: BytesMut,
}

impl Mask {
    pub(super) fn new(key: Option<ApiKey>) -> Self {
        Self {
            key: key.filter(ApiKey::is_unmistakable),
            held: BytesMut::new(),
        }
    }

    /// What can be passed on now. Bytes are held back only when the chunk ends
    /// with a beginning of the key.
    pub(super) fn feed(&mut self, chunk: Bytes) -> Bytes {
        let Some(key) = &self.key else {
            return chunk;
        };
        let key = key.bytes();
        let joined = if self.held.is_empty() {
            chunk
        } else {
            self.held.extend_from_slice(&chunk);
            self.held.split().freeze()
        };
        let mut clean = masked(joined, key);
        let kept = beginning_at_end(&clean, key);
        let tail = clean.split_off(clean.len() - kept);
        self.held.extend_from_slice(&tail);
        clean
    }

    /// What is left at the end of the answer.
    pub(super) fn finish(&mut self) -> Bytes {
        self.held.split().freeze()
    }
}

fn masked(chunk: Bytes, key: &[u8]) -> Bytes {
    let Some(first) = find(&chunk, key) else {
        return chunk;
    };
    let mut bytes = BytesMut::from(chunk);
    let mut from = first;
    while let Some(at) = find(&bytes[from..], key) {
        bytes[from + at..from + at + key.len()].fill(b'*');
        from += at + key.len();
    }
    bytes.freeze()
}

pub(super) fn find(bytes: &[u8], key: &[u8]) -> Option<usize> {
    bytes.windows(key.len()).position(|window| window == key)
}

/// The length of the longest end of `bytes` that begins `key`.
fn beginning_at_end(bytes: &[u8], key: &[u8]) -> usize {
    let longest = bytes.len().min(key.len() - 1);
    let lengths = (1..=longest).rev();
    lengths
        .into_iter()
        .find(|&length| bytes.ends_with(&key[..length]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-sk-0123456789";

    fn pass(chunks: &[&str]) -> String {
        let mut mask = Mask::new(Some(ApiKey::new(KEY).unwrap()));
        let mut passed = BytesMut::new();
        for chunk in chunks {
            passed.extend_from_slice(&mask.feed(Bytes::copy_from_slice(chunk.as_bytes())));
        }
        passed.extend_from_slice(&mask.finish());
        String::from_utf8(passed.to_vec()).unwrap()
    }

    #[test]
    fn the_key_is_blacked_out_wherever_the_chunks_are_cut() {
        let text = format!("sk-1 {KEY} sk-{KEY}{KEY} sk-sk-");
        let stars = "*".repeat(KEY.len());
        let expected = format!("sk-1 {stars} sk-{stars}{stars} sk-sk-");
        assert_eq!(pass(&[&text]), expected);
        for at in 0..text.len() {
            assert_eq!(pass(&[&text[..at], &text[at..]]), expected, "cut at {at}");
        }
        let bytes: Vec<&str> = text.split("").collect();
        assert_eq!(pass(&bytes), expected);
    }

    #[test]
    fn nothing_is_held_back_without_need() {
        let mut mask = Mask::new(Some(ApiKey::new(KEY).unwrap()));
        let chunk = Bytes::from_static(b"data: {}\n\n");
        assert_eq!(mask.feed(chunk.clone()), chunk);
        assert!(mask.finish().is_empty());
    }

    #[test]
    fn a_placeholder_key_does_not_change_what_a_model_says() {
        let mut mask = Mask::new(Some(ApiKey::new("dummy").unwrap()));
        let chunk = Bytes::from_static(b"a dummy variable, du");
        assert_eq!(mask.feed(chunk.clone()), chunk);
    }
}
