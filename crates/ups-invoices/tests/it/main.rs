//! The real binary against the test portal over real TLS.

mod books;
mod faults;
mod fetch;
mod files;
mod killed;
mod support;
mod tapes;
mod tls;
