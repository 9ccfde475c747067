//! Java reads no PEM: its key stores have a form of their own, which every version since 1.2 knows ("JKS").

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use sha1::{Digest, Sha1};

/// What everybody uses: a store of certificates has nothing to hide.
pub const JAVA_KEY_STORE_PASSWORD: &str = "changeit";

const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
const TRUSTED_CERTIFICATE: u32 = 2;
/// The password alone would be found by trying; this makes trying no harder, and is part of the form.
const WHITENER: &[u8] = b"Mighty Aphrodite";

#[derive(Debug, thiserror::Error)]
#[error("the bundle of certificates is no PEM")]
pub struct NoCertificates(#[from] pem::Error);

/// A key store that trusts every certificate of `bundle`, a text in PEM.
///
/// # Errors
/// The bundle is malformed.
pub fn java_key_store(bundle: &str) -> Result<Vec<u8>, NoCertificates> {
    let certificates = CertificateDer::pem_slice_iter(bundle.as_bytes());
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>()?;
    let mut store = Vec::new();
    number(&mut store, MAGIC);
    number(&mut store, VERSION);
    number(&mut store, length(certificates.len()));
    for (n, certificate) in certificates.iter().enumerate() {
        number(&mut store, TRUSTED_CERTIFICATE);
        text(&mut store, &format!("outwork-{n}"));
        // When it was added, which nobody asks.
        store.extend_from_slice(&0_u64.to_be_bytes());
        text(&mut store, "X.509");
        number(&mut store, length(certificate.len()));
        store.extend_from_slice(certificate);
    }
    let mut digest = Sha1::new();
    for unit in JAVA_KEY_STORE_PASSWORD.encode_utf16() {
        digest.update(unit.to_be_bytes());
    }
    digest.update(WHITENER);
    digest.update(&store);
    store.extend_from_slice(&digest.finalize());
    Ok(store)
}

fn number(store: &mut Vec<u8>, number: u32) {
    store.extend_from_slice(&number.to_be_bytes());
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a bundle is smaller than 4 GiB")
}

/// ASCII without NUL, of which Java's own UTF-8 is the same.
fn text(store: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("short");
    store.extend_from_slice(&length.to_be_bytes());
    store.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> String {
        let names = vec!["mirror.example".to_owned()];
        let key = rcgen::generate_simple_self_signed(names).expect("a certificate");
        key.cert.pem()
    }

    #[test]
    fn the_form() {
        let store = java_key_store("").expect("a store");
        assert_eq!(
            store[..12],
            [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 0]
        );
        assert_eq!(store.len(), 12 + 20);
        assert!(
            java_key_store("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").is_err()
        );
    }

    /// Java's own tool reads it, and checks its digest.
    #[test]
    fn keytool_lists_every_certificate() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("trust.jks");
        let bundle = [certificate(), certificate(), certificate()].concat();
        std::fs::write(&path, java_key_store(&bundle).expect("a store")).expect("written");
        let listed = std::process::Command::new("keytool")
            .args(["-list", "-storepass", JAVA_KEY_STORE_PASSWORD, "-keystore"])
            .arg(&path)
            .output()
            .expect("a JDK, as scripts/bootstrap lists it");
        let said = String::from_utf8_lossy(&listed.stdout);
        assert!(listed.status.success(), "{said}");
        assert_eq!(said.matches("trustedCertEntry").count(), 3, "{said}");
    }
}
