//! Ways to keep the proxy busy: heads and bodies without end, and a thousand clients that say nothing.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Way, all_refused, attack};
use crate::harness::{echo, inspecting, origin, start, within};
use crate::isolated::assert_isolated;

#[tokio::test]
#[ignore = "run by isolated::without_a_network"]
async fn heads_and_bodies_without_end() {
    assert_isolated();
    let origin = origin(echo).await;
    let port = origin.port;
    let host = format!("Host: mirror.example:{port}\r\n");
    let attacks = vec![
        attack(
            "a long header",
            Way::Inside(format!(
                "GET / HTTP/1.1\r\n{host}X: {}\r\n\r\n",
                "x".repeat(100 << 10)
            )),
            "bad-request",
            "",
        ),
        attack(
            "many headers",
            Way::Inside(format!(
                "GET / HTTP/1.1\r\n{host}{}\r\n",
                "X: y\r\n".repeat(200)
            )),
            "bad-request",
            "",
        ),
        attack(
            "a long address",
            Way::Inside(format!(
                "GET /{} HTTP/1.1\r\n{host}\r\n",
                "x".repeat(100 << 10)
            )),
            "bad-request",
            "",
        ),
        attack(
            "a long method",
            Way::Inside("G".repeat(100)),
            "bad-request",
            "",
        ),
        attack(
            "a head without end",
            Way::Outside(
                "GET http://mirror.example/ HTTP/1.1\r\n".to_owned() + &"X: y\r\n".repeat(20_000),
            ),
            "bad-request",
            "",
        ),
        attack(
            "a chunk's size without end",
            Way::Inside(format!(
                "POST / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n{}",
                "0".repeat(100_000)
            )),
            "bad-request",
            "",
        ),
        attack(
            "trailers without end",
            Way::Inside(format!(
                "POST / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n0\r\n{}",
                "X: y\r\n".repeat(1000)
            )),
            "bad-request",
            "",
        ),
    ];
    all_refused(inspecting(&origin), &origin, attacks).await;
}

/// A thousand that connect, or open a tunnel, or begin a head or TLS, and then say nothing more.
#[tokio::test]
#[ignore = "run by isolated::without_a_network"]
async fn a_thousand_slow_clients() {
    assert_isolated();
    let origin = origin(echo).await;
    let mut config = inspecting(&origin);
    // Less room than there are clients, and more patience than the test has.
    config.max_connections = 200;
    config.header_timeout = Duration::from_secs(600);
    let harness = start(config);
    let port = origin.port;
    let mut slow = Vec::new();
    for n in 0..1000 {
        let mut stream = harness.connect().await;
        let beginning = match n % 4 {
            0 => String::new(),
            1 => "GET http://mirror.exa".to_owned(),
            _ => format!("CONNECT mirror.example:{port} HTTP/1.1\r\n\r\n"),
        };
        // It may have had to go already.
        let _ = stream.write_all(beginning.as_bytes()).await;
        slow.push(stream);
        if n % 100 == 99 {
            let request = format!(
                "GET /{n} HTTP/1.1\r\nHost: mirror.example:{port}\r\nConnection: close\r\n\r\n"
            );
            let answer = harness.ask(port, request).await;
            assert!(answer.ends_with(&format!("/{n}")), "{n}: {answer}");
        }
    }
    let gone = async |stream: &mut tokio::net::UnixStream| {
        let mut bytes = [0; 1024];
        while within(stream.read(&mut bytes))
            .await
            .is_ok_and(|read| read > 0)
        {}
    };
    gone(&mut slow[0]).await;
    let totals = harness.proxy.shutdown().await;
    assert_eq!(totals.allowed, 10);
    assert_eq!(origin.accepted(), 1, "the servers heard nothing of it");
}
