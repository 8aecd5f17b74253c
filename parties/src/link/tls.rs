//! Who a party is: one self-signed certificate a role, pinned by the two others.
//!
//! There is no authority and no name to check: a connection stands if the other end presents,
//! byte for byte, the certificate pinned to the role that belongs there, and proves in the TLS 1.3
//! handshake that it holds the key. Dates are not checked: a certificate is good until it is
//! replaced at all three parties.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use protocols::Role;
use quinn::TransportErrorCode;
use rustls::{
    AlertDescription, CertificateError, DigitallySignedStruct, DistinguishedName, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs::sign::any_supported_type,
        verify_tls13_signature,
    },
    pki_types::{
        CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime, pem::PemObject,
    },
    server::{
        NoServerSessionStorage,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS13,
};
use zeroize::{Zeroize, Zeroizing};

/// The application protocol that both ends of a connection must name.
pub const ALPN: &[u8] = b"tercet/1";

/// A certificate or a key that is not usable. All of it is found before any connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// A file that cannot be read, or is no PEM.
    #[error("{}: {what}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong, and what to do.
        what: String,
    },
    /// A key that belongs to another certificate than the role's.
    #[error(
        "the key of {role} does not belong to its certificate: run `tercet keygen` for a new pair"
    )]
    KeyMismatch {
        /// The role that they were loaded for.
        role: Role,
    },
    /// One certificate for two roles.
    #[error("{0} and {1} have the same certificate: each party needs its own")]
    Shared(Role, Role),
    /// This party's own certificate is another than the one pinned to its role.
    #[error(
        "this party's certificate is not the one pinned to {role}: take the certificate file that \
         came with its key"
    )]
    NotPinned {
        /// This party.
        role: Role,
    },
}

/// A role's certificate with its private key. The key is wiped when dropped and never printed.
#[derive(Clone)]
pub struct Identity {
    role: Role,
    certificate: CertificateDer<'static>,
    key: Zeroizing<Vec<u8>>,
}

impl Identity {
    /// A fresh identity (ECDSA P-256), to be kept in memory only.
    ///
    /// # Panics
    /// If the operating system has no randomness.
    pub fn generate(role: Role) -> Identity {
        let (certificate, key) = generate_pair(role);
        let key = Zeroizing::new(key.serialize_der());
        Identity { role, certificate: certificate.der().clone(), key }
    }

    /// Reads a role's certificate and key from PEM files.
    ///
    /// # Errors
    /// [`IdentityError::File`], [`IdentityError::KeyMismatch`].
    pub fn load(role: Role, certificate: &Path, key: &Path) -> Result<Identity, IdentityError> {
        let certificate = load_certificate(certificate)?;
        let wrong = |what: String| IdentityError::File { file: key.to_owned(), what };
        let pem = Zeroizing::new(
            std::fs::read(key).map_err(|error| wrong(format!("cannot be read: {error}")))?,
        );
        let mut der = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| {
            wrong("holds no PKCS#8 private key in PEM: `tercet keygen` writes one".into())
        })?;
        let key = Zeroizing::new(der.secret_pkcs8_der().to_vec());
        der.zeroize();
        let identity = Identity { role, certificate, key };
        identity.certified_key()?.keys_match().map_err(|_| IdentityError::KeyMismatch { role })?;
        Ok(identity)
    }

    /// The role that this is the identity of.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The certificate, in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    fn certified_key(&self) -> Result<CertifiedKey, IdentityError> {
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(&self.key[..]));
        let key =
            any_supported_type(&der).map_err(|_| IdentityError::KeyMismatch { role: self.role })?;
        Ok(CertifiedKey::new(vec![self.certificate.clone()], key))
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({}, key secret)", self.role)
    }
}

/// Writes `DIR/<role>.pem` and `DIR/<role>.key` (readable by the owner only) for all three roles.
///
/// # Errors
/// [`IdentityError::File`]; files that exist are not touched, and then nothing is written.
pub fn write_identities(directory: &Path) -> Result<(), IdentityError> {
    let wrong = |file: &Path, what: String| IdentityError::File { file: file.to_owned(), what };
    let files =
        |role: Role| ["pem", "key"].map(|ending| directory.join(format!("{role}.{ending}")));
    std::fs::create_dir_all(directory)
        .map_err(|error| wrong(directory, format!("cannot be made: {error}")))?;
    if let Some(file) = Role::ALL.into_iter().flat_map(files).find(|file| file.exists()) {
        return Err(wrong(
            &file,
            "exists already: move it away or choose another directory".into(),
        ));
    }
    for role in Role::ALL {
        let (certificate, key) = generate_pair(role);
        let pems = [(0o644, certificate.pem()), (0o600, key.serialize_pem())];
        for (file, (mode, pem)) in files(role).into_iter().zip(pems) {
            write_new(&file, mode, Zeroizing::new(pem).as_bytes())
                .map_err(|error| wrong(&file, format!("cannot be written: {error}")))?;
        }
    }
    Ok(())
}

/// The three certificates, each pinned to a role.
#[derive(Clone, Debug)]
pub struct Trust {
    certificates: [CertificateDer<'static>; 3],
}

impl Trust {
    /// From certificates in DER, by role.
    ///
    /// # Errors
    /// [`IdentityError::Shared`].
    pub fn from_der(certificates: [Vec<u8>; 3]) -> Result<Trust, IdentityError> {
        Trust::new(certificates.map(CertificateDer::from))
    }

    /// From PEM files, by role.
    ///
    /// # Errors
    /// [`IdentityError::File`], [`IdentityError::Shared`].
    pub fn load(files: &[PathBuf; 3]) -> Result<Trust, IdentityError> {
        let [a, b, c] = files.each_ref().map(|file| load_certificate(file));
        Trust::new([a?, b?, c?])
    }

    /// The role that a certificate (DER) is pinned to.
    pub fn role_of(&self, certificate: &[u8]) -> Option<Role> {
        Role::ALL.into_iter().find(|role| *self.certificates[role.index()] == *certificate)
    }

    fn new(certificates: [CertificateDer<'static>; 3]) -> Result<Trust, IdentityError> {
        let trust = Trust { certificates };
        for role in Role::ALL {
            let first = trust.role_of(&trust.certificates[role.index()]).expect("it is pinned");
            if first != role {
                return Err(IdentityError::Shared(first, role));
            }
        }
        Ok(trust)
    }

    /// Checks that this party is who the others will take it for.
    pub(crate) fn check_own(&self, identity: &Identity) -> Result<(), IdentityError> {
        let role = identity.role;
        match self.role_of(&identity.certificate) {
            Some(pinned) if pinned == role => Ok(()),
            _ => Err(IdentityError::NotPinned { role }),
        }
    }
}

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
    /// What the code of an ended connection says.
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

fn load_certificate(file: &Path) -> Result<CertificateDer<'static>, IdentityError> {
    let wrong = |what: String| IdentityError::File { file: file.to_owned(), what };
    let pem = std::fs::read(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    CertificateDer::from_pem_slice(&pem)
        .map_err(|_| wrong("holds no certificate in PEM: `tercet keygen` writes one".into()))
}

/// A fresh ECDSA P-256 key and a certificate for it, whose only name is the role's.
fn generate_pair(role: Role) -> (rcgen::Certificate, rcgen::KeyPair) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)
        .expect("the operating system gives random bytes");
    let mut parameters =
        rcgen::CertificateParams::new([role.name().to_owned()]).expect("role names are host names");
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, role.name());
    (parameters.self_signed(&key).expect("P-256 signs"), key)
}

fn write_new(file: &Path, mode: u32, contents: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(mode).open(file)?.write_all(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_survive_their_files_and_are_not_overwritten() {
        let directory = Directory::new("identities");
        write_identities(&directory.0).unwrap();
        let file = |role: Role, ending: &str| directory.0.join(format!("{role}.{ending}"));
        let trust = Trust::load(&Role::ALL.map(|role| file(role, "pem"))).unwrap();
        for role in Role::ALL {
            let loaded = Identity::load(role, &file(role, "pem"), &file(role, "key")).unwrap();
            trust.check_own(&loaded).unwrap();
            assert_eq!(trust.role_of(loaded.certificate()), Some(role));
            use std::os::unix::fs::PermissionsExt;
            let mode = file(role, "key").metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let again = write_identities(&directory.0).unwrap_err().to_string();
        assert!(again.contains("model-owner.pem: exists already"), "{again}");
    }

    #[test]
    fn wrong_files_are_named() {
        let directory = Directory::new("wrong-files");
        write_identities(&directory.0).unwrap();
        let file = |name: &str| directory.0.join(name);
        let load = |certificate: &str, key: &str| {
            let role = Role::ModelOwner;
            Identity::load(role, &file(certificate), &file(key)).unwrap_err().to_string()
        };
        assert!(load("none.pem", "model-owner.key").contains("none.pem: cannot be read"));
        assert!(load("model-owner.key", "model-owner.key").contains("holds no certificate"));
        assert!(load("model-owner.pem", "model-owner.pem").contains("holds no PKCS#8"));
        assert!(load("model-owner.pem", "data-owner.key").contains("does not belong"));
        let twice = ["model-owner.pem", "data-owner.pem", "data-owner.pem"].map(&file);
        let error = Trust::load(&twice).unwrap_err().to_string();
        assert!(error.contains("data-owner and crypto-producer have the same"), "{error}");
    }

    #[test]
    fn a_key_does_not_print() {
        let identity = Identity::generate(Role::DataOwner);
        assert_eq!(format!("{identity:?}"), "Identity(data-owner, key secret)");
    }

    #[test]
    fn refusals_survive_their_alerts() {
        for refusal in [Refusal::Unknown, Refusal::OtherRole] {
            assert_eq!(Refusal::from_code(refusal.code()), Some(refusal));
        }
        assert_eq!(Refusal::from_code(no_common_protocol()), None);
    }

    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Directory {
            let path = std::env::temp_dir().join(format!("tercet-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            Directory(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
