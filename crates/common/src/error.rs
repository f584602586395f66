//! How errors reach the user: one line with the whole cause chain, and a hint; used by every tool.

use std::error::Error;
use std::fmt::Write as _;

use crate::escape::Escaped;
use crate::exit::Exit;

/// What a tool's error enum tells the reporter beyond its text.
///
/// `Display` of each variant is a lower-case fragment that says what was being done and to what,
/// and does not repeat its source; the reporter prints the chain.
pub trait Report: Error {
    /// The exit code that this error leads to.
    fn exit(&self) -> Exit;

    /// What the user can try; names the flag or key to change.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// The error and its sources, joined by `: `, control characters escaped.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Some libraries repeat their source in their own text; printing it twice helps nobody.
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            let _ = write!(text, ": {cause_text}");
        }
        source = cause.source();
    }
    Escaped::text(&text).to_string()
}

/// Reports through the log, which shows errors at every verbosity and knows where stderr goes.
pub fn report(error: &dyn Report) {
    let text = chain(error);
    if let Some(hint) = error.hint() {
        tracing::error!(hint = %hint, "{text}");
    } else {
        tracing::error!("{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read size of {device}")]
    struct Outer {
        device: String,
        source: Inner,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("no medium\u{1b}[31m found")]
    struct Inner;

    #[test]
    fn the_chain_is_one_line_and_inert() {
        let error = Outer {
            device: "/dev/sr0".into(),
            source: Inner,
        };
        assert_eq!(
            chain(&error),
            "cannot read size of /dev/sr0: no medium\\x1b[31m found"
        );
    }

    #[test]
    fn a_repeated_source_is_printed_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot do it: {source}")]
        struct Repeats {
            source: std::io::Error,
        }
        let error = Repeats {
            source: std::io::Error::other("broken"),
        };
        assert_eq!(chain(&error), "cannot do it: broken");
    }
}
