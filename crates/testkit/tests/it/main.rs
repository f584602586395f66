//! The guards against the real kernel: what they make is there, and goes away with them.

mod privileged;
