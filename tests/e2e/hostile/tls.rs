//! Certificates that are right, and those that are not.

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;

use super::server::{Play, Server};

/// Who signs, and the file by which a client trusts it.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub file: PathBuf,
}

/// One for each thing that can be wrong.
pub struct Servers {
    pub good: Server,
    pub unknown: Server,
    pub wrong_name: Server,
    pub expired: Server,
}

impl Authority {
    pub fn new(dir: &TempDir) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let file = dir.path().join("authority.pem");
        fs::write(&file, certificate.pem()).expect("written");
        Self {
            issuer: Issuer::new(params, key),
            file,
        }
    }

    pub fn servers(&self, play: impl Fn() -> Play) -> Servers {
        let here = || CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
        let elsewhere = CertificateParams::new(["outwork.example".to_owned()]).expect("a name");
        let mut expired = here();
        expired.not_before = date_time_ymd(2020, 1, 1);
        expired.not_after = date_time_ymd(2021, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let unknown = here().self_signed(&key).expect("a certificate");
        let signed = |params: CertificateParams| {
            let key = KeyPair::generate().expect("a key");
            let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
            Server::tls(config(certificate, &key), play())
        };
        Servers {
            good: signed(here()),
            unknown: Server::tls(config(unknown, &key), play()),
            wrong_name: signed(elsewhere),
            expired: signed(expired),
        }
    }
}

fn config(certificate: rcgen::Certificate, key: &KeyPair) -> ServerConfig {
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate.der().clone()], key);
    config.expect("a certificate with its key")
}
