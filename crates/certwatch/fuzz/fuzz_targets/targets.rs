//! Bytes as a targets file.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| certwatch::fuzz::targets(data));
