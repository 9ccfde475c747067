//! What does not fit into a header block: long names, and the maps of sparse files.

use std::collections::BTreeMap;

use super::UnpackError;
use crate::limits::Limits;

/// What the blocks before an entry say about it.
#[derive(Debug, Default)]
pub(crate) struct Extended {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    pub(crate) uid: Option<i64>,
    pub(crate) gid: Option<i64>,
    /// Seconds and nanoseconds.
    pub(crate) mtime: Option<(i64, u32)>,
    sparse: BTreeMap<String, String>,
    /// Offsets and lengths, in the form that repeats its keys.
    places: Vec<u64>,
}

/// Where a sparse file has data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// Where the map of a sparse file is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SparseMap {
    /// All of it is in the headers.
    Here { size: u64, pieces: Vec<Piece> },
    /// It stands before the data, as text.
    BeforeData { size: u64 },
}

const DAMAGED: UnpackError = UnpackError::Archive("an extended header makes no sense");
const DAMAGED_MAP: UnpackError = UnpackError::Archive("the map of a sparse file makes no sense");

impl Extended {
    /// Takes the records of a PAX header: `length key=value\n` each. Later ones win. Extended attributes are among what
    /// is not taken: nothing from an image shall carry a capability, or speak to the overlay.
    pub(crate) fn take_records(&mut self, mut bytes: &[u8]) -> Result<(), UnpackError> {
        while !bytes.is_empty() {
            let space = bytes.iter().position(|byte| *byte == b' ').ok_or(DAMAGED)?;
            let length =
                usize::try_from(decimal(&bytes[..space]).ok_or(DAMAGED)?).map_err(|_| DAMAGED)?;
            if length <= space + 1 || length > bytes.len() {
                return Err(DAMAGED);
            }
            let (record, rest) = bytes.split_at(length);
            bytes = rest;
            let record = record[space + 1..].strip_suffix(b"\n").ok_or(DAMAGED)?;
            let equals = record
                .iter()
                .position(|byte| *byte == b'=')
                .ok_or(DAMAGED)?;
            self.take_record(&record[..equals], &record[equals + 1..])?;
        }
        Ok(())
    }

    fn take_record(&mut self, key: &[u8], value: &[u8]) -> Result<(), UnpackError> {
        // An empty value takes back an earlier one.
        let given = (!value.is_empty()).then_some(value);
        let number = || given.map(|value| decimal(value).ok_or(DAMAGED)).transpose();
        let id = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        match key {
            b"path" => self.path = given.map(<[u8]>::to_vec),
            b"linkpath" => self.link = given.map(<[u8]>::to_vec),
            b"size" => self.size = number()?,
            b"uid" => self.uid = number()?.map(id),
            b"gid" => self.gid = number()?.map(id),
            b"mtime" => {
                self.mtime = given.map(|value| time(value).ok_or(DAMAGED)).transpose()?;
            }
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
                // Offsets and lengths take turns.
                if (key == b"GNU.sparse.offset") != self.places.len().is_multiple_of(2) {
                    return Err(DAMAGED_MAP);
                }
                self.places.push(decimal(value).ok_or(DAMAGED_MAP)?);
            }
            key if key.starts_with(b"GNU.sparse.") => {
                let text =
                    |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| DAMAGED_MAP);
                if key == b"GNU.sparse.name" {
                    self.path = Some(value.to_vec());
                } else {
                    self.sparse.insert(text(&key[11..])?, text(value)?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The map of a sparse file in one of the three forms that PAX headers have for it.
    pub(crate) fn sparse(&self) -> Result<Option<SparseMap>, UnpackError> {
        let number = |key: &str| {
            let value = self.sparse.get(key).map(|value| decimal(value.as_bytes()));
            value.map(|number| number.ok_or(DAMAGED_MAP)).transpose()
        };
        let version = (number("major")?, number("minor")?);
        let size = number("realsize")?.or(number("size")?);
        match (version, size) {
            ((Some(1), Some(0)), Some(size)) => Ok(Some(SparseMap::BeforeData { size })),
            ((None, None), None) => Ok(None),
            ((None, None) | (Some(0), _), Some(size)) => {
                let listed = match self.sparse.get("map") {
                    Some(map) if !map.is_empty() => map
                        .split(',')
                        .map(|part| decimal(part.as_bytes()).ok_or(DAMAGED_MAP))
                        .collect::<Result<Vec<_>, _>>()?,
                    _ => self.places.clone(),
                };
                let pieces = pieces(&listed)?;
                Ok(Some(SparseMap::Here { size, pieces }))
            }
            _ => Err(DAMAGED_MAP),
        }
    }
}

/// Pairs of offset and length.
pub(crate) fn pieces(numbers: &[u64]) -> Result<Vec<Piece>, UnpackError> {
    let (pairs, rest) = numbers.as_chunks::<2>();
    if !rest.is_empty() || pairs.len() > Limits::SPARSE_PIECES {
        return Err(DAMAGED_MAP);
    }
    let piece = |[offset, length]: &[u64; 2]| Piece {
        offset: *offset,
        length: *length,
    };
    Ok(pairs.iter().map(piece).collect())
}

/// The pieces must be in order, inside the file, and be all of the data.
pub(crate) fn check_pieces(
    pieces: &[Piece],
    size: u64,
    data_bytes: u64,
) -> Result<(), UnpackError> {
    let mut end = 0_u64;
    let mut sum = 0_u64;
    for piece in pieces {
        if piece.offset < end {
            return Err(DAMAGED_MAP);
        }
        end = piece.offset.checked_add(piece.length).ok_or(DAMAGED_MAP)?;
        // Cannot overflow: pieces do not overlap.
        sum += piece.length;
    }
    match end <= size && sum == data_bytes && i64::try_from(size).is_ok() {
        true => Ok(()),
        false => Err(DAMAGED_MAP),
    }
}

pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, digit| match digit {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// `-12.345` as seconds and nanoseconds after them.
fn time(text: &[u8]) -> Option<(i64, u32)> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let mut parts = text.splitn(2, |byte| *byte == b'.');
    let seconds = i64::try_from(decimal(parts.next()?)?).ok()?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = (0..9).map(|at| u32::from(fraction.get(at).map_or(0, |digit| digit - b'0')));
    let nanoseconds = digits.fold(0, |number, digit| number * 10 + digit);
    Some(match (negative, nanoseconds) {
        (false, _) => (seconds, nanoseconds),
        (true, 0) => (-seconds, 0),
        (true, _) => (-seconds - 1, 1_000_000_000 - nanoseconds),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::pax;
    use super::*;

    fn records(records: &[(&str, &str)]) -> Result<Extended, UnpackError> {
        let records = records
            .iter()
            .flat_map(|(key, value)| pax(key, value.as_bytes()));
        let mut extended = Extended::default();
        extended.take_records(&records.collect::<Vec<_>>())?;
        Ok(extended)
    }

    #[test]
    fn records_are_read_and_the_last_wins() {
        let read = records(&[
            ("path", "a"),
            ("path", "b"),
            ("linkpath", "to\nthere"),
            ("size", "123"),
            ("mtime", "-1.25000000001"),
            ("SCHILY.xattr.user.x", "forged"),
        ]);
        let read = read.unwrap();
        assert_eq!(read.path.as_deref(), Some(&b"b"[..]));
        assert_eq!(read.link.as_deref(), Some(&b"to\nthere"[..]));
        assert_eq!((read.size, read.uid), (Some(123), None));
        assert_eq!(read.mtime, Some((-2, 750_000_000)));
        let taken_back = records(&[("path", "a"), ("path", "")]).unwrap();
        assert_eq!(taken_back.path, None);
    }

    #[test]
    fn damaged_records_are_refused() {
        for wrong in [
            &b"path=a\n"[..],
            b"8 path=a\n",
            b"11 path=a\n",
            b"9 path=a ",
            b"0 \n",
            b"2 \n",
            b"99999999999999999999 path=a\n",
            b"9 pathba\n",
            b"11 size=-1\n",
            b"12 mtime=1x\n",
            b"25 GNU.sparse.numbytes=1\n",
        ] {
            let mut extended = Extended::default();
            let taken = extended.take_records(wrong);
            assert!(taken.is_err(), "{}", String::from_utf8_lossy(wrong));
        }
    }

    #[test]
    fn sparse_files_have_three_forms() {
        let piece = |offset, length| Piece { offset, length };
        let here = || SparseMap::Here {
            size: 9,
            pieces: vec![piece(1, 2), piece(5, 0)],
        };
        let repeated = records(&[
            ("GNU.sparse.size", "9"),
            ("GNU.sparse.offset", "1"),
            ("GNU.sparse.numbytes", "2"),
            ("GNU.sparse.offset", "5"),
            ("GNU.sparse.numbytes", "0"),
        ]);
        assert_eq!(repeated.unwrap().sparse().unwrap(), Some(here()));
        let listed = records(&[("GNU.sparse.size", "9"), ("GNU.sparse.map", "1,2,5,0")]);
        assert_eq!(listed.unwrap().sparse().unwrap(), Some(here()));
        let before = records(&[
            ("GNU.sparse.major", "1"),
            ("GNU.sparse.minor", "0"),
            ("GNU.sparse.realsize", "9"),
            ("GNU.sparse.name", "n"),
        ]);
        let before = before.unwrap();
        assert_eq!(before.path.as_deref(), Some(&b"n"[..]));
        let map = before.sparse().unwrap();
        assert_eq!(map, Some(SparseMap::BeforeData { size: 9 }));
        let unknown = records(&[("GNU.sparse.major", "2"), ("GNU.sparse.size", "9")]);
        assert!(unknown.unwrap().sparse().is_err());
    }

    #[test]
    fn pieces_are_in_order_and_all_of_the_data() {
        let check = |numbers: &[u64], size, data| check_pieces(&pieces(numbers)?, size, data);
        check(&[1, 2, 3, 4], 7, 6).unwrap();
        check(&[], 7, 0).unwrap();
        for (numbers, size, data) in [
            (&[1, 2, 2, 4][..], 7, 6),
            (&[1, 2, 3, 4], 6, 6),
            (&[1, 2], 7, 3),
            (&[u64::MAX, 2], u64::MAX, 2),
            (&[0, u64::MAX], u64::MAX, u64::MAX),
            (&[1], 7, 1),
        ] {
            assert!(check(numbers, size, data).is_err(), "{numbers:?}");
        }
    }
}
