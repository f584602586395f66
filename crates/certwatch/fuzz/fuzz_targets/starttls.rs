//! Bytes as a server's part of a preamble.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| certwatch::fuzz::starttls(data));
