//! What a fuzzer throws bytes at, and what must hold whatever they are. The tests below do the same with the seeds.

use crate::reference::ImageRef;
pub use crate::unpack::fuzzed::{archive, extended, layer};

/// A name of an image that is taken is taken again from what it shows.
pub fn reference(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(parsed) = text.parse::<ImageRef>() else {
        return;
    };
    let shown = parsed.to_string();
    assert!(!shown.chars().any(char::is_control));
    assert_eq!(shown.parse::<ImageRef>().expect("taken again"), parsed);
}

#[cfg(test)]
mod tests {
    use outwork_test_seeds::each;

    #[test]
    fn seeds() {
        each("image_archive", super::archive);
        each("image_extended", super::extended);
        each("image_reference", super::reference);
        let place = tempfile::tempdir().unwrap();
        each("image_archive", |bytes| super::layer(bytes, place.path()));
    }
}
