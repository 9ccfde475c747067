//! What programs in a sandbox must find so that they trust the proxy's certificates: text and bytes; whoever prepares the sandbox writes
//! them to files.

mod java;

pub use java::{JAVA_KEY_STORE_PASSWORD, NoCertificates, java_key_store};

/// Where distributions keep the bundle that their programs read, when no variable tells them otherwise. wget and apt read only that one.
pub const SYSTEM_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// All certificates of `system`, and the proxy's own, in PEM.
pub fn bundle(system: &str, certificate_authority: &str) -> String {
    format!(
        "{}\n{}\n",
        system.trim_end(),
        certificate_authority.trim_end()
    )
    .trim_start()
    .to_owned()
}

/// A configuration of apt that reads `bundle`, a path inside the sandbox; `APT_CONFIG` names it.
pub fn apt_configuration(bundle: &str) -> String {
    format!("Acquire::https::CAInfo \"{bundle}\";\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_the_systems_and_the_proxys() {
        assert_eq!(bundle("a\n\n", "b\n"), "a\nb\n");
        assert_eq!(bundle("a", "b"), "a\nb\n");
        assert_eq!(bundle("", "b"), "b\n");
    }
}
