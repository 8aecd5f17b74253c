//! TLS 1.3 between parties that pin each other's certificates: a connection stands if the other
//! end presents, byte for byte, the certificate pinned to the role that belongs there, and proves
//! in the handshake that it holds the key.

use std::sync::Arc;

use protocols::Role;
use quinn::TransportErrorCode;
use rustls::{
    AlertDescription, CertificateError, DigitallySignedStruct, DistinguishedName, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        NoServerSessionStorage,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::SingleCertAndKey,
    version::TLS13,
};

use super::identity::{Identity, IdentityError, Trust};

/// The application protocol that both ends of a connection must name.
pub(super) const ALPN: &[u8] = b"tercet/1";

/// TLS for connections to one peer.
pub(crate) fn client_config(
    identity: &Identity,
    trust: &Trust,
    peer: Role,
) -> Result<rustls::ClientConfig, IdentityError> {
    let provider = Arc::new(provider());
    let verifier = Arc::new(PeerVerifier::new(trust, vec![peer], &provider));
    let key = Arc::new(SingleCertAndKey::from(identity.certified_key()?));
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has TLS 1.3 suites")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(key);
    config.alpn_protocols = vec![ALPN.into()];
    config.enable_sni = false;
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// TLS for connections that some of the peers open.
pub(crate) fn server_config(
    identity: &Identity,
    trust: &Trust,
    peers: Vec<Role>,
) -> Result<rustls::ServerConfig, IdentityError> {
    let provider = Arc::new(provider());
    let verifier = Arc::new(PeerVerifier::new(trust, peers, &provider));
    let key = Arc::new(SingleCertAndKey::from(identity.certified_key()?));
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has TLS 1.3 suites")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(key);
    config.alpn_protocols = vec![ALPN.into()];
    // Every connection proves its key anew.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Why a party refuses the certificate that another presents, as the TLS alert tells the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is pinned to no role.
    #[error("a certificate that is pinned to no party")]
    Unknown,
    /// It is pinned to a role that does not belong at this connection.
    #[error("the certificate of a party that does not belong at this connection")]
    OtherRole,
}

impl Refusal {
    /// The refusal that the code of an ended connection stands for.
    pub(crate) fn from_code(code: TransportErrorCode) -> Option<Refusal> {
        [Refusal::Unknown, Refusal::OtherRole].into_iter().find(|refusal| code == refusal.code())
    }

    fn code(self) -> TransportErrorCode {
        TransportErrorCode::crypto(AlertDescription::from(self.error()).into())
    }

    fn error(self) -> CertificateError {
        match self {
            Refusal::Unknown => CertificateError::UnknownIssuer,
            Refusal::OtherRole => CertificateError::ApplicationVerificationFailure,
        }
    }
}

/// The code of a connection that ended because the ends speak different versions of [`ALPN`].
pub(crate) fn no_common_protocol() -> TransportErrorCode {
    TransportErrorCode::crypto(AlertDescription::NoApplicationProtocol.into())
}

/// Accepts exactly the certificates pinned to the expected roles.
#[derive(Debug)]
struct PeerVerifier {
    trust: Trust,
    expected: Vec<Role>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PeerVerifier {
    fn new(trust: &Trust, expected: Vec<Role>, provider: &CryptoProvider) -> PeerVerifier {
        let algorithms = provider.signature_verification_algorithms;
        PeerVerifier { trust: trust.clone(), expected, algorithms }
    }

    fn judge(&self, presented: &CertificateDer<'_>) -> Result<(), Refusal> {
        match self.trust.role_of(presented) {
            Some(role) if self.expected.contains(&role) => Ok(()),
            Some(_) => Err(Refusal::OtherRole),
            None => Err(Refusal::Unknown),
        }
    }

    fn check_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        presented: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.judge(presented).map_err(Refusal::error)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls13RequiredForQuic.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.check_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for PeerVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        presented: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.judge(presented).map_err(Refusal::error)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls13RequiredForQuic.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.check_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// AES-128-GCM before the other suites: it costs half the processor time of ChaCha20-Poly1305. The
/// hybrid key exchange X25519MLKEM768 comes first, so that a recorded session stays closed to a
/// later quantum computer.
fn provider() -> CryptoProvider {
    use rustls::crypto::aws_lc_rs::cipher_suite::{
        TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
    };
    CryptoProvider {
        cipher_suites: vec![
            TLS13_AES_128_GCM_SHA256,
            TLS13_AES_256_GCM_SHA384,
            TLS13_CHACHA20_POLY1305_SHA256,
        ],
        ..rustls::crypto::aws_lc_rs::default_provider()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_survive_their_alerts() {
        for refusal in [Refusal::Unknown, Refusal::OtherRole] {
            assert_eq!(Refusal::from_code(refusal.code()), Some(refusal));
        }
        assert_eq!(Refusal::from_code(no_common_protocol()), None);
    }
}
