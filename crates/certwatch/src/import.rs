//! Readers for files other people publish: each takes text or bytes and returns values.

pub(crate) mod ccadb;
pub(crate) mod certpatrol;
pub(crate) mod distrusted;
