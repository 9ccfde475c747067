#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| outwork_agents::fuzzed::rollout(bytes));
