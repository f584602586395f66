//! What each fuzz target does with its bytes. The corpora run through the same functions as an
//! ordinary test, so this file belongs to both.

use sparse::compose::Composition;
use sparse::delta::{Command, Decoder};
use sparse::increment::{Name, parse_time, unquote};
use sparse::metadata::{Records, Search};
use sparse::signature::Signature;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// A signature is read or refused; what is read has as many sums of both kinds.
pub(crate) fn signature(data: &[u8]) {
    if let Ok(signature) = Signature::read(data) {
        let strong_len = usize::from(signature.header.strong_len);
        assert_eq!(signature.weak.len() * strong_len, signature.strong.len());
    }
}

/// A delta is read to its end or refused; composed with a base of 64 KiB its output is as long
/// as its commands say.
pub(crate) fn delta(data: &[u8]) {
    let Ok(mut decoder) = Decoder::new(data) else {
        return;
    };
    let mut total = 0_u64;
    let intact = loop {
        match decoder.next_command() {
            Ok(None) => break true,
            Ok(Some(Command::Literal { len } | Command::Copy { len, .. })) => {
                total = total.saturating_add(len);
            }
            Err(_) => break false,
        }
    };
    let Ok(mut decoder) = Decoder::new(data) else {
        return;
    };
    let composed = Composition::base(64 << 10).apply(&mut decoder, 1, 1 << 16);
    if let Ok(composition) = composed {
        assert!(intact);
        assert_eq!(composition.len(), total);
        assert_eq!(composition.parts().map(|part| part.len).sum::<u64>(), total);
    }
}

/// Names, times and metadata records are read or refused.
pub(crate) fn increment(data: &[u8]) {
    let name = OsStr::from_bytes(data);
    if let Some(parsed) = Name::parse(name) {
        assert!(name.as_bytes().starts_with(parsed.base.as_bytes()));
    }
    assert!(unquote(name).len() <= name.len());
    if let Ok(text) = std::str::from_utf8(data) {
        let _either = parse_time(text);
    }
    let mut search = Search::new(b"f".to_vec());
    for record in Records::new(data).map_while(Result::ok) {
        search.add(record, false);
    }
    let _found = search.finish();
}
