//! Reading git's index file as plain data, versions 2 to 4.
//!
//! Used for the trusted index, and for the names in the agent's own index, which may hold anything: every length is checked, and a file that
//! makes no sense is an error, never a panic.

use crate::names::ObjectId;
use crate::summary::FileMode;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) path: Vec<u8>,
    pub(crate) mode: FileMode,
    pub(crate) id: ObjectId,
}

#[derive(Debug, thiserror::Error)]
#[error("the index file makes no sense: {0}")]
pub(crate) struct BadIndex(&'static str);

const STAT_BYTES: usize = 40;

/// The entries of stage 0 in file order. Directories of a sparse index and entries of unknown type are left out.
pub(crate) fn parse_index(bytes: &[u8], sha256: bool) -> Result<Vec<IndexEntry>, BadIndex> {
    let mut reader = Reader { bytes, at: 0 };
    if reader.take(4)? != b"DIRC" {
        return Err(BadIndex("wrong signature"));
    }
    let version = reader.u32()?;
    if !(2..=4).contains(&version) {
        return Err(BadIndex("unknown version"));
    }
    let count = reader.u32()?;
    let mut entries = Vec::new();
    let mut previous = Vec::new();
    for _ in 0..count {
        let start = reader.at;
        let stat = reader.take(STAT_BYTES)?;
        let mode = u32::from_be_bytes([stat[24], stat[25], stat[26], stat[27]]);
        let id = ObjectId::from_bytes(reader.take(if sha256 { 32 } else { 20 })?);
        let flags = reader.u16()?;
        if version >= 3 && flags & 0x4000 != 0 {
            reader.u16()?;
        }
        let path = if version == 4 {
            reader.compressed_name(&previous)?
        } else {
            reader.padded_name(start)?
        };
        previous.clone_from(&path);
        let stage = (flags >> 12) & 3;
        if let (0, Some(mode)) = (stage, FileMode::from_git(mode)) {
            entries.push(IndexEntry { path, mode, id });
        }
    }
    Ok(entries)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], BadIndex> {
        let end = self.at.checked_add(length).ok_or(BadIndex("too long"))?;
        let taken = self
            .bytes
            .get(self.at..end)
            .ok_or(BadIndex("ends too early"))?;
        self.at = end;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, BadIndex> {
        self.take(4)
            .map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
    }

    fn u16(&mut self) -> Result<u16, BadIndex> {
        self.take(2).map(|b| u16::from_be_bytes([b[0], b[1]]))
    }

    fn name(&mut self) -> Result<&'a [u8], BadIndex> {
        let rest = &self.bytes[self.at..];
        let length = rest
            .iter()
            .position(|&byte| byte == 0)
            .ok_or(BadIndex("a name has no end"))?;
        let name = self.take(length)?;
        self.at += 1;
        Ok(name)
    }

    /// Versions 2 and 3: one to eight NULs, so that each entry takes a multiple of eight bytes.
    fn padded_name(&mut self, start: usize) -> Result<Vec<u8>, BadIndex> {
        let name = self.name()?.to_vec();
        let length = self.at - start;
        self.take(length.next_multiple_of(8) - length)?;
        Ok(name)
    }

    /// Version 4: how many bytes to drop from the name before, then what to add.
    fn compressed_name(&mut self, previous: &[u8]) -> Result<Vec<u8>, BadIndex> {
        let mut byte = self.take(1)?[0];
        let mut dropped = usize::from(byte & 0x7f);
        while byte & 0x80 != 0 {
            byte = self.take(1)?[0];
            dropped = dropped
                .checked_add(1)
                .and_then(|n| n.checked_mul(128))
                .ok_or(BadIndex("a number is too large"))?;
            dropped += usize::from(byte & 0x7f);
        }
        let kept = previous
            .len()
            .checked_sub(dropped)
            .ok_or(BadIndex("a name is shorter than nothing"))?;
        if previous.len() > 1 << 20 {
            return Err(BadIndex("a name is too long"));
        }
        let mut name = previous[..kept].to_vec();
        name.extend_from_slice(self.name()?);
        Ok(name)
    }
}
