use std::sync::Arc;

use rustls::pki_types;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::*;

/// A message of a real client, in one record. `protocols` make it as long as wanted.
fn hello(name: &str, protocols: usize) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = (0..protocols).map(|n| vec![n as u8; 255]).collect();
    let name = pki_types::ServerName::try_from(name.to_owned()).expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("written");
    bytes
}

/// The same message in records of `size` bytes.
fn resplit(record: &[u8], size: usize) -> Vec<u8> {
    let fragments = record[5..].chunks(size);
    let records = fragments.map(|fragment| {
        let length = u16::try_from(fragment.len()).expect("short");
        [&[22, 3, 1][..], &length.to_be_bytes(), fragment].concat()
    });
    records.collect::<Vec<_>>().concat()
}

fn wrapped(message: &[u8]) -> Vec<u8> {
    let body = u32::try_from(message.len()).expect("short").to_be_bytes();
    let whole = [&[1], &body[1..], message].concat();
    let length = u16::try_from(whole.len()).expect("short").to_be_bytes();
    [&[22, 3, 1][..], &length, &whole].concat()
}

fn with_extensions(extensions: &[(u16, &[u8])]) -> Vec<u8> {
    let mut list = Vec::new();
    for (kind, content) in extensions {
        let length = u16::try_from(content.len()).expect("short");
        list.extend([kind.to_be_bytes(), length.to_be_bytes()].concat());
        list.extend(*content);
    }
    let length = u16::try_from(list.len()).expect("short").to_be_bytes();
    let fixed = [&[3, 3][..], &[7; 32], &[0], &[0, 2, 19, 1], &[1, 0]].concat();
    wrapped(&[&fixed[..], &length, &list].concat())
}

fn sni(names: &[&str]) -> Vec<u8> {
    let mut list = Vec::new();
    for name in names {
        let length = u16::try_from(name.len()).expect("short").to_be_bytes();
        list.extend([&[0][..], &length, name.as_bytes()].concat());
    }
    let length = u16::try_from(list.len()).expect("short").to_be_bytes();
    [&length[..], &list].concat()
}

fn server_name(bytes: &[u8]) -> Result<Option<ServerName>, NotTls> {
    client_hello(bytes).map(|hello| hello.map(|hello| hello.server_name))
}

fn named(name: &str) -> Result<Option<ServerName>, NotTls> {
    Ok(Some(ServerName::Name(Name::parse(name).expect("a name"))))
}

#[test]
fn every_way_to_split_it_gives_the_name() {
    for protocols in [0, 8] {
        let record = hello("mirror.example", protocols);
        assert!(protocols == 0 || record.len() > 2000, "{}", record.len());
        for size in (1..64).chain([record.len()]) {
            let bytes = resplit(&record, size);
            for cut in 0..bytes.len() {
                assert_eq!(server_name(&bytes[..cut]), Ok(None), "{size} {cut}");
            }
            assert_eq!(server_name(&bytes), named("mirror.example"), "{size}");
            // What a client may send before an answer: records of other kinds.
            let more = [&bytes[..], &[20, 3, 3, 0, 1, 1, 23, 3, 3, 0]].concat();
            assert_eq!(server_name(&more), named("mirror.example"), "{size}");
        }
    }
}

#[test]
fn any_other_beginning_is_refused_at_its_first_wrong_byte() {
    for (bytes, needed) in [
        (&b"POST / HTTP/1.1\r\n"[..], 1),
        (b"SSH-2.0-OpenSSH\r\n", 1),
        (b"\0\0\0\0", 1),
        (b"\x80\x2e\x01\x03\x01", 1),
        (b"\x16\x02", 2),
        (b"\x16\x03\x09", 3),
        (b"\x16\x03\x01\0\0", 5),
        (b"\x16\x03\x01\x40\x01", 5),
        (b"\x16\x03\x01\0\x04\x02", 6),
        (b"\x16\x03\x01\0\x04\x01\x01\0\0", 9),
        (b"\x15\x03\x01\0\x02\x01\0", 1),
    ] {
        assert_eq!(server_name(&bytes[..needed - 1]), Ok(None), "{bytes:?}");
        assert!(server_name(&bytes[..needed]).is_err(), "{bytes:?}");
    }
    // The message begins well, and goes on in a record of another kind.
    let mut bytes = resplit(&hello("mirror.example", 0), 20);
    bytes[25] = 23;
    assert!(server_name(&bytes).is_err());
}

#[test]
fn a_malformed_message_is_refused() {
    let good = hello("mirror.example", 0);
    let message = &good[9..];
    // Cut anywhere: each length in it is checked. (Two cuts leave a message without extensions.)
    let whole = (0..message.len())
        .filter(|cut| server_name(&wrapped(&message[..*cut])).is_ok())
        .count();
    assert_eq!(whole, 1, "only the cut before the extensions is a message");
    assert!(server_name(&wrapped(&[message, &[0]].concat())).is_err());
    // A second message in the same record.
    let mut two = good.clone();
    let length = u16::from_be_bytes([two[3], two[4]]) + 4;
    two[3..5].copy_from_slice(&length.to_be_bytes());
    two.extend([2, 0, 0, 0]);
    assert!(server_name(&two).is_err());
}

#[test]
fn a_message_without_end_is_refused() {
    // A head that announces the most, then one byte in each record.
    let mut bytes = vec![22, 3, 1, 0, 4, 1, 0, 0x3f, 0xfc];
    while bytes.len() < RECORDS_LIMIT_BYTES {
        match server_name(&bytes) {
            Ok(None) => bytes.extend([22, 3, 1, 0, 1, 0].repeat(512)),
            other => panic!("{other:?} after {} bytes", bytes.len()),
        }
    }
    assert!(server_name(&bytes).is_err());
}

#[test]
fn names_that_are_none_or_two() {
    assert_eq!(
        server_name(&with_extensions(&[])),
        Ok(Some(ServerName::Missing))
    );
    assert_eq!(
        server_name(&hello("192.0.2.1", 0)),
        Ok(Some(ServerName::Missing))
    );
    let one = sni(&["Mirror.Example"]);
    assert_eq!(
        server_name(&with_extensions(&[(0, &one)])),
        named("mirror.example")
    );
    for other in [
        "192.0.2.1",
        "mirror.example\0.other",
        "a b",
        "b\u{fc}cher.example",
    ] {
        let found = server_name(&with_extensions(&[(0, &sni(&[other]))]));
        assert_eq!(found, Ok(Some(ServerName::Other(other.to_owned()))));
    }
    for wrong in [
        with_extensions(&[(0, &one), (0, &one)]),
        with_extensions(&[(0, &one), (16, &[]), (16, &[])]),
        with_extensions(&[(0, &sni(&["a.example", "b.example"]))]),
        with_extensions(&[(0, &sni(&[""]))]),
        with_extensions(&[(0, &[])]),
        with_extensions(&[(0, &[0, 0])]),
        with_extensions(&[(0, &[0, 4, 1, 0, 1, 97])]),
        with_extensions(&[(0, &[one.clone(), vec![0]].concat())]),
    ] {
        assert!(server_name(&wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn an_encrypted_part_is_seen() {
    let one = sni(&["mirror.example"]);
    for (extensions, has_encrypted_name) in [
        (&[(0, &one[..])][..], false),
        (&[(0, &one), (0xfe0d, &[0, 1, 2])], true),
        (&[(0xfe0d, &[]), (0, &one)], true),
    ] {
        let hello = client_hello(&with_extensions(extensions));
        let hello = hello.expect("TLS").expect("whole");
        assert_eq!(hello.has_encrypted_name, has_encrypted_name);
        assert_eq!(Ok(Some(hello.server_name)), named("mirror.example"));
    }
}

/// Whatever a byte is changed to: never a panic, and never another name than the one that is written there.
#[test]
fn a_changed_byte_anywhere() {
    let good = hello("mirror.example", 0);
    for at in 0..good.len() {
        for value in [0, 1, 2, 0x7f, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] = value;
            if let Ok(Some(ServerName::Name(name))) = server_name(&bytes) {
                let written = bytes.windows(name.as_str().len());
                let is_written =
                    |window: &[u8]| window.eq_ignore_ascii_case(name.as_str().as_bytes());
                assert!(written.clone().any(is_written), "{at} {value} {name:?}");
            }
        }
    }
}
