//! The real binary against the test portal over real TLS.

#![expect(clippy::unwrap_used, reason = "a set-up that fails fails the test")]

mod books;
mod corpus;
mod faults;
mod fetch;
mod files;
mod killed;
mod support;
mod tapes;
mod tls;
