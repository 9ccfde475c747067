#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| outwork_worker::fuzzed::stored_session(bytes));
