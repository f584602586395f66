//! Test support for the nightshift workspace.
