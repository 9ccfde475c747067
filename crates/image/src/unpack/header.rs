//! One block of 512 bytes that says what follows it in a tar archive.

use super::extended::Piece;

/// All of an archive is in blocks of this size.
pub(crate) const BLOCK_BYTES: usize = 512;

pub(crate) type Block = [u8; BLOCK_BYTES];

/// A header block whose checksum is right.
pub(crate) struct Header<'a>(&'a Block);

impl<'a> Header<'a> {
    /// `None` if the checksum is wrong: this is no header.
    pub(crate) fn new(block: &'a Block) -> Option<Self> {
        let header = Self(block);
        let noted = number(&block[148..156])?;
        let bytes = block.iter().enumerate();
        // While it was computed, its own place was blank. Old programs added signed bytes.
        let bytes = bytes.map(|(at, byte)| {
            if (148..156).contains(&at) {
                b' '
            } else {
                *byte
            }
        });
        let unsigned: i64 = bytes.clone().map(i64::from).sum();
        let signed: i64 = bytes.map(|byte| i64::from(byte.cast_signed())).sum();
        (noted == unsigned || noted == signed).then_some(header)
    }

    pub(crate) fn kind(&self) -> u8 {
        self.0[156]
    }

    pub(crate) fn path(&self) -> Vec<u8> {
        let name = text(&self.0[..100]);
        // The format of POSIX has a place for what does not fit; GNU's uses it for something else.
        let prefix = match &self.0[257..263] {
            b"ustar\0" => text(&self.0[345..500]),
            _ => b"",
        };
        match prefix {
            b"" => name.to_vec(),
            prefix => [prefix, b"/", name].concat(),
        }
    }

    pub(crate) fn link(&self) -> &'a [u8] {
        text(&self.0[157..257])
    }

    pub(crate) fn mode(&self) -> Option<u32> {
        u32::try_from(number(&self.0[100..108])?).ok()
    }

    pub(crate) fn uid(&self) -> Option<i64> {
        number(&self.0[108..116])
    }

    pub(crate) fn gid(&self) -> Option<i64> {
        number(&self.0[116..124])
    }

    pub(crate) fn size(&self) -> Option<u64> {
        u64::try_from(number(&self.0[124..136])?).ok()
    }

    pub(crate) fn mtime(&self) -> Option<i64> {
        number(&self.0[136..148])
    }

    /// Of GNU's sparse files: the first pieces of data, and whether a block with more of them follows.
    pub(crate) fn sparse(&self) -> Option<(Vec<Piece>, bool)> {
        Some((pieces(&self.0[386..482])?, self.0[482] != 0))
    }

    /// Of GNU's sparse files: with the holes.
    pub(crate) fn sparse_size(&self) -> Option<u64> {
        u64::try_from(number(&self.0[483..495])?).ok()
    }
}

/// A block with more pieces of a sparse file, and whether another follows.
pub(crate) fn more_sparse(block: &Block) -> Option<(Vec<Piece>, bool)> {
    Some((pieces(&block[..504])?, block[504] != 0))
}

fn pieces(fields: &[u8]) -> Option<Vec<Piece>> {
    let (fields, _) = fields.as_chunks::<24>();
    let used = fields.iter().take_while(|field| field[0] != 0);
    used.map(|field| {
        let number = |part: &[u8]| u64::try_from(number(part)?).ok();
        Some(Piece {
            offset: number(&field[..12])?,
            length: number(&field[12..])?,
        })
    })
    .collect()
}

/// Up to the first NUL.
pub(crate) fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Octal digits, or a binary number that a set first bit announces.
fn number(field: &[u8]) -> Option<i64> {
    let first = *field.first()?;
    if first & 0x80 != 0 {
        // The sign is the next bit.
        let start = if first & 0x40 != 0 { -1 } else { 0 };
        let start = start << 6 | i64::from(first & 0x3f);
        return field[1..].iter().try_fold(start, |number, byte| {
            Some(number.checked_mul(256)? | i64::from(*byte))
        });
    }
    let digits = field.trim_ascii_start();
    let end = digits.iter().position(|byte| matches!(byte, 0 | b' '));
    let (digits, rest) = digits.split_at(end.unwrap_or(digits.len()));
    if rest.iter().any(|byte| !matches!(byte, 0 | b' ')) {
        return None;
    }
    digits.iter().try_fold(0_i64, |number, digit| match digit {
        b'0'..=b'7' => number.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_two_forms() {
        for (field, expected) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"00000644", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"0000648\0", None),
            (b"06 4\0\0\0\0", None),
            (b"\x80\0\0\0\0\0\x01\x02", Some(258)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (
                b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff",
                Some(i64::MAX),
            ),
            (b"\x80\0\0\x01\0\0\0\0\0\0\0\0", None),
        ] {
            assert_eq!(number(field), expected, "{field:?}");
        }
    }

    #[test]
    fn a_wrong_checksum_is_no_header() {
        let mut made = tar::Header::new_gnu();
        made.set_path("dir/name").unwrap();
        made.set_size(7);
        made.set_mode(0o4755);
        made.set_mtime(12);
        made.set_uid(3_000_000);
        made.set_cksum();
        let mut block = *made.as_bytes();
        let header = Header::new(&block).unwrap();
        assert_eq!(header.path(), b"dir/name");
        assert_eq!(
            (header.size(), header.mode(), header.mtime(), header.uid()),
            (Some(7), Some(0o4755), Some(12), Some(3_000_000))
        );
        block[0] = b'D';
        assert!(Header::new(&block).is_none());
        assert!(Header::new(&[0; BLOCK_BYTES]).is_none());
    }
}
