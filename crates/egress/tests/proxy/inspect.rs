//! Requests inside TLS that the proxy ends.

use outwork_egress::policy::{Injection, Methods, Policy, Secret};
use outwork_egress::proxy::{Decision, ProxyConfig, RefusalCode, Roots, Verdict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Origin, code_of, echo, inspecting, origin, origin_named, start, within};

fn with(origin: &Origin, change: impl FnOnce(&mut Policy)) -> ProxyConfig {
    let mut config = inspecting(origin);
    change(&mut config.policy);
    config
}

fn get(origin: &Origin, path: &str, more: &str) -> String {
    let port = origin.port;
    format!("GET {path} HTTP/1.1\r\nHost: mirror.example:{port}\r\n{more}\r\n")
}

/// Reads until what was read ends with `end`.
async fn until(stream: &mut (impl tokio::io::AsyncRead + Unpin), end: &str) -> String {
    let mut answer = String::new();
    while !answer.ends_with(end) {
        match within(stream.read_u8()).await {
            Ok(byte) => answer.push(byte.into()),
            Err(error) => panic!("{error} after {answer}"),
        }
    }
    answer
}

#[tokio::test]
async fn requests_are_read_and_written_anew() {
    let mut origin = origin(echo).await;
    let mut harness = start(inspecting(&origin));
    let port = origin.port;
    let mut tls = harness.inside(port).await;
    assert_eq!(tls.get_ref().1.alpn_protocol(), None);
    for n in 0..3 {
        let request = get(
            &origin,
            &format!("/{n}?secret"),
            "X-Y: z\r\nConnection: x-hop\r\nX-Hop: 1\r\n",
        );
        tls.write_all(request.as_bytes()).await.unwrap();
        let answer = until(&mut tls, &format!("/{n}?secret")).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"),
            "{answer}"
        );
        assert_eq!(
            origin.request().await,
            format!("GET /{n}?secret HTTP/1.1\r\nhost: mirror.example:{port}\r\nX-Y: z\r\n\r\n")
        );
        let Decision {
            host,
            port: decided,
            method,
            path,
            verdict,
            rule,
            hint,
            bytes_up,
            bytes_down,
            duration: _,
        } = harness.decision().await;
        assert_eq!((host.as_str(), decided), ("mirror.example", port));
        assert_eq!(
            (method.as_deref(), path.as_deref()),
            (Some("GET"), Some(&*format!("/{n}")))
        );
        let address = Some(format!("127.0.0.1:{port}").parse().unwrap());
        assert_eq!(verdict, Verdict::Allowed { address });
        assert_eq!(
            (rule.as_deref(), hint),
            (Some("allow: mirror.example"), None)
        );
        assert!(bytes_up > 50 && bytes_down > 40, "{bytes_up} {bytes_down}");
    }
    // A second client: its requests go on the same connection.
    let answer = harness
        .ask(port, get(&origin, "/other", "Connection: close\r\n"))
        .await;
    assert!(
        answer.ends_with("\r\nconnection: close\r\n\r\n/other"),
        "{answer}"
    );
    assert_eq!(origin.accepted(), 1);
}

#[tokio::test]
async fn bodies_in_both_directions() {
    let mut origin = origin(|request| {
        let body = request.split("\r\n\r\n").nth(1).unwrap();
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        )
    })
    .await;
    let mut harness = start(inspecting(&origin));
    let port = origin.port;
    let large = "x".repeat(3 << 20);
    let request = format!(
        "POST /a HTTP/1.1\r\nHost: mirror.example:{port}\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{large}",
        large.len()
    );
    let answer = harness.ask(port, request).await;
    let (first, rest) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(first, "HTTP/1.1 100 Continue");
    assert_eq!(rest.matches('x').count(), large.len());
    assert!(rest.ends_with("\r\n0\r\n\r\n"));
    assert!(!origin.request().await.contains("xpect"));
    let decision = harness.decision().await;
    assert!(decision.bytes_up > large.len() as u64 && decision.bytes_down > large.len() as u64);
    let request = format!(
        "POST /a HTTP/1.1\r\nHost: mirror.example:{port}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
         2\r\nab\r\n3\r\ncde\r\n0\r\nTrailer: x\r\n\r\n"
    );
    harness.ask(port, request).await;
    let request = origin.request().await;
    assert!(
        request.ends_with("\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"),
        "{request}"
    );
}

#[tokio::test]
async fn a_kept_connection_that_the_server_ended() {
    let mut origin = origin(|request| match request.starts_with("GET /last ") {
        // Ends without having said so.
        true => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: Connection: close\r\n\r\nok".to_owned(),
        false => echo(request),
    })
    .await;
    let mut harness = start(inspecting(&origin));
    let port = origin.port;
    for path in ["/last", "/last", "/next"] {
        let answer = harness
            .ask(port, get(&origin, path, "Connection: close\r\n"))
            .await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{path} {answer}");
        assert!(origin.request().await.starts_with(&format!("GET {path} ")));
        assert!(matches!(
            harness.decision().await.verdict,
            Verdict::Allowed { .. }
        ));
    }
    assert_eq!(origin.accepted(), 3);
}

#[tokio::test]
async fn servers_that_are_not_who_they_should_be() {
    for (name, roots) in [
        ("other.example", None),
        ("mirror.example", Some("other.example")),
    ] {
        let origin = origin_named(name, echo).await;
        let mut config = inspecting(&origin);
        if let Some(roots) = roots {
            config.roots = Roots::Pem(origin_named(roots, echo).await.pem);
        }
        let mut harness = start(config);
        let answer = harness
            .ask(origin.port, get(&origin, "/", "Connection: close\r\n"))
            .await;
        assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
        assert_eq!(code_of(&answer), "server-tls");
        assert_eq!(harness.refusal().await.2, RefusalCode::ServerTls);
    }
}

#[tokio::test]
async fn clients_that_do_not_trust_the_proxy() {
    let origin = origin(echo).await;
    let mut harness = start(inspecting(&origin));
    let authority = format!("mirror.example:{}", origin.port);
    let tunnel = harness
        .tunnel(&format!("CONNECT {authority} HTTP/1.1\r\n\r\n"))
        .await;
    let connector = tokio_rustls::TlsConnector::from(crate::harness::untrusting());
    let name = rustls::pki_types::ServerName::try_from("mirror.example").unwrap();
    assert!(within(connector.connect(name, tunnel)).await.is_err());
    let decision = harness.decision().await;
    assert!(
        matches!(
            decision.verdict,
            Verdict::Refused {
                code: RefusalCode::ClientTls,
                ..
            }
        ),
        "{decision:?}"
    );
    assert_eq!(origin.accepted(), 0);
}

#[tokio::test]
async fn credentials_are_added_for_one_host() {
    const CANARY: &str = "Bearer canary-4711";
    let mut origin = origin(echo).await;
    let injection = Injection::new("mirror.example", "authorization", Secret::new(CANARY));
    let injections = vec![injection.unwrap()];
    let config = with(&origin, |policy| {
        policy.injections = injections;
        policy.destinations = outwork_egress::policy::Destinations::Public;
    });
    assert!(!format!("{config:?}").contains("canary-4711"));
    let mut harness = start(config);
    let port = origin.port;
    for own in [
        "",
        "Authorization: Bearer mine\r\n",
        "AUTHORIZATION: a\r\nauthorization: b\r\n",
        "Connection: authorization\r\n",
    ] {
        let request = get(&origin, "/", &format!("{own}Connection: close\r\n"));
        harness.ask(port, request).await;
        assert_eq!(
            origin.request().await,
            format!(
                "GET / HTTP/1.1\r\nhost: mirror.example:{port}\r\nauthorization: {CANARY}\r\n\r\n"
            )
        );
        assert!(!format!("{:?}", harness.decision().await).contains("canary-4711"));
    }
    // Not over plain HTTP, and not for another host.
    let authority = format!("mirror.example:{port}");
    let answer = harness
        .send(format!(
            "GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n"
        ))
        .await;
    assert_eq!(code_of(&answer), "scheme-not-allowed");
    assert!(!answer.contains("canary-4711"));
    let decision = harness.decision().await;
    assert_eq!(decision.rule.as_deref(), Some("injection: https only"));
    let mut plain =
        crate::harness::recorder("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let mut config = with(&origin, |policy| {
        policy.destinations = outwork_egress::policy::Destinations::Public;
        policy.injections = vec![
            Injection::new("mirror.example", "x-key", Secret::new(CANARY))
                .unwrap()
                .over_plain_http(),
        ];
    });
    config.policy.ports = vec![plain.port()];
    let harness = start(config);
    for (host, has_credential) in [("mirror.example", true), ("other.example", false)] {
        let authority = format!("{host}:{}", plain.port());
        let request = format!(
            "GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\nX_Key: mine\r\nConnection: close\r\n\r\n"
        );
        assert!(harness.send(request).await.ends_with("ok"));
        let request = plain.next().await;
        assert_eq!(
            request.contains(&format!("x-key: {CANARY}\r\n")),
            has_credential,
            "{request}"
        );
        assert_eq!(request.contains("mine"), !has_credential, "{request}");
    }
}

#[tokio::test]
async fn a_websocket_if_allowed() {
    let mut origin = origin(|_| {
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n".to_owned()
    })
    .await;
    let mut harness = start(with(&origin, |policy| {
        policy.websocket = true;
        policy.methods = Methods::ReadOnly;
    }));
    let mut tls = harness.inside(origin.port).await;
    let upgrade =
        "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: k\r\n";
    tls.write_all(get(&origin, "/ws", upgrade).as_bytes())
        .await
        .unwrap();
    let head = until(&mut tls, "\r\n\r\n").await;
    assert_eq!(
        head,
        "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
    );
    assert_eq!(
        origin.request().await,
        format!(
            "GET /ws HTTP/1.1\r\nhost: mirror.example:{}\r\nSec-WebSocket-Key: k\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n",
            origin.port
        )
    );
    for message in ["ping", "\u{1}\u{5}hello"] {
        tls.write_all(message.as_bytes()).await.unwrap();
        assert_eq!(until(&mut tls, message).await, message);
    }
    tls.shutdown().await.unwrap();
    drop(tls);
    let decision = harness.decision().await;
    assert!(matches!(decision.verdict, Verdict::Allowed { .. }));
    assert_eq!(decision.path.as_deref(), Some("/ws"));
}

#[tokio::test]
async fn reading_only_and_pushing() {
    let mut origin = origin(echo).await;
    let mut harness = start(with(&origin, |policy| policy.methods = Methods::ReadOnly));
    let port = origin.port;
    let post = |path: &str, kind: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: mirror.example:{port}\r\nContent-Type: application/x-git-{kind}-request\r\n\
             Connection: close\r\nContent-Length: 4\r\n\r\n0000"
        )
    };
    let fetch = harness
        .ask(port, post("/a.git/git-upload-pack", "upload-pack"))
        .await;
    assert!(fetch.ends_with("/a.git/git-upload-pack"), "{fetch}");
    assert!(origin.request().await.ends_with("\r\n\r\n0000"));
    harness.decision().await;
    let push = harness
        .ask(port, post("/a.git/git-receive-pack", "receive-pack"))
        .await;
    assert_eq!(code_of(&push), "blocked-by-git-push-policy");
    assert_eq!(
        harness.decision().await.rule.as_deref(),
        Some("git_push: false")
    );
    let harness = start(with(&origin, |policy| {
        policy.methods = Methods::ReadOnly;
        policy.git_push = true;
    }));
    let push = harness
        .ask(port, post("/a.git/git-receive-pack", "receive-pack"))
        .await;
    assert!(push.ends_with("/a.git/git-receive-pack"), "{push}");
}

#[tokio::test]
async fn no_more_is_sent_to_a_host_than_may_be() {
    let mut origin = origin(echo).await;
    let mut harness = start(with(&origin, |policy| {
        policy.upload_bytes_per_host = Some(2000)
    }));
    let port = origin.port;
    let post = |bytes: usize| {
        format!(
            "POST / HTTP/1.1\r\nHost: mirror.example:{port}\r\nConnection: close\r\nContent-Length: {bytes}\r\n\r\n{}",
            "x".repeat(bytes)
        )
    };
    assert!(
        harness
            .ask(port, post(1000))
            .await
            .starts_with("HTTP/1.1 200")
    );
    origin.request().await;
    harness.decision().await;
    for bytes in [1000, 0] {
        let answer = harness.ask(port, post(bytes)).await;
        assert_eq!(
            code_of(&answer),
            "blocked-by-byte-budget",
            "{bytes} {answer}"
        );
        let decision = harness.decision().await;
        assert_eq!(
            decision.rule.as_deref(),
            Some("upload_bytes_per_host: 2000")
        );
    }
    assert!(origin.no_more_requests());
}
