use std::io::Cursor;

use tokio::io::AsyncReadExt;

use super::*;
use crate::proxy::wire::Wire;

/// What is written of a body that came as `bytes`, and what is left of them.
async fn copied(
    bytes: &str,
    framing: Framing,
    extensions: Extensions,
) -> Result<(String, String), Broken> {
    let (near, mut far) = tokio::io::duplex(64);
    let mut wire = Wire::new(near);
    let bytes = bytes.to_owned();
    // In pieces of one byte, the hardest for what reads lines.
    let sending = tokio::spawn(async move {
        for byte in bytes.bytes() {
            // The reader stops at what it refuses.
            if far.write_all(&[byte]).await.is_err() {
                break;
            }
        }
        let _ = far.shutdown().await;
    });
    let mut out = Cursor::new(Vec::new());
    let passed = AtomicU64::new(0);
    let meter = Meter {
        passed: &passed,
        budget: None,
    };
    let mut reader = BodyReader::new(framing, extensions);
    let copied = copy(
        Vec::new(),
        &mut wire.inbound,
        &mut reader,
        &mut out,
        false,
        &meter,
    )
    .await;
    let (mut stream, mut rest) = wire.into_parts();
    let mut left = Vec::new();
    // Whatever comes after.
    let _ = stream.read_to_end(&mut left).await;
    rest.extend_from_slice(&left);
    drop(stream);
    sending.await.expect("no panic");
    copied?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((text(out.get_ref()), text(&rest)))
}

#[tokio::test]
async fn bodies_end_where_they_say() {
    for (bytes, framing, body, rest) in [
        ("", Framing::EMPTY, "", ""),
        ("abcGET", Framing::Length(3), "abc", "GET"),
        ("3\r\nabc\r\n0\r\n\r\nGET", Framing::Chunked, "abc", "GET"),
        (
            "3\r\nabc\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\nGET",
            Framing::Chunked,
            "abc0123456789",
            "GET",
        ),
        ("0\r\n\r\n", Framing::Chunked, "", ""),
        ("abc", Framing::UntilEnd, "abc", ""),
    ] {
        let copied = copied(bytes, framing, Extensions::Refused)
            .await
            .expect(bytes);
        assert_eq!(copied, (body.to_owned(), rest.to_owned()), "{bytes:?}");
    }
    let extended = "3;x=y\r\nabc\r\n0;z\r\n\r\n";
    let dropped = copied(extended, Framing::Chunked, Extensions::Dropped).await;
    assert_eq!(dropped.expect("a body").0, "abc");
}

#[tokio::test]
async fn chunks_that_could_be_read_in_two_ways() {
    for bytes in [
        "3;x=y\r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3 \r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "\r\nabc\r\n0\r\n\r\n",
        "-1\r\nabc\r\n0\r\n\r\n",
        "3\r\r\nabc\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nabc\r\n",
        "0\r\nX: y\n\r\n",
    ] {
        let copied = copied(bytes, Framing::Chunked, Extensions::Refused).await;
        assert!(
            matches!(copied, Err(Broken::Framing(_))),
            "{bytes:?} {copied:?}"
        );
    }
    let endless = ["1".repeat(5000), format!("0\r\n{}", "X: y\r\n".repeat(100))];
    for bytes in endless {
        let copied = copied(&bytes, Framing::Chunked, Extensions::Refused).await;
        assert!(matches!(copied, Err(Broken::Framing(_))), "{copied:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_whole() {
    for (bytes, framing) in [
        ("ab", Framing::Length(3)),
        ("3\r\nab", Framing::Chunked),
        ("3\r\nabc\r\n", Framing::Chunked),
        ("3\r\nabc\r\n0\r\n", Framing::Chunked),
    ] {
        let copied = copied(bytes, framing, Extensions::Refused).await;
        assert!(
            matches!(copied, Err(Broken::Source)),
            "{bytes:?} {copied:?}"
        );
    }
}
