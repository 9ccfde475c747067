//! What a sandbox's processes must be told to use the proxy.

/// Reached without the proxy: servers that run inside the sandbox itself.
const NO_PROXY: &str = "127.0.0.1,localhost,::1";

/// The variables for processes that reach the proxy at `127.0.0.1:port`. With `ca_bundle`, a file (inside the sandbox) with all
/// certificates to trust, also those that make the usual tools read it.
///
/// Covered by the first: curl, wget, git over HTTP, pip, uv, cargo, rustup, apt, go, ruby, npm, pnpm, yarn; by variables of their own: Node's
/// `fetch` (from 22.21 and 24 on), programs on the JVM, Maven. Java trusts its own key store only, whatever the bundle.
pub fn proxy_environment(port: u16, ca_bundle: Option<&str>) -> Vec<(String, String)> {
    let url = format!("http://127.0.0.1:{port}");
    let java = format!(
        "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort={port} \
         -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort={port} \
         -Dhttp.nonProxyHosts=localhost|127.0.0.1|[::1] \
         -Daether.connector.http.useSystemProperties=true"
    );
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
    if let Some(bundle) = ca_bundle {
        let readers = [
            "SSL_CERT_FILE",
            "NODE_EXTRA_CA_CERTS",
            "PIP_CERT",
            "REQUESTS_CA_BUNDLE",
            "CURL_CA_BUNDLE",
            "GIT_SSL_CAINFO",
            "YARN_HTTPS_CA_FILE_PATH",
            "CARGO_HTTP_CAINFO",
            "AWS_CA_BUNDLE",
            "DENO_CERT",
            "NIX_SSL_CERT_FILE",
        ];
        variables.extend(readers.map(|name| (name, bundle)));
    }
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    variables.into_iter().map(owned).collect()
}
