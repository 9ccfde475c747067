//! What a sandbox's processes must be told to use the proxy.

use crate::trust::JAVA_KEY_STORE_PASSWORD;

/// Reached without the proxy: servers that run inside the sandbox itself.
const NO_PROXY: &str = "127.0.0.1,localhost,::1";

/// Each for another program; all name the same file.
const READERS_OF_BUNDLES: [&str; 17] = [
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "npm_config_cafile",
    "YARN_HTTPS_CA_FILE_PATH",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
    "AWS_CA_BUNDLE",
    "DENO_CERT",
    "NIX_SSL_CERT_FILE",
    "BUNDLE_SSL_CA_CERT",
    "HEX_CACERTS_PATH",
    "PERL_LWP_SSL_CA_FILE",
    "JULIA_SSL_CA_ROOTS_PATH",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
];

/// Files inside the sandbox with all certificates to trust, of which [`crate::trust`] makes the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustFiles {
    /// PEM.
    pub bundle: String,
    /// For Java, which reads no PEM.
    pub java_key_store: Option<String>,
    /// For apt, which has no variable for a bundle.
    pub apt_configuration: Option<String>,
}

/// The variables for processes that reach the proxy at `127.0.0.1:port`. With `trust`, also those that make the usual tools trust what it
/// says.
///
/// Covered by the first: curl, wget, git over HTTP, pip, uv, cargo, rustup, apt, go, ruby, npm, pnpm, yarn; by variables of their own: Node's
/// `fetch` (from 22.21 and 24 on), programs on the JVM, Maven. wget reads the system's bundle only, whatever is said here.
pub fn proxy_environment(port: u16, trust: Option<&TrustFiles>) -> Vec<(String, String)> {
    let url = format!("http://127.0.0.1:{port}");
    let mut java = format!(
        "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort={port} \
         -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort={port} \
         -Dhttp.nonProxyHosts=localhost|127.0.0.1|[::1] \
         -Daether.connector.http.useSystemProperties=true"
    );
    if let Some(store) = trust.and_then(|trust| trust.java_key_store.as_ref()) {
        java.push_str(&format!(
            " -Djavax.net.ssl.trustStore={store} -Djavax.net.ssl.trustStoreType=JKS \
             -Djavax.net.ssl.trustStorePassword={JAVA_KEY_STORE_PASSWORD}"
        ));
    }
    let mut variables = vec![
        // Some read only the one case, some only the other.
        ("HTTP_PROXY", url.as_str()),
        ("http_proxy", &url),
        ("HTTPS_PROXY", &url),
        ("https_proxy", &url),
        ("ALL_PROXY", &url),
        ("all_proxy", &url),
        ("NO_PROXY", NO_PROXY),
        ("no_proxy", NO_PROXY),
        // Over what an image's configuration files say.
        ("npm_config_proxy", &url),
        ("npm_config_https_proxy", &url),
        ("npm_config_noproxy", NO_PROXY),
        // Yarn from 2 on reads no others.
        ("YARN_HTTP_PROXY", &url),
        ("YARN_HTTPS_PROXY", &url),
        ("CARGO_HTTP_PROXY", &url),
        ("NODE_USE_ENV_PROXY", "1"),
        ("JAVA_TOOL_OPTIONS", &java),
    ];
    if let Some(trust) = trust {
        variables.extend(READERS_OF_BUNDLES.map(|name| (name, trust.bundle.as_str())));
    }
    if let Some(configuration) = trust.and_then(|trust| trust.apt_configuration.as_deref()) {
        variables.push(("APT_CONFIG", configuration));
    }
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    variables.into_iter().map(owned).collect()
}
