#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    outwork_worker::fuzzed::mask(bytes);
    outwork_worker::fuzzed::mask_events(bytes);
});
