//! Signature checks that remember what they found good. A fleet has thousands of leaves and a
//! handful of intermediates, and webpki checks the intermediates again with every leaf: a third
//! of all signatures in a first sweep.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};

use crate::digest::Sha256;

/// Signatures remembered; leaves pass through here too, and push the others out only then.
const KEPT: usize = 4096;

/// webpki's algorithms, each with a memory in front of it.
pub(super) fn algorithms() -> &'static [&'static dyn SignatureVerificationAlgorithm] {
    static ALL: LazyLock<Vec<&'static dyn SignatureVerificationAlgorithm>> = LazyLock::new(|| {
        webpki::ALL_VERIFICATION_ALGS
            .iter()
            .map(|inner| {
                let remembering: &'static Remembering = Box::leak(Box::new(Remembering {
                    inner: *inner,
                    good: Mutex::default(),
                }));
                remembering as &dyn SignatureVerificationAlgorithm
            })
            .collect()
    });
    &ALL
}

#[derive(Debug)]
struct Remembering {
    inner: &'static dyn SignatureVerificationAlgorithm,
    /// Hashes of (key, message, signature).
    good: Mutex<HashSet<Sha256>>,
}

impl SignatureVerificationAlgorithm for Remembering {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let question = Sha256::of(
            &[
                Sha256::of(public_key).0.as_slice(),
                &Sha256::of(message).0,
                signature,
            ]
            .concat(),
        );
        if self.lock().contains(&question) {
            return Ok(());
        }
        self.inner
            .verify_signature(public_key, message, signature)?;
        let mut good = self.lock();
        if good.len() >= KEPT {
            good.clear();
        }
        good.insert(question);
        Ok(())
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.inner.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.inner.signature_alg_id()
    }
}

impl Remembering {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<Sha256>> {
        self.good.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says yes to the key `good` and counts the questions.
    #[derive(Debug, Default)]
    struct Oracle(Mutex<usize>);

    impl SignatureVerificationAlgorithm for Oracle {
        fn verify_signature(&self, key: &[u8], _: &[u8], _: &[u8]) -> Result<(), InvalidSignature> {
            *self.0.lock().unwrap() += 1;
            (key == b"good").then_some(()).ok_or(InvalidSignature)
        }

        fn public_key_alg_id(&self) -> AlgorithmIdentifier {
            AlgorithmIdentifier::from_slice(&[])
        }

        fn signature_alg_id(&self) -> AlgorithmIdentifier {
            AlgorithmIdentifier::from_slice(&[])
        }
    }

    #[test]
    fn only_the_same_good_signature_is_remembered() {
        let oracle: &'static Oracle = Box::leak(Box::default());
        let remembering = Remembering {
            inner: oracle,
            good: Mutex::default(),
        };
        let ask = |key: &[u8], message: &[u8], signature: &[u8]| {
            let answer = remembering.verify_signature(key, message, signature);
            (answer.is_ok(), *oracle.0.lock().unwrap())
        };
        assert_eq!(ask(b"good", b"m", b"s"), (true, 1));
        assert_eq!(ask(b"good", b"m", b"s"), (true, 1));
        assert_eq!(ask(b"good", b"m", b"t"), (true, 2));
        assert_eq!(ask(b"good", b"ms", b""), (true, 3), "other boundaries");
        assert_eq!(ask(b"bad", b"m", b"s"), (false, 4));
        assert_eq!(ask(b"bad", b"m", b"s"), (false, 5), "no is asked again");
    }
}
