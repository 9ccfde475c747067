#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| outwork_egress::fuzzed::request_head(bytes));
