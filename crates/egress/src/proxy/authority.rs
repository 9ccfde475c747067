//! The certificate authority of one proxy, which lives and dies with it: its key is in memory only.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SerialNumber, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::inspection::crypto;
use crate::policy::target::Host;

/// Hosts whose certificates are kept; when there are more, all are made anew, at a tenth of a millisecond each.
const KEPT_HOSTS: usize = 256;
pub(super) const HTTP_1_1: &[u8] = b"http/1.1";

/// Signs certificates for the hosts that a client asks for. `Debug` shows no key.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
    /// One for all hosts, and not the authority's own: what is used in each handshake cannot sign certificates.
    leaf_key: KeyPair,
    hosts: Mutex<Hosts>,
}

#[derive(Default)]
struct Hosts {
    configs: HashMap<Host, Arc<ServerConfig>>,
    minted: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("no certificate could be made")]
pub(super) enum AuthorityError {
    Certificate(#[from] rcgen::Error),
    Tls(#[from] rustls::Error),
}

impl Authority {
    pub(super) fn new() -> Result<Self, AuthorityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "Outwork egress proxy of one sandbox");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        in_time(&mut params);
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
            leaf_key: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?,
            hosts: Mutex::default(),
        })
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// How to speak TLS as `host`, in HTTP/1.1 only.
    pub(super) fn server_config(&self, host: &Host) -> Result<Arc<ServerConfig>, AuthorityError> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = hosts.configs.get(host) {
            return Ok(Arc::clone(config));
        }
        if hosts.configs.len() >= KEPT_HOSTS {
            hosts.configs.clear();
        }
        hosts.minted += 1;
        let chain = vec![self.leaf(host, hosts.minted)?, self.certificate.clone()];
        let key = PrivatePkcs8KeyDer::from(self.leaf_key.serialize_der());
        let mut config = ServerConfig::builder_with_provider(crypto())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::from(key))?;
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        config.ignore_client_order = true;
        let config = Arc::new(config);
        hosts.configs.insert(host.clone(), Arc::clone(&config));
        Ok(config)
    }

    fn leaf(&self, host: &Host, number: u64) -> Result<CertificateDer<'static>, AuthorityError> {
        let name = match host {
            Host::Name(name) => name.as_str().to_owned(),
            Host::Address(address) => address.to_string(),
        };
        let mut params = CertificateParams::new(vec![name])?;
        params
            .distinguished_name
            .push(DnType::CommonName, "Outwork egress proxy");
        params.serial_number = Some(SerialNumber::from(number));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        in_time(&mut params);
        Ok(params
            .signed_by(&self.leaf_key, &self.issuer)?
            .der()
            .clone())
    }
}

/// Nobody reads the clock here, and need not: the key is gone when the sandbox is. Years after 2049 are written in a form that some old
/// clients do not know.
fn in_time(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::target::Target;

    fn host(text: &str) -> Host {
        Target::parse(text, Some(443)).expect("a target").host
    }

    #[test]
    fn each_host_has_a_certificate_of_its_own() {
        let authority = Authority::new().expect("an authority");
        let config = |text| {
            authority
                .server_config(&host(text))
                .expect("a configuration")
        };
        assert!(Arc::ptr_eq(&config("a.example"), &config("A.example.")));
        assert!(!Arc::ptr_eq(&config("a.example"), &config("b.example")));
        assert_eq!(config("a.example").alpn_protocols, [HTTP_1_1.to_vec()]);
        let key = |key: &KeyPair| key.public_key_raw().to_vec();
        assert_ne!(key(&authority.leaf_key), key(authority.issuer.key()));
        assert!(!authority.pem().contains("PRIVATE"));
        assert_eq!(format!("{authority:?}"), "Authority");
    }

    #[test]
    fn the_certificates_that_are_kept_are_bounded() {
        let authority = Authority::new().expect("an authority");
        for n in 0..=KEPT_HOSTS {
            let host = host(&format!("h{n}.example"));
            authority.server_config(&host).expect("a configuration");
        }
        let kept = authority.hosts.lock().expect("not poisoned").configs.len();
        assert_eq!(kept, 1);
    }
}
