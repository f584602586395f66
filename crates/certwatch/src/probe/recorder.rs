//! A certificate verifier that refuses nothing and remembers everything: what was presented is
//! recorded before any step that can fail, and judged later, elsewhere.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

use crate::chain::Presented;
use crate::lenient;
use crate::outcome::Proof;
use crate::probe::hello::MAX_CERTIFICATES;

/// What one handshake showed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorded {
    pub(crate) presented: Option<Presented>,
    pub(crate) proof: Proof,
}

/// One verifier per connection: task-locals do not reach a verifier, a shared slot does.
#[derive(Debug)]
pub(crate) struct Recorder {
    slot: Mutex<Recorded>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Recorder {
    pub(crate) fn new(provider: &CryptoProvider) -> Arc<Self> {
        Arc::new(Self {
            slot: Mutex::default(),
            algorithms: provider.signature_verification_algorithms,
        })
    }

    /// What was recorded so far.
    pub(crate) fn recorded(&self) -> Recorded {
        self.slot
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The key proof is taken here, not from the handshake's success: a server that demands a
    /// client certificate fails the handshake after having proven its own key.
    fn note(
        &self,
        result: Result<HandshakeSignatureValid, Error>,
        leaf: &CertificateDer<'_>,
    ) -> Result<HandshakeSignatureValid, Error> {
        let proof = match &result {
            Ok(_) => Proof::Proven,
            // The library refuses small keys with the same error as wrong signatures.
            Err(Error::InvalidCertificate(rustls::CertificateError::BadSignature))
                if crate::cert::Cert::parse(leaf).is_some_and(|cert| !lenient::is_weak(&cert)) =>
            {
                Proof::Failed
            }
            Err(_) => Proof::Unverifiable,
        };
        self.slot
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .proof = proof;
        result
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let ders = std::iter::once(end_entity)
            .chain(intermediates)
            .take(MAX_CERTIFICATES)
            .map(|der| Arc::from(der.as_ref()))
            .collect();
        self.slot
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .presented = Some(Presented { ders });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.note(
            verify_tls12_signature(message, cert, dss, &self.algorithms),
            cert,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.note(
            verify_tls13_signature(message, cert, dss, &self.algorithms),
            cert,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
