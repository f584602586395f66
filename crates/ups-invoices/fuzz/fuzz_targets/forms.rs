//! Bytes as a web page with forms.
#![no_main]

#[path = "../drive.rs"]
#[allow(dead_code, reason = "each target uses one function")]
mod drive;

libfuzzer_sys::fuzz_target!(|data: &[u8]| drive::forms(data));
