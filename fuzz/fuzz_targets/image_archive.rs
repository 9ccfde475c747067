#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

/// Empty before and after every call.
static PLACE: LazyLock<PathBuf> = LazyLock::new(|| {
    let place = std::env::temp_dir().join(format!("outwork-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&place).expect("a directory");
    place
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    outwork_image::fuzzed::archive(bytes);
    outwork_image::fuzzed::layer(bytes, &PLACE);
});
