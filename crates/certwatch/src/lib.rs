//! certwatch remembers the certificate chain of every TLS endpoint it is told about.

mod cert;
mod chain;
mod classify;
mod digest;
mod finding;
#[cfg(test)]
mod forge;
mod history;
mod import;
mod knowledge;
mod lenient;
mod level;
mod observation;
mod outcome;
mod owner;
mod paths;
mod pem;
mod protocol;
mod replay;
mod roots;
mod signed;
mod target;
mod when;
