//! Real daemons on machines made of network namespaces. Needs root and the Debian packages that
//! `cargo xtask setup` installs; fails, and never skips, without them.

mod device;
mod doctor;
mod kit;
pub(crate) mod net;
mod sandbox;
