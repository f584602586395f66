//! A portal that hands out invented invoices over real TLS, and the generator behind it.
//!
//! Development code: the tests and the demo of ups-invoices run against it, nothing of it is
//! installed. [`invoice`] makes invoices with known totals from a seed and writes them in every
//! variant of the billing data file; nothing in them comes from a real invoice.

pub mod invoice;
pub mod random;
pub mod variant;
