//! With the operator's own proxy between.

use outwork_egress::policy::Policy;
use outwork_egress::proxy::{ProxyConfig, UpstreamProxies, Verdict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::harness::{
    Harness, first_message, recorder, rest_of, start, tls_server, untrusting, within,
};

/// A proxy that tunnels everything to `to`, and tells the requests that it got.
async fn operators_proxy(to: u16) -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, requests) = mpsc::channel(10);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            sender.send(String::from_utf8(head).unwrap()).await.unwrap();
            client
                .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
                .await
                .unwrap();
            let mut server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
            tokio::spawn(async move {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (port, requests)
}

fn behind(proxy: u16) -> Harness {
    let address = format!("http://me:p%40ss@127.0.0.1:{proxy}");
    let upstream = UpstreamProxies::parse(Some(&address), Some(&address), None).unwrap();
    start(ProxyConfig {
        upstream,
        ..ProxyConfig::new(Policy::setup())
    })
}

#[tokio::test]
async fn a_tunnel_in_a_tunnel() {
    let server = tls_server().await;
    let (proxy, mut requests) = operators_proxy(server.port).await;
    let mut harness = behind(proxy);
    let connect = "CONNECT mirror.example:443 HTTP/1.1\r\n\r\n";
    let tunnel = harness.tunnel(connect).await;
    let answer = server.get(tunnel, "mirror.example", None).await.unwrap();
    assert!(answer.ends_with("/path"), "{answer}");
    assert_eq!(
        within(requests.recv()).await.unwrap(),
        "CONNECT mirror.example:443 HTTP/1.1\r\nhost: mirror.example:443\r\n\
         proxy-authorization: Basic bWU6cEBzcw==\r\n\r\n"
    );
    let decision = harness.decision().await;
    assert_eq!(decision.verdict, Verdict::Allowed { address: None });
    assert_eq!(*harness.names.asked.lock().unwrap(), Vec::<String>::new());
    // It is checked before it goes on, too.
    let tunnel = harness.tunnel(connect).await;
    assert!(server.get(tunnel, "other.example", None).await.is_err());
    assert_eq!(harness.refusal().await.2.as_str(), "sni-mismatch");
}

#[tokio::test]
async fn a_plain_request() {
    let mut proxy = recorder("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let harness = behind(proxy.port());
    let request = "GET http://mirror.example/a?b HTTP/1.1\r\nHost: mirror.example\r\n\
                   Proxy-Authorization: Basic bWluZQ==\r\nConnection: close\r\n\r\n";
    assert!(harness.send(request).await.ends_with("ok"));
    assert_eq!(
        proxy.next().await,
        "GET http://mirror.example/a?b HTTP/1.1\r\nhost: mirror.example\r\n\
         proxy-authorization: Basic bWU6cEBzcw==\r\n\r\n"
    );
}

#[tokio::test]
async fn it_says_no_or_nonsense() {
    for answer in [
        "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 200 OK\r\n\r\nspoken too early",
        "",
    ] {
        let proxy = recorder(answer).await;
        let mut harness = behind(proxy.port());
        let request = "CONNECT mirror.example:443 HTTP/1.1\r\n\r\n";
        let mut tunnel = harness.tunnel(request).await;
        let hello = first_message("mirror.example", untrusting());
        tunnel.write_all(&hello).await.unwrap();
        let told = rest_of(&mut tunnel).await;
        assert!(told.starts_with('\u{15}'), "an alert: {answer}{told}");
        assert_eq!(harness.refusal().await.2.as_str(), "upstream-proxy");
    }
}
