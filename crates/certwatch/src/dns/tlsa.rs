//! TLSA: which key or certificate the holder of a name expects at a port (RFC 6698, RFC 7671).

use aws_lc_rs::digest;

use crate::cert::Cert;
use crate::chain::Chain;
use crate::protocol::Protocol;
use crate::target::Target;

/// One record, its numbers as in the DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tlsa {
    pub(crate) usage: u8,
    pub(crate) selector: u8,
    pub(crate) matching: u8,
    pub(crate) data: Vec<u8>,
}

impl Tlsa {
    /// Whether a client of `target` would use the record at all. The others are as good as not
    /// there; so are usages 0 and 1 for mail between servers, which knows no public roots (RFC 7672,
    /// 3.1.3).
    pub(crate) fn is_usable(&self, target: &Target) -> bool {
        let length = match self.matching {
            0 => !self.data.is_empty(),
            1 => self.data.len() == 32,
            2 => self.data.len() == 64,
            _ => false,
        };
        let usage = match self.usage {
            0 | 1 => target.protocol != Protocol::Smtp || target.port != 25,
            2 | 3 => true,
            _ => false,
        };
        length && usage && self.selector <= 1
    }

    /// Whether `chain` is what the record asks for. Usages 0 and 1 want the usual path to a root
    /// as well; 2 wants the certificate it names to have signed the rest.
    pub(crate) fn matches(&self, chain: &Chain) -> bool {
        let trusted = || chain.paths.trust.is_path_valid();
        let best = chain.path();
        let above = || {
            std::iter::once(best)
                .chain(&chain.paths.valid)
                .flat_map(|path| path.intermediates().iter().chain(&path.root))
        };
        match self.usage {
            0 => trusted() && above().any(|cert| self.is(cert)),
            1 => trusted() && self.is(chain.leaf()),
            2 => above().any(|cert| self.is(cert)),
            3 => self.is(chain.leaf()),
            _ => false,
        }
    }

    fn is(&self, cert: &Cert) -> bool {
        let key;
        let selected = if self.selector == 0 {
            cert.der.as_ref()
        } else {
            key = cert.public_key();
            key.as_slice()
        };
        let algorithm = match self.matching {
            0 => return self.data == selected,
            1 => &digest::SHA256,
            _ => &digest::SHA512,
        };
        digest::digest(algorithm, selected).as_ref() == self.data
    }
}
