//! Real clients, set up by nothing but the environment that the crate gives.

use std::process::Output;

use outwork_egress::proxy::{TrustFiles, Verdict, proxy_environment};
use tokio::process::Command;

use crate::harness::{
    Harness, echo, inspecting, local, origin, recorder, start, tls_server, within,
};

pub async fn curl(harness: &Harness, ca: Option<&str>, arguments: &[&str]) -> Output {
    let port = harness.port().await;
    let trust = ca.map(|bundle| TrustFiles {
        bundle: bundle.to_owned(),
        java_key_store: None,
        apt_configuration: None,
    });
    let run = Command::new("curl")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .envs(proxy_environment(port, trust.as_ref()))
        .args(["--silent", "--show-error", "--disable"])
        .args(arguments)
        .output();
    within(run).await.expect("curl starts")
}

fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn curl_over_tls() {
    let server = tls_server().await;
    let mut harness = start(local(server.port));
    let bundle = harness.directory().join("ca.pem");
    std::fs::write(&bundle, &server.pem).unwrap();
    let bundle = bundle.to_str().unwrap();
    let url = format!("https://mirror.example:{}/from-curl", server.port);
    let output = curl(&harness, Some(bundle), &[&url]).await;
    assert_eq!(said(&output), "/from-curl");
    let decision = harness.decision().await;
    assert_eq!(decision.host, "mirror.example");
    assert!(matches!(decision.verdict, Verdict::Allowed { .. }));
    // Without the bundle curl itself refuses the certificate: what is in the tunnel is the server's own.
    let output = curl(&harness, None, &[&url]).await;
    assert_eq!(output.status.code(), Some(60), "{}", said(&output));
    harness.decision().await;
    // A tunnel to one, TLS for another.
    let output = curl(
        &harness,
        Some(bundle),
        &[
            "--connect-to",
            &format!("other.example:{0}:mirror.example:{0}", server.port),
            &format!("https://other.example:{}/", server.port),
        ],
    )
    .await;
    assert_eq!(output.status.code(), Some(35), "{}", said(&output));
    assert_eq!(harness.refusal().await.2.as_str(), "sni-mismatch");
}

#[tokio::test]
async fn curl_where_tls_is_inspected() {
    let mut origin = origin(echo).await;
    let mut harness = start(inspecting(&origin));
    let bundle = harness.directory().join("ca.pem");
    let ca = harness.proxy.certificate_authority().unwrap();
    std::fs::write(&bundle, outwork_egress::trust::bundle("", ca)).unwrap();
    let bundle = bundle.to_str().unwrap();
    let base = format!("https://mirror.example:{}", origin.port);
    let url = |path: &str| format!("{base}{path}");
    // Three requests over one connection, with bodies in both directions.
    let body = harness.directory().join("body");
    std::fs::write(&body, vec![b'x'; 2 << 20]).unwrap();
    let upload = format!("@{}", body.display());
    let arguments = [
        &*url("/a"),
        &url("/b"),
        "--next",
        "--silent",
        "--data-binary",
        &upload,
        &url("/c"),
    ];
    let output = curl(&harness, Some(bundle), &arguments).await;
    assert_eq!(said(&output), "/a/b/c");
    for (method, path) in [("GET", "/a"), ("GET", "/b"), ("POST", "/c")] {
        origin.request().await;
        let decision = harness.decision().await;
        assert_eq!(decision.method.as_deref(), Some(method));
        assert_eq!(decision.path.as_deref(), Some(path));
        assert!(
            matches!(decision.verdict, Verdict::Allowed { .. }),
            "{decision:?}"
        );
    }
    // What is refused is told, inside TLS.
    let output = curl(
        &harness,
        Some(bundle),
        &["--include", "--request", "TRACE", &url("/")],
    )
    .await;
    assert!(
        said(&output).contains("x-proxy-error: blocked-by-method-policy"),
        "{}",
        said(&output)
    );
    // A tunnel to one, TLS for another.
    let to = format!("other.example:{0}:mirror.example:{0}", origin.port);
    let other = format!("https://other.example:{}/", origin.port);
    let output = curl(&harness, Some(bundle), &["--connect-to", &to, &other]).await;
    assert_eq!(output.status.code(), Some(35), "{}", said(&output));
}

#[tokio::test]
async fn curl_in_plain_http() {
    let mut server = recorder("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let harness = start(local(server.port()));
    let url = format!("http://mirror.example:{}/", server.port());
    assert_eq!(said(&curl(&harness, None, &[&url]).await), "ok");
    assert!(server.next().await.starts_with("GET / HTTP/1.1\r\n"));
    let output = curl(&harness, None, &["--include", "http://192.168.0.1/"]).await;
    let said = said(&output);
    // The address may have another port than those of the test.
    assert!(said.contains("x-proxy-error: port-not-allowed"), "{said}");
}

#[test]
fn the_environment() {
    let trust = |java_key_store: Option<&str>| TrustFiles {
        bundle: "/etc/ssl/bundle.pem".to_owned(),
        java_key_store: java_key_store.map(str::to_owned),
        apt_configuration: Some("/etc/apt.conf".to_owned()),
    };
    let variables = proxy_environment(47101, Some(&trust(None)));
    let lines: Vec<_> = variables
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut names: Vec<_> = variables.iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), variables.len(), "each once");
    for expected in [
        "HTTP_PROXY=http://127.0.0.1:47101",
        "https_proxy=http://127.0.0.1:47101",
        "NO_PROXY=127.0.0.1,localhost,::1",
        "NODE_USE_ENV_PROXY=1",
        "SSL_CERT_FILE=/etc/ssl/bundle.pem",
        "CARGO_HTTP_CAINFO=/etc/ssl/bundle.pem",
        "npm_config_cafile=/etc/ssl/bundle.pem",
        "APT_CONFIG=/etc/apt.conf",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}");
    }
    let plain = proxy_environment(47101, None);
    assert_eq!(plain[..], variables[..plain.len()]);
    assert!(!plain.iter().any(|(name, _)| name.contains("CERT")));
    let with_store = proxy_environment(47101, Some(&trust(Some("/etc/trust.jks"))));
    let java = with_store
        .iter()
        .find(|(name, _)| name == "JAVA_TOOL_OPTIONS");
    let java = &java.expect("for the JVM").1;
    assert!(
        java.contains(" -Djavax.net.ssl.trustStore=/etc/trust.jks "),
        "{java}"
    );
}
