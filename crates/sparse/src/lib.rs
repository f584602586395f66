//! wip
#![doc(html_no_source)]
pub mod delta;
pub mod engine;
pub mod error;
pub mod extent;
mod md4;
pub mod signature;
pub mod strong;
mod sys;
pub mod weak;
pub mod zero;
