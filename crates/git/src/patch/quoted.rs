//! Paths as git writes them where they may hold anything.

/// A path as git writes it in a patch: plain, or in quotes with escapes.
pub(crate) fn unquoted(text: &[u8]) -> Vec<u8> {
    let Some(inner) = text
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
    else {
        return text.to_vec();
    };
    let mut path = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            path.push(byte);
            continue;
        }
        match bytes.next() {
            Some(digit @ b'0'..=b'3') => {
                let mut value = u32::from(digit - b'0');
                while let Some(next @ b'0'..=b'7') = bytes.peek().copied() {
                    value = value * 8 + u32::from(next - b'0');
                    bytes.next();
                    if value > 0o37 {
                        break;
                    }
                }
                path.push(u8::try_from(value & 0xff).expect("masked to a byte"));
            }
            Some(b'n') => path.push(b'\n'),
            Some(b't') => path.push(b'\t'),
            Some(b'r') => path.push(b'\r'),
            Some(b'a') => path.push(7),
            Some(b'b') => path.push(8),
            Some(b'v') => path.push(11),
            Some(b'f') => path.push(12),
            Some(other) => path.push(other),
            None => {}
        }
    }
    path
}

/// The same the other way: in quotes only where git needs them.
pub(crate) fn quoted(prefix: &[u8], path: &[u8]) -> Vec<u8> {
    let is_plain = |byte: &u8| (b' '..0x7f).contains(byte) && !matches!(byte, b'"' | b'\\');
    let mut text = Vec::with_capacity(prefix.len() + path.len());
    if path.iter().all(is_plain) {
        text.extend_from_slice(prefix);
        text.extend_from_slice(path);
        return text;
    }
    text.push(b'"');
    text.extend_from_slice(prefix);
    for byte in path {
        match byte {
            b'"' | b'\\' => text.extend_from_slice(&[b'\\', *byte]),
            byte if is_plain(byte) => text.push(*byte),
            byte => text.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
        }
    }
    text.push(b'"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_read_back() {
        let path: Vec<u8> = (1..=255).collect();
        assert_eq!(unquoted(&quoted(b"", &path)), path);
        assert_eq!(quoted(b"a/", b"plain name"), b"a/plain name");
        assert_eq!(quoted(b"b/", "ä\"".as_bytes()), br#""b/\303\244\"""#);
    }
}
