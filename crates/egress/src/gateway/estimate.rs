//! Tokens from sizes, for what nobody has counted (yet).
//!
//! Two estimates, because they serve two ends. A call under way is cut by what it
//! has used *at least*, so that none is cut that may still be inside the budget. A
//! call that broke off uncounted is charged with what it *likely* cost, so that
//! leaving before the count is no way round the budget.

use std::ops::AddAssign;

/// Text, in bytes of UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TextSize(u64);

/// Longer than any word, path or URL: an image, or reasoning that is encrypted.
const ENCODED_BYTES: usize = 1024;

impl TextSize {
    pub(super) fn of(text_bytes: usize) -> Self {
        Self(text_bytes as u64)
    }

    /// The text in a request. An image of a megabyte is a few thousand tokens, so
    /// long runs without a break weigh a sixty-fourth.
    pub(super) fn of_request(body: &[u8]) -> Self {
        let is_break = |byte: &u8| matches!(byte, b' ' | b'"' | b'\\' | b'\n');
        let weigh = |run: &[u8]| match run.len() {
            0..ENCODED_BYTES => run.len() + 1,
            encoded => encoded / 64,
        };
        Self::of(body.split(is_break).map(weigh).sum())
    }

    /// Tokens of prose have 4 to 5 bytes, of code 3 to 4; hardly any text has 8.
    pub(super) fn at_least(self) -> u64 {
        self.0 / 8
    }

    pub(super) fn likely(self) -> u64 {
        self.0.div_ceil(4)
    }
}

impl AddAssign for TextSize {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.saturating_add(other.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_weighed_by_its_text() {
        let prose = br#"{"input":"the quick brown fox"}"#;
        assert_eq!(
            TextSize::of_request(prose),
            TextSize::of(prose.len() + 1),
            "each break counts once, the end too"
        );
        let image = format!(
            r#"{{"image_url":"data:{}"}}"#,
            "iVBORw0KGgo".repeat(100_000)
        );
        let weighed = TextSize::of_request(image.as_bytes());
        assert!(
            weighed.likely() < 5_000,
            "1.1 MB of an image are {weighed:?}"
        );
    }

    #[test]
    fn at_least_is_below_likely() {
        for bytes in [0, 1, 7, 8, 1_000_001] {
            let size = TextSize::of(bytes);
            assert!(size.at_least() <= size.likely(), "{bytes}");
        }
    }
}
