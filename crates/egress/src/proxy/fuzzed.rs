//! What a fuzzer throws at the readers of names.

mod range;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;

pub use range::Range;

use super::client_hello::{ClientHello, ServerName, client_hello as read_hello};
use super::head::{RequestHead, end_of_head};
use crate::policy::target::{Host, Target};

/// A ClientHello says one thing, as soon as it is whole: what follows can spoil it, but never change it, and what is wrong stays wrong.
pub fn client_hello(bytes: &[u8]) {
    let mut said: Option<Result<ClientHello, ()>> = None;
    for end in 0..=bytes.len() {
        let now = match read_hello(&bytes[..end]) {
            Ok(None) => {
                assert!(said.is_none(), "it was whole before");
                continue;
            }
            Ok(Some(hello)) => Ok(hello),
            Err(_) => Err(()),
        };
        match (&said, &now) {
            (None, _) | (Some(Ok(_)), Err(())) | (Some(Err(())), Err(())) => {}
            (Some(Ok(before)), Ok(now)) => assert_eq!(before, now),
            (Some(Err(())), Ok(_)) => panic!("it was wrong before"),
        }
        if let Ok(ClientHello {
            server_name: ServerName::Name(name),
            ..
        }) = &now
        {
            is_plain(name.as_str());
        }
        said = Some(now);
    }
}

/// A target that is taken has one spelling, and what is taken for a name can be no address.
pub fn target(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for default_port in [None, Some(443)] {
        let Ok(target) = Target::parse(&text, default_port) else {
            continue;
        };
        assert_ne!(target.port, 0);
        let shown = target.to_string();
        assert_eq!(Target::parse(&shown, None).as_ref(), Ok(&target));
        match &target.host {
            Host::Name(name) => is_plain(name.as_str()),
            Host::Address(IpAddr::V4(address)) => assert!(text.contains(&address.to_string())),
            Host::Address(IpAddr::V6(_)) => assert!(text.starts_with('[')),
        }
    }
}

/// A head that is taken says the same when it is written anew, and nothing in it can be a second head.
pub fn request_head(bytes: &[u8]) {
    let Ok(Some(end)) = end_of_head(bytes, 0) else {
        return;
    };
    let Ok(head) = RequestHead::parse(Bytes::copy_from_slice(&bytes[..end])) else {
        return;
    };
    let mut anew = format!("{} {} HTTP/1.1\r\n", head.method, head.target).into_bytes();
    head.fields.write_without(&[], &mut anew);
    anew.extend_from_slice(b"\r\n");
    assert_eq!(end_of_head(&anew, 0), Ok(Some(anew.len())));
    let again = RequestHead::parse(Bytes::from(anew.clone())).expect("what was written is a head");
    assert_eq!((&again.method, &again.target), (&head.method, &head.target));
    for name in [
        "content-length",
        "transfer-encoding",
        "connection",
        "upgrade",
    ] {
        assert!(!again.fields.has(name), "{name} is not passed on");
    }
    for name in ["authorization", "content-type"] {
        let values = again.fields.all(name);
        assert!(
            values
                .into_iter()
                .all(|value| head.fields.all(name).any(|other| other == value))
        );
    }
}

fn is_plain(name: &str) {
    assert!(!name.is_empty() && name.len() <= 253 && !name.ends_with('.'));
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    assert!(name.bytes().all(plain), "{name}");
    assert!(
        name.parse::<Ipv4Addr>().is_err() && name.parse::<Ipv6Addr>().is_err(),
        "{name}"
    );
    // Nor what `inet_aton` would read as one.
    let last = name.rsplit('.').next().unwrap_or_default();
    assert!(!last.bytes().all(|byte| byte.is_ascii_digit()), "{name}");
}
