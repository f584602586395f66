//! Bytes as a certificate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| certwatch::fuzz::certificate(data));
