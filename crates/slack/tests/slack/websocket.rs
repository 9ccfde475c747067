//! Frames.

use outwork_slack::websocket::{Decoder, Heard, Kind, ProtocolFault, accept, frame, key};

fn heard(bytes: &[u8], from_client: bool) -> Result<Vec<Heard>, ProtocolFault> {
    // Byte by byte: nothing depends on how they were cut.
    let mut decoder = match from_client {
        true => Decoder::of_client(),
        false => Decoder::of_server(),
    };
    let mut all = Vec::new();
    for byte in bytes {
        decoder.feed(&[*byte]);
        while let Some(one) = decoder.heard()? {
            all.push(one);
        }
    }
    Ok(all)
}

/// The examples of RFC 6455, sections 1.3 and 5.7.
#[test]
fn the_examples_of_the_standard() {
    assert_eq!(
        accept("dGhlIHNhbXBsZSBub25jZQ=="),
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
    assert_eq!(key(*b"the sample nonce"), "dGhlIHNhbXBsZSBub25jZQ==");
    let hello = Heard::Text("Hello".to_owned());
    let single = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(frame(Kind::Text, b"Hello", None), single);
    assert_eq!(heard(&single, false), Ok(vec![hello.clone()]));
    let masked = [
        0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    assert_eq!(
        frame(Kind::Text, b"Hello", Some([0x37, 0xfa, 0x21, 0x3d])),
        masked
    );
    assert_eq!(heard(&masked, true), Ok(vec![hello.clone()]));
    let pieces = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f];
    assert_eq!(heard(&pieces, false), Ok(vec![hello]));
    let ping = [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(
        heard(&ping, false),
        Ok(vec![Heard::Ping(b"Hello".to_vec())])
    );
}

#[test]
fn every_length_goes_there_and_back() {
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
        let text = "x".repeat(length);
        let mut decoder = Decoder::of_client();
        decoder.feed(&frame(Kind::Text, text.as_bytes(), Some([1, 2, 3, 4])));
        assert_eq!(decoder.heard(), Ok(Some(Heard::Text(text))));
        assert_eq!(decoder.heard(), Ok(None));
    }
}

#[test]
fn control_frames_come_between_pieces() {
    let bytes = [
        0x01, 0x01, b'a', 0x89, 0x00, 0x00, 0x01, b'b', 0x80, 0x01, b'c', 0x88, 0x03, 0x03, 0xe8,
        b'x',
    ];
    assert_eq!(
        heard(&bytes, false),
        Ok(vec![
            Heard::Ping(Vec::new()),
            Heard::Text("abc".to_owned()),
            Heard::Close(Some(1000), "x".to_owned())
        ])
    );
}

#[test]
fn what_is_no_websocket_is_refused() {
    let cases: [(&[u8], ProtocolFault); 9] = [
        (&[0xc1, 0x00], ProtocolFault::Unknown),
        (&[0x83, 0x00], ProtocolFault::Unknown),
        (&[0x81, 0x80, 0, 0, 0, 0], ProtocolFault::Mask),
        (&[0x09, 0x00], ProtocolFault::Control),
        (&[0x89, 0x7e, 0x00, 0x7e], ProtocolFault::Control),
        (&[0x80, 0x00], ProtocolFault::Order),
        (&[0x01, 0x00, 0x81, 0x00], ProtocolFault::Order),
        (&[0x81, 0x01, 0xff], ProtocolFault::Text),
        (
            &[0x81, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            ProtocolFault::TooLong,
        ),
    ];
    for (bytes, fault) in cases {
        assert_eq!(heard(bytes, false), Err(fault), "{bytes:x?}");
    }
    assert_eq!(heard(&[0x81, 0x00], true), Err(ProtocolFault::Mask));
}
