//! What the DNS says about a target's certificates: CAA and TLSA records, asked of a resolver that
//! the administrator names.
//!
//! Only the format of messages comes from a library. Validating DNSSEC is the resolver's work:
//! its word (the AD bit) counts when the configuration trusts it, as `trust-ad` in resolv.conf(5)
//! does for the C library.

pub(crate) mod caa;
mod resolver;
pub(crate) mod tlsa;

pub(crate) use resolver::{DnsError, Resolver, Servers};

/// What is asked, and of whom.
#[derive(Debug)]
pub(crate) struct Dns {
    pub(crate) resolver: Resolver,
    pub(crate) tlsa: bool,
    pub(crate) caa: bool,
}
