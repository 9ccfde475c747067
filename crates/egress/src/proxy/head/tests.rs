use super::*;

fn request(text: &str) -> Result<RequestHead, BadHead> {
    match end_of_head(text.as_bytes(), 0)? {
        Some(end) => {
            assert_eq!(end, text.len(), "{text:?}");
            RequestHead::parse(Bytes::copy_from_slice(text.as_bytes()))
        }
        None => Err(BadHead("no end")),
    }
}

fn response(text: &str) -> ResponseHead {
    ResponseHead::parse(Bytes::copy_from_slice(text.as_bytes())).expect(text)
}

#[test]
fn a_request_is_read() {
    let head =
        request("GET /a?b HTTP/1.1\r\nHost: h\r\nX-Y:  z \r\nconnection: close, x-y\r\n\r\n");
    let head = head.expect("a head");
    assert_eq!(
        (head.method.as_str(), head.target.as_str(), head.minor),
        ("GET", "/a?b", 1)
    );
    assert_eq!(head.fields.one("HOST"), Some("h"));
    assert_eq!(head.fields.one("x_y"), Some("z"));
    assert!(head.fields.lists("connection", "Close") && !head.fields.lists("connection", "clos"));
    assert_eq!(head.framing(), Ok(Framing::EMPTY));
    let mut out = Vec::new();
    head.fields.write_without(&["te"], &mut out);
    assert_eq!(String::from_utf8_lossy(&out), "Host: h\r\n");
    // Values hold credentials.
    assert_eq!(
        format!("{:?}", head.fields),
        r#"["Host", "X-Y", "connection"]"#
    );
}

#[test]
fn the_end_of_a_head_is_found_however_it_comes() {
    let text = b"GET / HTTP/1.1\r\nHost: h\r\n\r\nGET";
    let end = text.len() - 3;
    for cut in 0..end {
        assert_eq!(end_of_head(&text[..cut], 0), Ok(None), "{cut}");
        assert_eq!(end_of_head(text, cut), Ok(Some(end)), "{cut}");
    }
}

#[test]
fn heads_that_could_be_read_in_two_ways() {
    for text in [
        "GET / HTTP/1.1\nHost: h\n\n",
        "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n\n",
        "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost\r\n\r\n",
        "GET / HTTP/1.1\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET / HTTP/1.10\r\n\r\n",
        "GET /\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1 \r\n\r\n",
        "GET /a b HTTP/1.1\r\n\r\n",
        "GET /b\u{fc}cher HTTP/1.1\r\n\r\n",
        "G\u{fc}T / HTTP/1.1\r\n\r\n",
        "{GET} / HTTP/1.1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\n",
    ] {
        assert!(request(text).is_err(), "{text:?}");
    }
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(129));
    assert!(request(&many).is_err());
}

#[test]
fn a_request_has_one_length_or_none() {
    let framing = |lines: &str| {
        request(&format!("POST / HTTP/1.1\r\n{lines}\r\n"))
            .expect(lines)
            .framing()
    };
    for (lines, expected) in [
        ("", Framing::EMPTY),
        ("Content-Length: 0\r\n", Framing::EMPTY),
        ("Content-Length: 12\r\n", Framing::Length(12)),
        ("Transfer-Encoding: Chunked\r\n", Framing::Chunked),
    ] {
        assert_eq!(framing(lines), Ok(expected), "{lines}");
    }
    for lines in [
        "Content-Length: 4\r\nContent-Length: 4\r\n",
        "Content-Length: 4\r\nContent_Length: 5\r\n",
        "Content-Length: 4, 4\r\n",
        "Content-Length: +4\r\n",
        "Content-Length: -4\r\n",
        "Content-Length: 0x4\r\n",
        "Content-Length:\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer_Encoding: chunked\r\nContent-Length: 4\r\n",
    ] {
        assert!(framing(lines).is_err(), "{lines}");
    }
    let old = request("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").expect("a head");
    assert!(old.framing().is_err());
}

#[test]
fn how_long_an_answer_is() {
    let framing = |method: &str, text: &str| response(text).framing(method);
    let with = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
    let length = with("Content-Length: 5\r\nContent-Length: 5\r\n");
    assert_eq!(framing("GET", &length), Ok(Framing::Length(5)));
    assert_eq!(framing("HEAD", &length), Ok(Framing::EMPTY));
    assert_eq!(framing("GET", &with("")), Ok(Framing::UntilEnd));
    assert_eq!(
        framing("GET", "HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n"),
        Ok(Framing::EMPTY)
    );
    let both = with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n");
    assert_eq!(framing("GET", &both), Ok(Framing::Chunked));
    assert!(!response(&both).keeps_alive(Framing::Chunked));
    assert!(response(&length).keeps_alive(Framing::Length(5)));
    assert!(framing("GET", &with("Content-Length: 5\r\nContent-Length: 6\r\n")).is_err());
    assert!(framing("GET", &with("Transfer-Encoding: gzip, chunked\r\n")).is_err());
}
