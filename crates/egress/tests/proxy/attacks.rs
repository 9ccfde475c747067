//! Ways past the policy, one after the other, over raw sockets. Each is refused, for the reason that is recorded, and nothing is dialled.
//! They run in a network namespace with nothing but its own loopback, since a fault must not reach anything real; see `isolated`.

mod elsewhere;
mod floods;

use std::sync::Arc;

use outwork_egress::policy::{Methods, TlsMode};
use outwork_egress::proxy::{Decision, ProxyConfig, Verdict};
use tokio::io::AsyncWriteExt;

use crate::harness::{
    Harness, Origin, code_of, echo, first_message, inspecting, origin, rest_of, start, untrusting,
};
use crate::isolated::assert_isolated;

/// How an attack comes.
enum Way {
    /// As it is, to the proxy.
    Outside(String),
    /// Through a tunnel to `mirror.example`, before any TLS.
    Tunnel(Vec<u8>),
    /// The same, byte by byte.
    TunnelInBytes(Vec<u8>),
    /// Inside TLS to `mirror.example`, which the proxy ends.
    Inside(String),
}

struct Attack {
    what: &'static str,
    way: Way,
    code: &'static str,
    /// Empty: what is refused whatever the policy says.
    rule: &'static str,
}

fn attack(what: &'static str, way: Way, code: &'static str, rule: &'static str) -> Attack {
    Attack {
        what,
        way,
        code,
        rule,
    }
}

/// What the client was told: an answer of HTTP, or nothing but the end.
async fn run(harness: &Harness, port: u16, way: &Way) -> String {
    let connect = format!("CONNECT mirror.example:{port} HTTP/1.1\r\n\r\n");
    match way {
        Way::Outside(bytes) => harness.send(bytes).await,
        Way::Tunnel(bytes) => {
            let mut tunnel = harness.tunnel(&connect).await;
            tunnel.write_all(bytes).await.unwrap();
            rest_of(&mut tunnel).await
        }
        Way::TunnelInBytes(bytes) => {
            let mut tunnel = harness.tunnel(&connect).await;
            for byte in bytes {
                // It may be refused before its end.
                if tunnel.write_all(&[*byte]).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            rest_of(&mut tunnel).await
        }
        Way::Inside(request) => harness.ask(port, request).await,
    }
}

/// Asserts that each is refused as it should be, that it is told where it can be, and that no server was connected to.
async fn all_refused(config: ProxyConfig, origin: &Origin, attacks: Vec<Attack>) {
    let mut harness = start(config);
    for Attack {
        what,
        way,
        code,
        rule,
    } in attacks
    {
        let told = run(&harness, origin.port, &way).await;
        let Decision {
            verdict, rule: by, ..
        } = harness.decision().await;
        match &verdict {
            Verdict::Refused { code: decided, .. } => {
                assert_eq!(decided.as_str(), code, "{what}: {verdict:?}")
            }
            Verdict::Allowed { .. } => panic!("{what} passed"),
        }
        assert_eq!(by.unwrap_or_default(), rule, "{what}");
        if matches!(way, Way::Outside(_) | Way::Inside(_)) {
            assert_eq!(code_of(&told), code, "{what}: {told}");
        }
        assert_eq!(origin.accepted(), 0, "{what} reached a server");
    }
    assert!(
        harness.decisions.try_recv().is_err(),
        "one decision for each"
    );
}

fn inside(port: u16, request_line: &str, lines: &str) -> Way {
    Way::Inside(format!(
        "{request_line}\r\nHost: mirror.example:{port}\r\nConnection: close\r\n{lines}\r\n"
    ))
}

#[tokio::test]
#[ignore = "run by isolated::without_a_network"]
async fn in_a_tunnel() {
    assert_isolated();
    let origin = origin(echo).await;
    let hello = |name: &str| first_message(name, untrusting());
    let with_key_share = |name: &str| {
        // As a post-quantum key share does, other protocols make the message long before its end.
        let mut config = Arc::unwrap_or_clone(untrusting());
        config.alpn_protocols = (0..8).map(|n| vec![n; 255]).collect();
        first_message(name, Arc::new(config))
    };
    assert!(with_key_share("other.example").len() > 1200);
    let attacks = || {
        vec![
            attack(
                "plain text in a tunnel",
                Way::Tunnel(b"POST /upload HTTP/1.1\r\nHost: mirror.example\r\n\r\n".to_vec()),
                "not-tls",
                "",
            ),
            attack(
                "plain text, byte by byte",
                Way::TunnelInBytes(b"POST / HTTP/1.1\r\n\r\n".to_vec()),
                "not-tls",
                "",
            ),
            attack(
                "a tunnel in a tunnel",
                Way::Tunnel(b"CONNECT other.example:443 HTTP/1.1\r\n\r\n".to_vec()),
                "not-tls",
                "",
            ),
            attack(
                "SSH",
                Way::Tunnel(b"SSH-2.0-OpenSSH_9\r\n".to_vec()),
                "not-tls",
                "",
            ),
            attack(
                "HTTP/2 without TLS",
                Way::Tunnel(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
                "not-tls",
                "",
            ),
            attack(
                "TLS that begins with data",
                Way::Tunnel(b"\x17\x03\x03\0\x05hello".to_vec()),
                "not-tls",
                "",
            ),
            attack(
                "another SNI",
                Way::Tunnel(hello("other.example")),
                "sni-mismatch",
                "",
            ),
            attack(
                "a name below",
                Way::Tunnel(hello("a.mirror.example")),
                "sni-mismatch",
                "",
            ),
            attack(
                "another SNI, byte by byte",
                Way::TunnelInBytes(hello("other.example")),
                "sni-mismatch",
                "",
            ),
            attack(
                "another SNI in a long message",
                Way::TunnelInBytes(with_key_share("other.example")),
                "sni-mismatch",
                "",
            ),
            attack("no SNI", Way::Tunnel(hello("127.0.0.1")), "sni-missing", ""),
        ]
    };
    all_refused(inspecting(&origin), &origin, attacks()).await;
    let mut unread = inspecting(&origin);
    unread.policy.tls = TlsMode::Tunnel;
    all_refused(unread, &origin, attacks()).await;
}

#[tokio::test]
#[ignore = "run by isolated::without_a_network"]
async fn inside_tls() {
    assert_isolated();
    let origin = origin(echo).await;
    let port = origin.port;
    let host = format!("Host: mirror.example:{port}\r\n");
    let raw = |text: String| Way::Inside(text);
    let get = |lines: &str| inside(port, "GET / HTTP/1.1", lines);
    let post = |lines: &str, body: &str| raw(format!("POST / HTTP/1.1\r\n{host}{lines}\r\n{body}"));
    let chunked = "Transfer-Encoding: chunked\r\n";
    let bad = |what, way| attack(what, way, "bad-request", "");
    let attacks = vec![
        // Whom it is for.
        attack(
            "another Host",
            raw("GET / HTTP/1.1\r\nConnection: close\r\nHost: other.example\r\n\r\n".into()),
            "host-mismatch",
            "",
        ),
        attack(
            "a Host below",
            raw(format!(
                "GET / HTTP/1.1\r\nConnection: close\r\nHost: a.mirror.example:{port}\r\n\r\n"
            )),
            "host-mismatch",
            "",
        ),
        attack(
            "another port in Host",
            raw("GET / HTTP/1.1\r\nConnection: close\r\nHost: mirror.example:80\r\n\r\n".into()),
            "host-mismatch",
            "",
        ),
        attack(
            "another address",
            inside(port, "GET https://other.example/ HTTP/1.1", ""),
            "host-mismatch",
            "",
        ),
        attack(
            "another scheme",
            inside(
                port,
                &format!("GET http://mirror.example:{port}/ HTTP/1.1"),
                "",
            ),
            "host-mismatch",
            "",
        ),
        attack(
            "a user in the address",
            inside(
                port,
                &format!("GET https://a@mirror.example:{port}/ HTTP/1.1"),
                "",
            ),
            "host-mismatch",
            "",
        ),
        bad(
            "no Host",
            raw("GET / HTTP/1.1\r\nConnection: close\r\n\r\n".into()),
        ),
        bad(
            "two Hosts",
            raw(format!(
                "GET / HTTP/1.1\r\nConnection: close\r\n{host}{host}\r\n"
            )),
        ),
        bad(
            "two Hosts that differ",
            raw(format!(
                "GET / HTTP/1.1\r\nConnection: close\r\n{host}Host: other.example\r\n\r\n"
            )),
        ),
        bad(
            "a tunnel",
            inside(port, "CONNECT other.example:443 HTTP/1.1", ""),
        ),
        bad("no path", inside(port, "GET * HTTP/1.1", "")),
        // Two readings of one request.
        bad(
            "a length beside chunks",
            post(&format!("Content-Length: 4\r\n{chunked}"), "0\r\n\r\n"),
        ),
        bad(
            "chunks beside a length",
            post(&format!("{chunked}Content-Length: 4\r\n"), "0\r\n\r\n"),
        ),
        bad(
            "two lengths",
            post("Content-Length: 4\r\nContent-Length: 4\r\n", "abcd"),
        ),
        bad(
            "a length with a sign",
            post("Content-Length: +4\r\n", "abcd"),
        ),
        bad(
            "another coding",
            post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
        ),
        bad(
            "chunks twice",
            post(&format!("{chunked}{chunked}"), "0\r\n\r\n"),
        ),
        bad(
            "a chunk's extension",
            post(chunked, "3;x=y\r\nabc\r\n0\r\n\r\n"),
        ),
        bad(
            "a chunk's size as C writes it",
            post(chunked, "0x3\r\nabc\r\n0\r\n\r\n"),
        ),
        bad(
            "a chunk's line feed alone",
            post(chunked, "3\nabc\r\n0\r\n\r\n"),
        ),
        bad("a folded header", get("X: 1\r\n folded\r\n")),
        bad(
            "a line feed alone",
            raw(format!("GET / HTTP/1.1\n{host}\r\n")),
        ),
        bad(
            "space before a colon",
            post("Content-Length : 4\r\n", "abcd"),
        ),
        bad("a zero byte", get("X: \0\r\n")),
        bad("a carriage return in a value", get("X: a\rHost: b\r\n")),
        bad("HTTP/2", raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into())),
        bad("TLS in TLS", raw("\u{16}\u{3}\u{1}\0\u{5}hello".into())),
        bad(
            "an empty line before",
            raw(format!("\r\nGET / HTTP/1.1\r\n{host}\r\n")),
        ),
        // Other protocols.
        attack(
            "a WebSocket",
            get("Upgrade: websocket\r\n"),
            "blocked-by-websocket-policy",
            "websocket: false",
        ),
        attack(
            "HTTP/2 by upgrade",
            get("Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
            "upgrade-not-allowed",
            "upgrade: websocket only",
        ),
        attack(
            "two upgrades",
            get("Upgrade: websocket, h2c\r\n"),
            "upgrade-not-allowed",
            "upgrade: websocket only",
        ),
        // What it does.
        attack(
            "TRACE",
            inside(port, "TRACE / HTTP/1.1", ""),
            "blocked-by-method-policy",
            "methods: never TRACE",
        ),
        attack(
            "a push",
            inside(
                port,
                "POST /a.git/git-receive-pack HTTP/1.1",
                "Content-Length: 0\r\n",
            ),
            "blocked-by-git-push-policy",
            "git_push: false",
        ),
        attack(
            "a push's first step",
            inside(
                port,
                "GET /a.git/info/refs?service=git-receive-pack HTTP/1.1",
                "",
            ),
            "blocked-by-git-push-policy",
            "git_push: false",
        ),
        attack(
            "a push, encoded",
            inside(
                port,
                "POST /a.git/%67it-receive%2dpack HTTP/1.1",
                "Content-Length: 0\r\n",
            ),
            "blocked-by-git-push-policy",
            "git_push: false",
        ),
        attack(
            "a push, encoded twice",
            inside(
                port,
                "GET /a.git/info/refs?service=git%252Dreceive-pack HTTP/1.1",
                "",
            ),
            "blocked-by-git-push-policy",
            "git_push: false",
        ),
        attack(
            "a push, dotted",
            inside(
                port,
                "POST /a.git/x/../git-receive-pack/. HTTP/1.1",
                "Content-Length: 0\r\n",
            ),
            "blocked-by-git-push-policy",
            "git_push: false",
        ),
        attack(
            "escapes that are none",
            inside(port, "GET /a%zz HTTP/1.1", ""),
            "bad-request",
            "path: plain escapes",
        ),
    ];
    all_refused(inspecting(&origin), &origin, attacks).await;
    let mut reading = inspecting(&origin);
    reading.policy.methods = Methods::ReadOnly;
    let blocked = |what, way| attack(what, way, "blocked-by-method-policy", "methods: read_only");
    let attacks = vec![
        blocked(
            "POST",
            inside(port, "POST / HTTP/1.1", "Content-Length: 0\r\n"),
        ),
        blocked(
            "a method in lower case",
            inside(port, "post / HTTP/1.1", "Content-Length: 0\r\n"),
        ),
        blocked(
            "PUT",
            inside(port, "PUT / HTTP/1.1", "Content-Length: 0\r\n"),
        ),
        blocked("a method of nobody", inside(port, "SMUGGLE / HTTP/1.1", "")),
        blocked(
            "a method in a header",
            get("X-HTTP-Method-Override: PUT\r\n"),
        ),
        blocked(
            "a method in a header for CGI",
            get("X_HTTP_METHOD_OVERRIDE: PUT\r\n"),
        ),
        blocked(
            "a fetch of another type",
            inside(
                port,
                "POST /a/git-upload-pack HTTP/1.1",
                "Content-Length: 0\r\n",
            ),
        ),
    ];
    all_refused(reading, &origin, attacks).await;
}

#[tokio::test]
#[ignore = "run by isolated::without_a_network"]
async fn outside_tls() {
    assert_isolated();
    let origin = origin(echo).await;
    let port = origin.port;
    let authority = format!("mirror.example:{port}");
    let get = |target: &str, lines: &str| {
        Way::Outside(format!(
            "GET {target} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n"
        ))
    };
    let connect = |target: &str| Way::Outside(format!("CONNECT {target} HTTP/1.0\r\n\r\n"));
    let host = format!("Host: {authority}\r\n");
    let to = format!("http://{authority}/");
    let other = format!("other.example:{port}");
    let unlisted = "not listed (preset none)";
    let ports: &'static str = Box::leak(format!("ports: {port}").into_boxed_str());
    let mut attacks = vec![
        attack(
            "a tunnel to a host that is not listed",
            connect(&other),
            "blocked-by-allowlist",
            unlisted,
        ),
        attack(
            "a request to a host that is not listed",
            get(&format!("http://{other}/"), &format!("Host: {other}\r\n")),
            "blocked-by-allowlist",
            unlisted,
        ),
        attack(
            "a name that ends alike",
            connect(&format!("notmirror.example:{port}")),
            "blocked-by-allowlist",
            unlisted,
        ),
        attack(
            "a name that begins alike",
            connect(&format!("mirror.example.evil.example:{port}")),
            "blocked-by-allowlist",
            unlisted,
        ),
        attack(
            "this machine",
            connect(&format!("localhost:{port}")),
            "name-not-allowed",
            "name: this machine",
        ),
        attack(
            "an address that only a name opens",
            connect(&format!("127.0.0.2:{port}")),
            "address-not-listed",
            "address: loopback",
        ),
        attack(
            "another Host",
            get(&to, "Host: other.example\r\n"),
            "host-mismatch",
            "",
        ),
        attack(
            "another Host of a tunnel",
            Way::Outside(format!(
                "CONNECT {authority} HTTP/1.1\r\nHost: other.example\r\n\r\n"
            )),
            "host-mismatch",
            "",
        ),
        attack(
            "TLS without a tunnel",
            get(&format!("https://{authority}/"), &host),
            "scheme-not-allowed",
            "",
        ),
        attack(
            "another scheme",
            get(&format!("ftp://{authority}/"), &host),
            "scheme-not-allowed",
            "",
        ),
        attack("no address", get("/", &host), "bad-request", ""),
        attack(
            "a user",
            get(&format!("http://a@{authority}/"), &host),
            "bad-request",
            "",
        ),
        attack(
            "a body of CONNECT",
            Way::Outside(format!(
                "CONNECT {authority} HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
            )),
            "bad-request",
            "",
        ),
        attack(
            "HTTP/2",
            Way::Outside("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into()),
            "bad-request",
            "",
        ),
        attack(
            "a WebSocket",
            get(&to, &format!("{host}Upgrade: websocket\r\n")),
            "blocked-by-websocket-policy",
            "websocket: false",
        ),
        attack(
            "HTTP/2 by upgrade",
            get(&to, &format!("{host}Upgrade: h2c\r\n")),
            "upgrade-not-allowed",
            "upgrade: websocket only",
        ),
        attack(
            "a push",
            get(&format!("{to}a/info/refs?service=git-receive-pack"), &host),
            "blocked-by-git-push-policy",
            "git_push: false",
        ),
        attack(
            "a folded header",
            get(&to, &format!("{host}X: 1\r\n folded\r\n")),
            "bad-request",
            "",
        ),
        attack(
            "two framings",
            Way::Outside(format!(
                "POST {to} HTTP/1.1\r\n{host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            )),
            "bad-request",
            "",
        ),
    ];
    for odd in ["1", "22", "25", "6667", "65535"] {
        attacks.push(attack(
            "an odd port",
            connect(&format!("mirror.example:{odd}")),
            "port-not-allowed",
            ports,
        ));
    }
    for odd in ["0", "65536", "+443", "0443", "443x", "", "-1"] {
        attacks.push(attack(
            "no port",
            connect(&format!("mirror.example:{odd}")),
            "bad-request",
            "",
        ));
    }
    all_refused(inspecting(&origin), &origin, attacks).await;
}
