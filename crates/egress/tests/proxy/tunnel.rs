//! CONNECT.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use outwork_egress::proxy::{ProxyConfig, RefusalCode, Verdict};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::UnixStream;

use crate::harness::{
    Harness, code_of, first_message, local, recorder, rest_of, start, tls_server, untrusting,
    within,
};

const ALERT: &str = "\u{15}\u{3}\u{3}\0\u{2}\u{2}1";

#[tokio::test]
async fn a_tunnel_carries_tls() {
    let server = tls_server().await;
    let mut harness = start(local(server.port));
    let tunnel = harness.tunnel(&server.connect_request()).await;
    let answer = server.get(tunnel, "mirror.example", None).await.unwrap();
    assert!(answer.ends_with("\r\n\r\n/path"), "{answer}");
    let decision = harness.decision().await;
    assert!(decision.bytes_up > 200 && decision.bytes_down > 200);
    assert_eq!(
        (decision.host.as_str(), decision.port),
        ("mirror.example", server.port)
    );
    assert_eq!(decision.method.as_deref(), Some("CONNECT"));
    assert_eq!(decision.path, None);
    let address = format!("127.0.0.1:{}", server.port).parse().unwrap();
    assert_eq!(
        decision.verdict,
        Verdict::Allowed {
            address: Some(address)
        }
    );
    let totals = harness.proxy.shutdown().await;
    assert_eq!((totals.allowed, totals.refused), (1, 0));
    assert_eq!(totals.bytes_up, decision.bytes_up);
}

/// Writes a byte at a time, and waits for the other side after each.
struct OneByte(UnixStream);

impl AsyncRead for OneByte {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for OneByte {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let one = &bytes[..bytes.len().min(1)];
        Pin::new(&mut self.0).poll_write(cx, one)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn tls_however_it_is_split() {
    let server = tls_server().await;
    let harness = start(local(server.port));
    for fragment in [None, Some(32), Some(33), Some(100)] {
        let tunnel = OneByte(harness.tunnel(&server.connect_request()).await);
        let answer = server
            .get(tunnel, "mirror.example", fragment)
            .await
            .unwrap();
        assert!(answer.ends_with("/path"), "{fragment:?}: {answer}");
        // The other server's name, split the same way.
        let tunnel = OneByte(harness.tunnel(&server.connect_request()).await);
        let refused = server.get(tunnel, "other.example", fragment).await;
        assert!(refused.is_err(), "{fragment:?}");
    }
}

#[tokio::test]
async fn a_message_cut_at_any_byte_reaches_the_server_whole() {
    let config = tls_server().await.client(None);
    let hello = first_message("mirror.example", config);
    let mut server = recorder("").await;
    let harness = start(local(server.port()));
    let request = format!("CONNECT mirror.example:{} HTTP/1.1\r\n\r\n", server.port());
    for cut in 1..hello.len() {
        let mut tunnel = harness.tunnel(&request).await;
        tunnel.write_all(&hello[..cut]).await.unwrap();
        tunnel.flush().await.unwrap();
        tokio::task::yield_now().await;
        tunnel.write_all(&hello[cut..]).await.unwrap();
        tunnel.shutdown().await.unwrap();
        let received = within(server.received.recv()).await.unwrap();
        assert_eq!(received, hello, "{cut}");
    }
    // With the request for the tunnel, before its answer.
    let early = [request.as_bytes(), &hello].concat();
    let mut stream = harness.connect().await;
    stream.write_all(&early).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(within(server.received.recv()).await.unwrap(), hello);
}

/// Sends `bytes` through a new tunnel: what comes back, and the refusal. Nothing is dialled.
async fn through(
    harness: &mut Harness,
    server: &crate::harness::Recorder,
    bytes: &[u8],
) -> (String, RefusalCode) {
    let request = format!("CONNECT mirror.example:{} HTTP/1.1\r\n\r\n", server.port());
    let mut tunnel = harness.tunnel(&request).await;
    tunnel.write_all(bytes).await.unwrap();
    let answer = rest_of(&mut tunnel).await;
    let (host, port, code) = harness.refusal().await;
    assert_eq!((host.as_str(), port), ("mirror.example", server.port()));
    assert_eq!(server.accepted(), 0);
    (answer, code)
}

#[tokio::test]
async fn nothing_but_tls_to_the_named_server_leaves() {
    let server = recorder("").await;
    let mut harness = start(local(server.port()));
    let config = tls_server().await.client(None);
    let nothing = |code| (String::new(), code);
    let alert = |code| (ALERT.to_owned(), code);
    for plain in [
        &b"POST /upload HTTP/1.1\r\nHost: mirror.example\r\n\r\n"[..],
        b"SSH-2.0-OpenSSH_9\r\n",
        b"CONNECT other.example:443 HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x00\x05HELLO",
        b"\x17\x03\x03\x00\x01\x00",
    ] {
        let outcome = through(&mut harness, &server, plain).await;
        assert_eq!(outcome, nothing(RefusalCode::NotTls), "{plain:?}");
    }
    for other in ["other.example", "sub.mirror.example", "example"] {
        let hello = first_message(other, config.clone());
        let outcome = through(&mut harness, &server, &hello).await;
        assert_eq!(outcome, alert(RefusalCode::SniMismatch), "{other}");
    }
    // rustls names no server when it is an address.
    let hello = first_message("127.0.0.1", config);
    let outcome = through(&mut harness, &server, &hello).await;
    assert_eq!(outcome, alert(RefusalCode::SniMissing));
}

#[tokio::test]
async fn a_listed_address_and_other_spellings_of_the_same_name() {
    let server = tls_server().await;
    let mut harness = start(local(server.port));
    let port = server.port;
    for (request, name) in [
        (
            format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n"),
            "127.0.0.1",
        ),
        (
            format!("CONNECT Mirror.EXAMPLE.:{port} HTTP/1.1\r\nHost: mirror.example\r\n"),
            "mirror.example",
        ),
        // As Python did until 3.12.
        (
            format!("CONNECT mirror.example:{port} HTTP/1.0\r\n"),
            "mirror.example",
        ),
    ] {
        let tunnel = harness.tunnel(&format!("{request}\r\n")).await;
        let answer = server.get(tunnel, name, None).await.unwrap();
        assert!(answer.ends_with("/path"), "{request}: {answer}");
        let decision = harness.decision().await;
        assert!(matches!(decision.verdict, Verdict::Allowed { .. }));
        assert_eq!(decision.host, name);
    }
    // A name in TLS where the tunnel is to an address.
    let tunnel = harness
        .tunnel(&format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n"))
        .await;
    assert!(server.get(tunnel, "mirror.example", None).await.is_err());
    assert_eq!(harness.refusal().await.2, RefusalCode::SniMismatch);
}

#[tokio::test]
async fn requests_for_a_tunnel_that_are_none() {
    let server = recorder("").await;
    let mut harness = start(local(server.port()));
    let authority = format!("mirror.example:{}", server.port());
    let to = |rest: &str| format!("CONNECT {authority} HTTP/1.1\r\n{rest}\r\n");
    for (request, code) in [
        (to("Host: other.example\r\n"), "host-mismatch"),
        (to("Host: mirror.example:1\r\n"), "host-mismatch"),
        (
            to("Host: mirror.example\r\nHost: mirror.example\r\n"),
            "bad-request",
        ),
        (to("Host: a b\r\n"), "bad-request"),
        (to("Content-Length: 5\r\n"), "bad-request"),
        (to("Transfer-Encoding: chunked\r\n"), "bad-request"),
        (
            "CONNECT mirror.example HTTP/1.1\r\n\r\n".into(),
            "bad-request",
        ),
        (
            format!("CONNECT http://{authority}/ HTTP/1.1\r\n\r\n"),
            "bad-request",
        ),
        (
            format!("CONNECT me@{authority} HTTP/1.1\r\n\r\n"),
            "bad-request",
        ),
        (
            "CONNECT mirror.example:22 HTTP/1.1\r\n\r\n".into(),
            "port-not-allowed",
        ),
        (
            format!("CONNECT empty.example:{} HTTP/1.1\r\n\r\n", server.port()),
            "unresolvable",
        ),
        (
            format!("CONNECT none.example:{} HTTP/1.1\r\n\r\n", server.port()),
            "unresolvable",
        ),
    ] {
        let mut stream = harness.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let head = within(crate::harness::head_of(&mut stream)).await;
        assert_eq!(code_of(&head), code, "{request}{head}");
        assert_eq!(harness.refusal().await.2.as_str(), code, "{request}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let server = recorder("").await;
    let port = server.port();
    let mut harness = start(local(port));
    // Its listener goes with its runtime only; a port of nobody is found by closing one.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = closed.local_addr().unwrap().port();
    drop(closed);
    let answer = harness
        .send(format!("CONNECT mirror.example:{nobody} HTTP/1.0\r\n\r\n"))
        .await;
    assert_eq!(code_of(&answer), "port-not-allowed");
    harness.refusal().await;
    let mut harness = start(local(nobody));
    // It is dialled when the client has begun TLS, and then TLS is ended.
    let hello = first_message("mirror.example", untrusting());
    let request = format!("CONNECT mirror.example:{nobody} HTTP/1.1\r\n\r\n");
    let mut tunnel = harness.tunnel(&request).await;
    tunnel.write_all(&hello).await.unwrap();
    assert_eq!(rest_of(&mut tunnel).await, ALERT);
    assert_eq!(harness.refusal().await.2, RefusalCode::Unreachable);
    // A plain request is told why.
    let answer = harness
        .send(format!(
            "GET http://mirror.example:{nobody}/ HTTP/1.1\r\nHost: mirror.example:{nobody}\r\nConnection: close\r\n\r\n"
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert_eq!(code_of(&answer), "unreachable");
    assert!(answer.contains("Check that the server is up"), "{answer}");
    assert_eq!(harness.refusal().await.2, RefusalCode::Unreachable);
}

#[tokio::test]
async fn a_tunnel_in_which_nothing_is_said() {
    let server = recorder("").await;
    let config = ProxyConfig {
        header_timeout: Duration::from_millis(50),
        ..local(server.port())
    };
    let mut harness = start(config);
    let request = format!("CONNECT mirror.example:{} HTTP/1.1\r\n\r\n", server.port());
    let mut tunnel = harness.tunnel(&request).await;
    assert_eq!(rest_of(&mut tunnel).await, "");
    assert_eq!(harness.refusal().await.2, RefusalCode::NotTls);
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn a_tunnel_that_fell_silent() {
    let config = tls_server().await.client(None);
    let hello = first_message("mirror.example", config);
    // Reads the message and never answers, since it waits for a request of HTTP.
    let mut server = recorder("").await;
    let mut harness = start(ProxyConfig {
        idle_timeout: Duration::from_millis(200),
        ..local(server.port())
    });
    let request = format!("CONNECT mirror.example:{} HTTP/1.1\r\n\r\n", server.port());
    let mut tunnel = harness.tunnel(&request).await;
    tunnel.write_all(&hello).await.unwrap();
    assert_eq!(rest_of(&mut tunnel).await, "");
    let decision = harness.decision().await;
    assert!(matches!(decision.verdict, Verdict::Allowed { .. }));
    assert_eq!(decision.bytes_up, hello.len() as u64);
    assert_eq!(within(server.received.recv()).await.unwrap(), hello);
}
