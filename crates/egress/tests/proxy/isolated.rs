//! What must never be dialled. These tests run in a network namespace of their own, where nothing can be reached: a fault here must not
//! send a packet to a real address.

use std::process::Command;

use outwork_egress::policy::Policy;
use outwork_egress::proxy::{ProxyConfig, RefusalCode, UpstreamProxies, Verdict};

use tokio::io::AsyncWriteExt;

use crate::harness::{Harness, Names, code_of, first_message, rest_of, start_with, untrusting};

const CHILD: &str = "OUTWORK_EGRESS_TEST_ISOLATED";

#[test]
fn without_a_network() {
    let program = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net"])
        // Servers of the tests are on loopback, which a new namespace has, but not up.
        .args(["sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""])
        .arg(program)
        .args(["isolated::", "attacks::", "--ignored"])
        .env(CHILD, "1")
        .output()
        .expect("unshare (util-linux) and ip (iproute2) start");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(said.contains(" 15 passed"), "{said}\n{errors}");
}

pub fn assert_isolated() {
    let is_child = std::env::var_os(CHILD).is_some();
    assert!(is_child, "this test is run by isolated::without_a_network");
    let routes = std::fs::read_to_string("/proc/net/route").unwrap();
    assert!(routes.lines().count() < 2, "there is a route:\n{routes}");
}

fn harness(config: ProxyConfig) -> Harness {
    assert_isolated();
    let names = Names::new(&[
        ("private.example", &["10.0.0.1"]),
        ("mapped.example", &["::ffff:10.0.0.1", "::ffff:127.0.0.1"]),
        ("nat64.example", &["64:ff9b::a9fe:a9fe"]),
        ("sixtofour.example", &["2002:a9fe:a9fe::1"]),
        ("teredo.example", &["2001:0:a9fe:a9fe::"]),
        ("metadata.example", &["169.254.169.254"]),
        ("alibaba.example", &["100.100.100.200"]),
        ("azure.example", &["168.63.129.16"]),
        ("imds6.example", &["fd00:ec2::254"]),
        ("loop.example", &["127.0.0.1", "::1"]),
        ("zero.example", &["0.0.0.0", "::"]),
        ("cgnat.example", &["100.64.0.1"]),
        ("linklocal.example", &["fe80::1", "169.254.1.1"]),
        ("multicast.example", &["224.0.0.1", "ff02::1"]),
        ("broadcast.example", &["255.255.255.255"]),
        ("unique.example", &["fc00::1", "192.168.0.1", "172.16.0.1"]),
        ("mirror.example", &["203.0.113.7"]),
        ("rebound.example", &["10.0.0.1", "203.0.113.7"]),
    ]);
    start_with(config, names)
}

/// The code for a tunnel to `host`, and for a request to it.
async fn codes(harness: &mut Harness, host: &str) -> [String; 2] {
    let tunnel = format!("CONNECT {host}:443 HTTP/1.0\r\n\r\n");
    let plain = format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let mut codes = [String::new(), String::new()];
    for (request, code) in [tunnel, plain].iter().zip(&mut codes) {
        let answer = harness.send(request).await;
        *code = code_of(&answer).to_owned();
        let (_, _, decided) = harness.refusal().await;
        let unread = code.is_empty() && answer.starts_with("HTTP/1.1 400");
        assert!(decided.as_str() == *code || unread, "{request}{answer}");
        *code = decided.to_string();
    }
    codes
}

/// The code for a tunnel to `host` in which TLS has begun: what becomes of dialling it.
async fn dialled(harness: &mut Harness, host: &str) -> String {
    let request = format!("CONNECT {host}:443 HTTP/1.1\r\n\r\n");
    let mut tunnel = harness.tunnel(&request).await;
    let hello = first_message(host, untrusting());
    tunnel.write_all(&hello).await.unwrap();
    rest_of(&mut tunnel).await;
    harness.refusal().await.2.to_string()
}

#[tokio::test]
#[ignore = "run by without_a_network"]
async fn names_of_what_is_not_public() {
    let mut harness = harness(ProxyConfig::new(Policy::setup()));
    for host in [
        "private.example",
        "mapped.example",
        "nat64.example",
        "sixtofour.example",
        "teredo.example",
        "metadata.example",
        "alibaba.example",
        "azure.example",
        "imds6.example",
        "loop.example",
        "zero.example",
        "cgnat.example",
        "linklocal.example",
        "multicast.example",
        "broadcast.example",
        "unique.example",
        "PRIVATE.example.",
    ] {
        assert_eq!(
            codes(&mut harness, host).await,
            ["address-not-public"; 2],
            "{host}"
        );
    }
    let answer = harness
        .send("CONNECT private.example:443 HTTP/1.0\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    let decision = harness.decision().await;
    let code = RefusalCode::AddressNotPublic;
    let reason = "private.example is 10.0.0.1, a private address.".to_owned();
    assert_eq!(decision.verdict, Verdict::Refused { code, reason });
    assert_eq!(
        body,
        "private.example has no public address.\n\
         If it is meant, ask who runs the worker to allow the address or its network by number.\n\
         To allow it: outwork worker --setup-allow-address ADDRESS\n"
    );
}

#[tokio::test]
#[ignore = "run by without_a_network"]
async fn what_is_public_is_dialled() {
    let mut harness = harness(ProxyConfig::new(Policy::setup()));
    for host in ["mirror.example", "rebound.example"] {
        assert_eq!(dialled(&mut harness, host).await, "unreachable", "{host}");
    }
}

#[tokio::test]
#[ignore = "run by without_a_network"]
async fn addresses_and_what_could_be_read_as_one() {
    every_address_is_refused(ProxyConfig::new(Policy::setup())).await;
}

pub async fn every_address_is_refused(config: ProxyConfig) {
    let mut harness = harness(config);
    for host in [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "8.8.8.8",
        "203.0.113.7",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0000:0000:0000:0000:0000:FFFF:7F00:0001]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fd00:ec2::254]",
        "[fe80::1]",
    ] {
        assert_eq!(
            codes(&mut harness, host).await,
            ["address-not-listed"; 2],
            "{host}"
        );
    }
    for host in [
        "2130706433",
        "0x7f000001",
        "0X7F.0.0.1",
        "017700000001",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "127.0.0.1.",
        "127.0.0.01",
        "127.0.0.0x1",
        "0",
        "256.1.1.1",
        "1.2.3.4.5",
        "[::1%25lo]",
        "[fe80::1%lo]",
        "[127.0.0.1]",
        "::1",
        "user@mirror.example",
        "127.0.0.1@mirror.example",
        "mirror.example@127.0.0.1",
        "mirror.example%00.other",
        "mirror%2eexample",
        "mirror..example",
        ".mirror.example",
        "mirror.example..",
        "mirror.example#",
        "mirror.example\\",
        "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
        "127\u{3002}0\u{3002}0\u{3002}1",
        "\u{24db}ocalhost",
    ] {
        assert_eq!(
            codes(&mut harness, host).await,
            ["bad-request"; 2],
            "{host}"
        );
    }
    for host in [
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "metadata.google.internal",
    ] {
        assert_eq!(
            codes(&mut harness, host).await,
            ["name-not-allowed"; 2],
            "{host}"
        );
    }
    assert_eq!(*harness.names.asked.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test]
#[ignore = "run by without_a_network"]
async fn ports() {
    let mut harness = harness(ProxyConfig::new(Policy::setup()));
    for port in ["22", "25", "81", "444", "8080", "65535"] {
        for request in [
            format!("CONNECT mirror.example:{port} HTTP/1.0\r\n\r\n"),
            format!(
                "GET http://mirror.example:{port}/ HTTP/1.0\r\nHost: mirror.example:{port}\r\n\r\n"
            ),
        ] {
            let answer = harness.send(&request).await;
            assert_eq!(code_of(&answer), "port-not-allowed", "{request}");
            let refusal = harness.refusal().await;
            let port = port.parse().unwrap();
            let expected = (
                "mirror.example".to_owned(),
                port,
                RefusalCode::PortNotAllowed,
            );
            assert_eq!(refusal, expected);
        }
    }
    assert_eq!(*harness.names.asked.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test]
#[ignore = "run by without_a_network"]
async fn what_the_operators_proxy_is_not_asked_for() {
    let address = Some("http://127.0.0.1:3128");
    let upstream = UpstreamProxies::parse(address, address, Some(".direct.example")).unwrap();
    let mut harness = harness(ProxyConfig {
        upstream,
        ..ProxyConfig::new(Policy::setup())
    });
    for host in ["10.0.0.1", "8.8.8.8", "[::1]"] {
        assert_eq!(
            codes(&mut harness, host).await,
            ["address-not-listed"; 2],
            "{host}"
        );
    }
    for host in ["localhost", "metadata", "instance-data"] {
        assert_eq!(
            codes(&mut harness, host).await,
            ["name-not-allowed"; 2],
            "{host}"
        );
    }
    // Names are its own to resolve.
    assert_eq!(
        dialled(&mut harness, "private.example").await,
        "upstream-proxy"
    );
    assert_eq!(*harness.names.asked.lock().unwrap(), Vec::<String>::new());
    assert_eq!(
        codes(&mut harness, "a.direct.example").await,
        ["unresolvable"; 2]
    );
}
