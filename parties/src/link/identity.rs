//! Who a party is: one self-signed certificate a role, pinned by the two others.
//!
//! There is no authority and no name to check. Dates are not checked either: a certificate is good
//! until it is replaced at all three parties.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use protocols::Role;
use rustls::{
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use zeroize::{Zeroize, Zeroizing};

/// An unusable certificate or key. All of it is found before any connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// A file that cannot be read, or is no PEM.
    #[error("{}: {what}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The problem, and what to do.
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

    /// Certificate and key as TLS takes them.
    pub(crate) fn certified_key(&self) -> Result<CertifiedKey, IdentityError> {
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
