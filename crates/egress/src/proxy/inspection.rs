//! What a proxy needs to end TLS: an authority towards clients, and trust towards servers.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::{CipherSuite, ClientConfig};

use super::StartError;
use super::authority::Authority;
use super::server::{Roots, client_config};

#[derive(Debug)]
pub(super) struct Inspection {
    pub(super) authority: Authority,
    pub(super) servers: Arc<ClientConfig>,
}

impl Inspection {
    pub(super) fn new(roots: &Roots) -> Result<Self, StartError> {
        Ok(Self {
            authority: Authority::new().map_err(|error| StartError::Authority(Box::new(error)))?,
            servers: client_config(roots)?,
        })
    }
}

/// The usual ciphers, those with AES-128 first, as browsers order them: nobody can break them either, and every byte is deciphered and
/// enciphered here.
pub(super) fn crypto() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::ring::default_provider();
    let is_second = |suite: CipherSuite| {
        !matches!(
            suite,
            CipherSuite::TLS13_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        )
    };
    provider
        .cipher_suites
        .sort_by_key(|suite| is_second(suite.suite()));
    Arc::new(provider)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ciphers_with_short_keys_come_first_and_none_is_lost() {
        let first = crypto().cipher_suites[0].suite();
        assert_eq!(first, CipherSuite::TLS13_AES_128_GCM_SHA256);
        let usual = rustls::crypto::ring::default_provider().cipher_suites;
        assert_eq!(crypto().cipher_suites.len(), usual.len());
    }
}
