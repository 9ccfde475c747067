//! Requests with whole `http://` addresses.

use outwork_egress::proxy::{Decision, RefusalCode, Verdict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Recorder, code_of, local, recorder, rest_of, start, within};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn authority(server: &Recorder) -> String {
    format!("mirror.example:{}", server.port())
}

#[tokio::test]
async fn a_request_is_written_anew() {
    let mut server = recorder(OK).await;
    let mut harness = start(local(server.port()));
    let authority = authority(&server);
    let request = format!(
        "POST HTTP://Mirror.Example.:{port}/a%20b/?q=secret HTTP/1.1\r\nHost: MIRROR.example:{port}\r\n\
         Connection: keep-alive, X-Hop, Host\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\n\
         Proxy-Authorization: Basic c2VjcmV0\r\nTE: trailers\r\nHTTP2-Settings: AAMAAABk\r\n\
         Expect: 100-continue\r\nAuthorization: Bearer mine\r\nContent-Length: 4\r\n\r\nbody",
        port = server.port()
    );
    // The body of the recorder's requests ends with a dot.
    let request = request.replace("\r\n\r\nbody", "\r\n\r\nbod.");
    let mut stream = harness.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.ends_with("ok") {
        let byte = within(stream.read_u8()).await.unwrap();
        answer.push(byte.into());
    }
    assert!(
        answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n"),
        "{answer}"
    );
    let mut lines: Vec<_> = answer.lines().collect();
    lines.retain(|line| line.to_ascii_lowercase().starts_with("connection:"));
    assert_eq!(lines, Vec::<&str>::new());
    drop(stream);
    assert_eq!(
        server.next().await,
        format!(
            "POST /a%20b/?q=secret HTTP/1.1\r\nhost: {authority}\r\nAuthorization: Bearer mine\r\n\
             content-length: 4\r\n\r\nbod."
        )
    );
    let Decision {
        host,
        port,
        method,
        path,
        verdict,
        rule,
        hint,
        bytes_up,
        bytes_down,
        duration: _,
    } = harness.decision().await;
    assert_eq!((host.as_str(), port), ("mirror.example", server.port()));
    assert_eq!(method.as_deref(), Some("POST"));
    assert_eq!(path.as_deref(), Some("/a%20b/"));
    let address = Some(server.address);
    assert_eq!(verdict, Verdict::Allowed { address });
    assert_eq!((rule.as_deref(), hint), (Some("mode: all"), None));
    assert!(bytes_up > 100);
    assert!(bytes_down > OK.len() as u64);
}

#[tokio::test]
async fn several_requests_on_one_connection() {
    let mut server =
        recorder("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n").await;
    let mut harness = start(local(server.port()));
    let authority = authority(&server);
    let mut stream = harness.connect().await;
    for n in 0..3 {
        let request = format!("GET http://{authority}/{n} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        while !answer.ends_with("2\r\nok\r\n0\r\n\r\n") {
            let byte = within(stream.read_u8()).await.unwrap();
            answer.push(byte.into());
        }
        let head = format!("GET /{n} HTTP/1.1\r\nhost: {authority}\r\n\r\n");
        assert_eq!(server.next().await, head);
        let decision = harness.decision().await;
        assert_eq!(decision.path, Some(format!("/{n}")));
        assert!(matches!(decision.verdict, Verdict::Allowed { .. }));
    }
    // Each is judged for itself.
    let other = format!(
        "GET http://{authority}/ HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(other.as_bytes()).await.unwrap();
    assert_eq!(code_of(&rest_of(&mut stream).await), "host-mismatch");
    assert_eq!(harness.refusal().await.2, RefusalCode::HostMismatch);
}

#[tokio::test]
async fn addresses_without_a_path() {
    let mut server = recorder(OK).await;
    let harness = start(local(server.port()));
    let authority = authority(&server);
    for (address, path) in [
        ("", "/"),
        ("?a=b", "/?a=b"),
        ("/?", "/?"),
        ("//x/../y", "//x/../y"),
        ("/#part", "/"),
    ] {
        let answer = harness
            .send(format!(
                "GET http://{authority}{address} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n"
            ))
            .await;
        assert!(answer.ends_with("ok"), "{address}: {answer}");
        let request = server.next().await;
        assert!(
            request.starts_with(&format!("GET {path} HTTP/1.1\r\n")),
            "{address}: {request}"
        );
    }
}

/// Each is refused, and no byte of it reaches a server.
#[tokio::test]
async fn requests_that_could_be_read_in_two_ways() {
    let mut server = recorder(OK).await;
    let mut harness = start(local(server.port()));
    let authority = authority(&server);
    let get =
        |rest: &str| format!("GET http://{authority}/ HTTP/1.1\r\nConnection: close\r\n{rest}\r\n");
    let host = format!("Host: {authority}\r\n");
    for (request, code) in [
        (get(""), "bad-request"),
        (get(&format!("{host}{host}")), "bad-request"),
        (
            get(&format!("{host}Host: other.example\r\n")),
            "bad-request",
        ),
        (get("Host: other.example\r\n"), "host-mismatch"),
        (get("Host: mirror.example\r\n"), "host-mismatch"),
        (get("Host: mirror.example:443\r\n"), "host-mismatch"),
        (get("Host:\r\n"), "bad-request"),
        (get("Host: me@mirror.example\r\n"), "bad-request"),
        (get("Host: mirror.example/x\r\n"), "bad-request"),
        (
            format!("GET / HTTP/1.1\r\n{host}Connection: close\r\n\r\n"),
            "bad-request",
        ),
        (
            format!("GET //mirror.example/ HTTP/1.1\r\n{host}Connection: close\r\n\r\n"),
            "bad-request",
        ),
        (
            format!("OPTIONS * HTTP/1.1\r\n{host}Connection: close\r\n\r\n"),
            "bad-request",
        ),
        (
            format!("GET https://{authority}/ HTTP/1.1\r\n{host}Connection: close\r\n\r\n"),
            "scheme-not-allowed",
        ),
        (
            format!("GET ftp://{authority}/ HTTP/1.1\r\n{host}Connection: close\r\n\r\n"),
            "scheme-not-allowed",
        ),
        (
            format!("GET http://me:pw@{authority}/ HTTP/1.1\r\n{host}Connection: close\r\n\r\n"),
            "bad-request",
        ),
    ] {
        let answer = harness.send(&request).await;
        assert_eq!(code_of(&answer), code, "{request}{answer}");
        assert_eq!(harness.refusal().await.2.as_str(), code, "{request}");
    }
    let post = |rest: &str| format!("POST http://{authority}/ HTTP/1.1\r\n{host}{rest}\r\nbod.");
    for request in [
        // A folded header, space where none may be, no colon, a control character.
        post("X: 1\r\n Content-Length: 4\r\n"),
        post("Content-Length : 4\r\n"),
        post(" Content-Length: 4\r\n"),
        post("Content-Length\t: 4\r\n"),
        post("Content-Length\r\n"),
        post("X: \u{0}\r\n"),
        // Lengths that are two, or none.
        post("Content-Length: 4\r\nContent-Length: 5\r\n"),
        post("Content-Length: 4, 5\r\n"),
        post("Content-Length: +4\r\n"),
        post("Content-Length: 0x4\r\n"),
        post("Content-Length: 99999999999999999999\r\n"),
        post("Transfer-Encoding: chunked, identity\r\n"),
        post("Transfer-Encoding: xchunked\r\n"),
        format!("POST http://{authority}/ HTTP/1.0\r\n{host}Transfer-Encoding: chunked\r\n\r\n"),
        // Request lines.
        format!("GET http://{authority}/ HTTP/1.1 x\r\n{host}\r\n"),
        format!("GET http://{authority}/ HTTP/2.0\r\n{host}\r\n"),
        format!("GET  http://{authority}/ HTTP/1.1\r\n{host}\r\n"),
        format!("GET\thttp://{authority}/ HTTP/1.1\r\n{host}\r\n"),
        format!("GET http://{authority}/a b HTTP/1.1\r\n{host}\r\n"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\0\u{5}hello".to_owned(),
    ] {
        let answer = harness.send(&request).await;
        assert_eq!(code_of(&answer), "bad-request", "{request}\n{answer}");
        assert_eq!(
            harness.refusal().await.2,
            RefusalCode::BadRequest,
            "{request}"
        );
    }
    assert_eq!(server.accepted(), 0);
    harness.send(get(&host)).await;
    assert!(server.next().await.starts_with("GET / HTTP/1.1\r\nhost:"));
}

/// Of a length beside chunks, and of what stands beside a chunk's size, servers make what they like.
#[tokio::test]
async fn framings_that_differ() {
    let mut server = recorder(OK).await;
    let mut harness = start(local(server.port()));
    let authority = authority(&server);
    let length = "Content-Length: 4\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    let plain = "3\r\nabc\r\n0\r\n\r\n";
    for (first, second, body) in [
        (length, chunked, plain),
        (chunked, length, plain),
        (length, length, "bod."),
        (chunked, "", "3;x=y\r\nabc\r\n0\r\n\r\n"),
        (chunked, "", "3\nabc\r\n0\r\n\r\n"),
        (chunked, "", "0x3\r\nabc\r\n0\r\n\r\n"),
    ] {
        let smuggled =
            format!("GET http://{authority}/smuggled HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        let request = format!(
            "POST http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{first}{second}\r\n{body}{smuggled}"
        );
        let answer = harness.send(&request).await;
        assert_eq!(code_of(&answer), "bad-request", "{request}{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        assert_eq!(harness.refusal().await.2, RefusalCode::BadRequest);
        assert_eq!(server.accepted(), 0, "{request}");
    }
    // What is wrong later on: nothing that is whole reaches the server.
    let request = format!(
        "POST http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{chunked}\r\n3\r\nabc\r\n3;x=y\r\nabc\r\n0\r\n\r\n"
    );
    assert_eq!(code_of(&harness.send(&request).await), "bad-request");
    assert!(!server.next().await.contains("\r\n0\r\n"));
    // In one framing it is written anew.
    harness.refusal().await;
    let request = format!(
        "POST http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n{chunked}\r\n{plain}"
    );
    assert!(harness.send(&request).await.ends_with("ok"));
    let expected = format!(
        "POST / HTTP/1.1\r\nhost: {authority}\r\ntransfer-encoding: chunked\r\n\r\n{plain}"
    );
    assert_eq!(server.next().await, expected);
}

#[tokio::test]
async fn answers_that_could_be_read_in_two_ways() {
    let head = |answer: &str| {
        answer
            .split("\r\n\r\n")
            .next()
            .unwrap()
            .to_ascii_lowercase()
    };
    for (answer, body) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "2\r\nok\r\n0\r\n\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\nConnection: x-hop\r\nX-Hop: 1\r\nX-Proxy-Error: not-ours\r\nContent-Length: 2\r\n\r\nok",
            "ok",
        ),
    ] {
        let server = recorder(answer).await;
        let harness = start(local(server.port()));
        let authority = authority(&server);
        let answer = harness
            .send(format!(
                "GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n"
            ))
            .await;
        assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
        let head = head(&answer);
        let framings =
            head.matches("content-length").count() + head.matches("transfer-encoding").count();
        assert_eq!(framings, 1, "{head}");
        assert!(
            !head.contains("x-hop") && !head.contains("x-proxy-error"),
            "{head}"
        );
    }
    for (answer, code) in [
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            "bad-answer",
        ),
        ("220 mail.example ESMTP\r\n", "bad-answer"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok",
            "bad-answer",
        ),
        ("", "bad-answer"),
    ] {
        let server = recorder(answer).await;
        let mut harness = start(local(server.port()));
        let authority = authority(&server);
        let answer = harness
            .send(format!(
                "GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n"
            ))
            .await;
        assert_eq!(code_of(&answer), code, "{answer}");
        assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
        assert_eq!(harness.refusal().await.2, RefusalCode::BadAnswer);
    }
}

/// The client must see that it is not whole.
#[tokio::test]
async fn an_answer_that_breaks_off() {
    let server = recorder("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n").await;
    let mut harness = start(local(server.port()));
    let authority = authority(&server);
    let answer = harness
        .send(format!(
            "GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n\r\n"
        ))
        .await;
    assert!(answer.ends_with("2\r\nok\r\n"), "{answer}");
    assert!(matches!(
        harness.decision().await.verdict,
        Verdict::Allowed { .. }
    ));
}
