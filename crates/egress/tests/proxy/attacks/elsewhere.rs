//! Ways to a place that nobody listed: names that change, redirects, other protocols, addresses.

use outwork_egress::policy::{Destinations, Policy};
use outwork_egress::proxy::{ProxyConfig, Verdict};

use crate::harness::{Names, code_of, echo, inspecting, origin, start, start_with, within};
use crate::isolated::assert_isolated;

/// A refused name is not even asked for: what is looked up is a message to whoever runs the name's servers.
#[tokio::test]
#[ignore = "run by isolated::without_a_network"]
async fn a_name_is_resolved_only_once_it_is_allowed() {
    assert_isolated();
    let origin = origin(echo).await;
    let harness = start(inspecting(&origin));
    for name in ["secret-data.evil.example", "other.example"] {
        harness
            .send(format!("CONNECT {name}:{} HTTP/1.0\r\n\r\n", origin.port))
            .await;
    }
    assert_eq!(*harness.names.asked.lock().unwrap(), Vec::<String>::new());
}

/// Names whose addresses change between the check and the connection: what was checked is dialled, and it is asked for once.
#[tokio::test]
#[ignore = "run by isolated::without_a_network"]
async fn names_that_are_rebound() {
    assert_isolated();
    let origin = origin(echo).await;
    let names = Names::changing("mirror.example", &["127.0.0.1", "10.0.0.1"]);
    let harness = start_with(inspecting(&origin), names);
    let request = format!(
        "GET / HTTP/1.1\r\nHost: mirror.example:{}\r\nConnection: close\r\n\r\n",
        origin.port
    );
    assert!(
        harness
            .ask(origin.port, &request)
            .await
            .starts_with("HTTP/1.1 200")
    );
    assert_eq!(harness.names.asked.lock().unwrap().len(), 1);
    assert_eq!(origin.accepted(), 1);
    // The other way round.
    let names = Names::changing("mirror.example", &["10.0.0.1", "127.0.0.1"]);
    let mut harness = start_with(inspecting(&origin), names);
    let connect = format!("CONNECT mirror.example:{} HTTP/1.0\r\n\r\n", origin.port);
    assert_eq!(code_of(&harness.send(&connect).await), "address-not-public");
    let decision = harness.decision().await;
    assert_eq!(decision.rule.as_deref(), Some("address: private"));
    assert_eq!(origin.accepted(), 1);
}

/// The client follows; the policy is asked again.
#[tokio::test]
#[ignore = "run by isolated::without_a_network"]
async fn a_redirect_to_a_host_that_is_refused() {
    assert_isolated();
    let origin = origin(|_| {
        "HTTP/1.1 302 Found\r\nLocation: https://other.example/\r\nContent-Length: 0\r\n\r\n"
            .to_owned()
    })
    .await;
    let mut harness = start(inspecting(&origin));
    let ca = harness.directory().join("ca.pem");
    std::fs::write(&ca, harness.proxy.certificate_authority().unwrap()).unwrap();
    let url = format!("https://mirror.example:{}/", origin.port);
    let arguments = ["--location", "--dump-header", "-", &url];
    let output = crate::clients::curl(&harness, ca.to_str(), &arguments).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("302 Found"), "{said}");
    assert!(matches!(
        harness.decision().await.verdict,
        Verdict::Allowed { .. }
    ));
    let decision = harness.decision().await;
    assert_eq!(
        (decision.host.as_str(), decision.port),
        ("other.example", 443)
    );
    assert!(
        matches!(decision.verdict, Verdict::Refused { .. }),
        "{decision:?}"
    );
    assert_eq!(*harness.names.asked.lock().unwrap(), ["mirror.example"]);
}

/// What is no HTTP/1.1 by TLS's own words.
#[tokio::test]
#[ignore = "run by isolated::without_a_network"]
async fn only_http_1_1_is_agreed_on() {
    assert_isolated();
    let origin = origin(echo).await;
    let mut harness = start(inspecting(&origin));
    for (offered, agreed) in [
        (&[&b"h2"[..]][..], None),
        (&[b"h2", b"http/1.1"], Some(&b"http/1.1"[..])),
    ] {
        let connect = format!("CONNECT mirror.example:{} HTTP/1.1\r\n\r\n", origin.port);
        let tunnel = harness.tunnel(&connect).await;
        let connector = tokio_rustls::TlsConnector::from(harness.client(offered));
        let name = rustls::pki_types::ServerName::try_from("mirror.example").unwrap();
        let connected = within(connector.connect(name, tunnel)).await;
        match agreed {
            None => {
                assert!(connected.is_err());
                assert_eq!(harness.refusal().await.2.as_str(), "client-tls");
            }
            Some(_) => assert_eq!(connected.unwrap().get_ref().1.alpn_protocol(), agreed),
        }
    }
    assert_eq!(origin.accepted(), 0);
}

/// Each writing of an address, and each kind of one, is refused where TLS is inspected, too; `isolated` has them where it is not.
#[tokio::test]
#[ignore = "run by isolated::without_a_network"]
async fn addresses() {
    assert_isolated();
    for policy in [
        Policy {
            destinations: Destinations::Public,
            ..Policy::closed()
        },
        Policy::closed(),
    ] {
        let origin = origin(echo).await;
        let config = ProxyConfig {
            policy,
            ..inspecting(&origin)
        };
        crate::isolated::every_address_is_refused(config).await;
        assert_eq!(origin.accepted(), 0);
    }
}
