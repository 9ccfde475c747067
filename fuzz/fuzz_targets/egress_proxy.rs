#![no_main]

use std::sync::{LazyLock, Mutex};

use outwork_egress::fuzzed::Range;

static RANGE: LazyLock<Mutex<Range>> = LazyLock::new(|| {
    let directory = std::env::temp_dir().join(format!("outwork-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    Mutex::new(Range::new(&directory))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| RANGE.lock().expect("the process ends with a panic").throw(bytes));
