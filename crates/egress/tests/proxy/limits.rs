//! Many clients, slow ones, and large requests.

use std::time::Duration;

use outwork_egress::proxy::{ProxyConfig, RefusalCode, Verdict};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use crate::harness::{
    code_of, first_message, local, recorder, rest_of, start, tls_server, untrusting, within,
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn three_hundred_connections_at_once() {
    let server = tls_server().await;
    let mut harness = start(local(server.port));
    let mut clients = JoinSet::new();
    // All are open before the first says anything; a part of them must wait.
    let mut streams = Vec::new();
    for _ in 0..300 {
        streams.push(harness.connect().await);
    }
    let server = std::sync::Arc::new(server);
    for mut stream in streams {
        let server = server.clone();
        clients.spawn(async move {
            let request = server.connect_request();
            stream.write_all(request.as_bytes()).await.unwrap();
            let head = within(crate::harness::head_of(&mut stream)).await;
            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
            server.get(stream, "mirror.example", None).await.unwrap()
        });
    }
    let mut answers = 0;
    while let Some(answer) = clients.join_next().await {
        assert!(answer.unwrap().ends_with("/path"));
        answers += 1;
    }
    assert_eq!(answers, 300);
    for _ in 0..300 {
        let decision = harness.decision().await;
        assert!(matches!(decision.verdict, Verdict::Allowed { .. }));
    }
    let totals = harness.proxy.shutdown().await;
    assert_eq!((totals.allowed, totals.refused), (300, 0));
    assert_eq!(totals.decisions_dropped, 0);
}

#[tokio::test]
async fn of_connections_too_many_those_give_way_that_ask_for_nothing() {
    let mut server = recorder(OK).await;
    let mut harness = start(ProxyConfig {
        max_connections: 2,
        ..local(server.port())
    });
    let authority = format!("mirror.example:{}", server.port());
    let request = format!(
        "GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n"
    );
    let (mut first, _second) = (harness.connect().await, harness.connect().await);
    let mut third = harness.connect().await;
    third.write_all(request.as_bytes()).await.unwrap();
    assert!(rest_of(&mut third).await.ends_with("ok"));
    server.next().await;
    // The oldest went.
    assert_eq!(rest_of(&mut first).await, "");
    let unasked = (String::new(), 0, RefusalCode::RequestTimeout);
    assert_eq!(harness.refusal().await, unasked);
}

#[tokio::test]
async fn a_connection_too_many_waits_while_all_have_something_to_do() {
    let hello = first_message("mirror.example", untrusting());
    // Reads the message and never answers, since it waits for a request of HTTP.
    let mut server = recorder("").await;
    let harness = start(ProxyConfig {
        max_connections: 1,
        ..local(server.port())
    });
    let authority = format!("mirror.example:{}", server.port());
    let request = format!("CONNECT {authority} HTTP/1.1\r\n\r\n");
    let mut first = harness.tunnel(&request).await;
    first.write_all(&hello).await.unwrap();
    while server.accepted() < 1 {
        tokio::task::yield_now().await;
    }
    let mut second = harness.connect().await;
    second.write_all(request.as_bytes()).await.unwrap();
    // Nothing tells that something does not happen; others had their turn.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let mut answer = [0; 1];
    assert!(second.try_read(&mut answer).is_err());
    first.shutdown().await.unwrap();
    assert_eq!(server.received.recv().await.unwrap(), hello);
    drop(first);
    let head = within(crate::harness::head_of(&mut second)).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
}

#[tokio::test]
async fn slow_clients() {
    let mut harness = start(ProxyConfig {
        header_timeout: Duration::from_millis(50),
        ..local(80)
    });
    for beginning in ["", "GET http://mirror.example/ HTTP/1.1\r\nHost: mir"] {
        let mut stream = harness.connect().await;
        stream.write_all(beginning.as_bytes()).await.unwrap();
        rest_of(&mut stream).await;
        assert_eq!(
            harness.refusal().await,
            (String::new(), 0, RefusalCode::RequestTimeout)
        );
    }
}

/// Between two requests of a kept connection: that ends, and is nobody's decision.
#[tokio::test]
async fn a_client_that_stays_without_asking() {
    let mut server = recorder(OK).await;
    let mut harness = start(ProxyConfig {
        header_timeout: Duration::from_millis(100),
        ..local(server.port())
    });
    let authority = format!("mirror.example:{}", server.port());
    let request = format!("GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    assert!(harness.send(&request).await.ends_with("ok"));
    server.next().await;
    assert!(matches!(
        harness.decision().await.verdict,
        Verdict::Allowed { .. }
    ));
    assert!(harness.decisions.try_recv().is_err());
    assert_eq!(harness.proxy.totals().refused, 0);
}

/// A body that never comes.
#[tokio::test]
async fn a_client_that_stops_in_the_middle() {
    let server = recorder(OK).await;
    let mut harness = start(ProxyConfig {
        idle_timeout: Duration::from_millis(200),
        ..local(server.port())
    });
    let authority = format!("mirror.example:{}", server.port());
    let request = format!(
        "POST http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\nContent-Length: 9\r\n\r\nbody"
    );
    assert_eq!(harness.send(&request).await, "");
    assert_eq!(harness.refusal().await.2, RefusalCode::ClientGone);
}

#[tokio::test]
async fn a_head_that_is_too_large() {
    let server = recorder(OK).await;
    let mut harness = start(local(server.port()));
    let authority = format!("mirror.example:{}", server.port());
    let with = |bytes: usize| {
        format!(
            "GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\nX: {}\r\n\r\n",
            "x".repeat(bytes)
        )
    };
    assert!(harness.send(with(60 << 10)).await.ends_with("ok"));
    assert!(matches!(
        harness.decision().await.verdict,
        Verdict::Allowed { .. }
    ));
    let mut stream = harness.connect().await;
    // The proxy need not read it all.
    let _ = stream.write_all(with(70 << 10).as_bytes()).await;
    let answer = rest_of(&mut stream).await;
    assert_eq!(code_of(&answer), "bad-request", "{answer}");
    assert_eq!(harness.refusal().await.2, RefusalCode::BadRequest);
}

#[tokio::test]
async fn the_end_of_a_proxy_ends_all_and_says_so() {
    let server = recorder(OK).await;
    let mut harness = start(local(server.port()));
    let authority = format!("mirror.example:{}", server.port());
    let mut tunnel = harness
        .tunnel(&format!("CONNECT {authority} HTTP/1.1\r\n\r\n"))
        .await;
    let totals = harness.proxy.shutdown().await;
    assert_eq!(totals.refused, 1);
    assert_eq!(rest_of(&mut tunnel).await, "");
    let decision = within(harness.decisions.recv()).await.unwrap();
    assert_eq!(decision.host, "mirror.example");
    assert!(within(harness.decisions.recv()).await.is_none());
}

#[tokio::test]
async fn decisions_that_nobody_reads() {
    let harness = start(ProxyConfig {
        decision_capacity: 4,
        ..local(80)
    });
    for _ in 0..10 {
        harness.send("CONNECT 10.0.0.1:80 HTTP/1.0\r\n\r\n").await;
    }
    let totals = harness.proxy.shutdown().await;
    assert_eq!((totals.refused, totals.decisions_dropped), (10, 8));
}
