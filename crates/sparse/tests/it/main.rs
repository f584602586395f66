//! Tests of the real binary, a module per subject.

mod contrib;
mod copy;
mod corpus;
mod dig;
mod librsync;
mod map;
mod privileged;
mod rdiff_backup;
mod support;
mod verify;
