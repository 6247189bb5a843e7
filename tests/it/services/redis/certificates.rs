//! An authority of a test, and a certificate of 127.0.0.1 that it has signed.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// Files in PEM.
pub(crate) struct Certificates(TempDir);

impl Certificates {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let root = authority.self_signed(&key).expect("a certificate");
        let issuer = Issuer::new(authority, key);
        let key = KeyPair::generate().expect("a key");
        let server = CertificateParams::new(vec!["127.0.0.1".into()]).expect("parameters");
        let server = server.signed_by(&key, &issuer).expect("a certificate");
        let write = |name: &str, text: String| {
            std::fs::write(directory.path().join(name), text).expect("written");
        };
        write("ca.pem", root.pem());
        write("server.pem", server.pem());
        write("server.key", key.serialize_pem());
        Self(directory)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What makes a server speak nothing but TLS on this port.
    pub(crate) fn options(&self, port: u16) -> Vec<String> {
        let path = |name| self.path(name).to_string_lossy().into_owned();
        [
            ("--tls-port", port.to_string()),
            ("--tls-cert-file", path("server.pem")),
            ("--tls-key-file", path("server.key")),
            ("--tls-ca-cert-file", path("ca.pem")),
            ("--tls-auth-clients", "no".into()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
    }
}
