//! Bytes as an XML invoice.
#![no_main]

#[path = "../drive.rs"]
#[allow(dead_code, reason = "each target uses one function")]
mod drive;

libfuzzer_sys::fuzz_target!(|data: &[u8]| drive::xml(data));
