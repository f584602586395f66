//! Bytes as the answer to a cleartext hello.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| certwatch::fuzz::hello(data));
