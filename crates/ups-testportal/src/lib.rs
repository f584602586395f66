//! A portal that hands out invented invoices over real TLS, and the generator behind it.
//!
//! Development code: the tests and the demo of ups-invoices run against it, nothing of it is
//! installed. [`invoice`] makes invoices with known totals from a seed and writes them in every
//! variant of the billing data file; nothing in them comes from a real invoice. [`portal`] serves
//! them as `www.portal.test` and `apps.portal.test` on loopback, counts what it is asked, keeps
//! the plaintext it received, and is slow, cut, wrong or changed on demand.

pub mod certificates;
pub mod command;
pub mod http;
pub mod invoice;
pub mod portal;
pub mod random;
pub mod variant;
