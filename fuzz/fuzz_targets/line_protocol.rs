#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bigblueswarm::fuzzing::line_protocol(data));
