//! Reading git's index file as plain data, versions 2 to 4, and saying in it how files look.
//!
//! Used for the trusted index, and for the names in the agent's own index, which may hold anything: every length is checked, and a file that
//! makes no sense is an error, never a panic.

use crate::names::ObjectId;
use crate::object::checksum;
use crate::summary::FileMode;
use crate::tree_dir::NAMES_LIMIT_BYTES;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) path: Vec<u8>,
    pub(crate) mode: FileMode,
    pub(crate) id: ObjectId,
    /// The lowest 32 bits of the file's size; 0 if whoever wrote the index saw no file.
    pub(crate) size_bytes: u32,
}

impl IndexEntry {
    /// Whether both are the same for git. Of submodules only the commit counts.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.mode == other.mode && self.id == other.id
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the index file makes no sense: {0}")]
pub(crate) struct BadIndex(&'static str);

const STAT_BYTES: usize = 40;

/// The entries of stage 0 in file order. Directories of a sparse index and entries of unknown type are left out.
pub(crate) fn parse_index(bytes: &[u8], sha256: bool) -> Result<Vec<IndexEntry>, BadIndex> {
    let mut entries = Vec::new();
    each_entry(bytes, sha256, |_, entry| entries.push(entry))?;
    Ok(entries)
}

/// What git, told `core.checkStat=minimal` and `core.trustctime=false`, compares to see without reading that a file is as its index says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileStat {
    pub(crate) mtime_s: u32,
    pub(crate) size_bytes: u32,
}

impl FileStat {
    // Git itself keeps the lowest 32 bits of both. The widths of the fields differ between systems.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::unnecessary_cast
    )]
    pub(crate) fn of(stat: &rustix::fs::Stat) -> Self {
        Self {
            mtime_s: stat.st_mtime as u32,
            size_bytes: stat.st_size as u32,
        }
    }
}

/// Writes into an index how files look; what `stat` does not know stays as it is.
pub(crate) fn with_stats(
    mut bytes: Vec<u8>,
    sha256: bool,
    mut stat: impl FnMut(&[u8]) -> Option<FileStat>,
) -> Result<Vec<u8>, BadIndex> {
    let mut found = Vec::new();
    each_entry(&bytes, sha256, |start, entry| {
        if let Some(stat) = stat(&entry.path) {
            found.push((start, stat));
        }
    })?;
    for (
        start,
        FileStat {
            mtime_s,
            size_bytes,
        },
    ) in found
    {
        let [seconds, size] = [mtime_s.to_be_bytes(), size_bytes.to_be_bytes()];
        let mut put = |at: usize, value: [u8; 4]| {
            bytes[start + at..start + at + 4].copy_from_slice(&value);
        };
        // ctime, mtime, device, inode; then comes the mode; then user, group, size
        for (at, value) in [(0, seconds), (4, [0; 4]), (8, seconds), (12, [0; 4])] {
            put(at, value);
        }
        for (at, value) in [(16, [0; 4]), (20, [0; 4]), (28, [0; 4]), (32, [0; 4])] {
            put(at, value);
        }
        put(36, size);
    }
    let content = bytes
        .len()
        .checked_sub(if sha256 { 32 } else { 20 })
        .ok_or(BadIndex("ends too early"))?;
    let sum = checksum(sha256, &bytes[..content]);
    bytes.truncate(content);
    bytes.extend_from_slice(&sum);
    Ok(bytes)
}

fn each_entry(
    bytes: &[u8],
    sha256: bool,
    mut each: impl FnMut(usize, IndexEntry),
) -> Result<(), BadIndex> {
    // A checksum stands at the end.
    let content = bytes
        .len()
        .checked_sub(if sha256 { 32 } else { 20 })
        .ok_or(BadIndex("ends too early"))?;
    let mut reader = Reader {
        bytes: &bytes[..content],
        at: 0,
    };
    if reader.take(4)? != b"DIRC" {
        return Err(BadIndex("wrong signature"));
    }
    let version = reader.u32()?;
    if !(2..=4).contains(&version) {
        return Err(BadIndex("unknown version"));
    }
    let count = reader.u32()?;
    // In version 4 a name can repeat the one before it, however long, in one byte: a small file could fill the memory.
    let names_limit = NAMES_LIMIT_BYTES.max(bytes.len());
    let mut names_bytes = 0;
    let mut previous = Vec::new();
    for _ in 0..count {
        let start = reader.at;
        let stat = reader.take(STAT_BYTES)?;
        let word =
            |at: usize| u32::from_be_bytes([stat[at], stat[at + 1], stat[at + 2], stat[at + 3]]);
        let (mode, size_bytes) = (word(24), word(36));
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
        names_bytes += path.len();
        if names_bytes > names_limit {
            return Err(BadIndex("its names are too long"));
        }
        previous.clone_from(&path);
        let stage = (flags >> 12) & 3;
        if let (0, Some(mode)) = (stage, FileMode::from_git(mode)) {
            let entry = IndexEntry {
                path,
                mode,
                id,
                size_bytes,
            };
            each(start, entry);
        }
    }
    Ok(())
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
        let mut name = previous[..kept].to_vec();
        name.extend_from_slice(self.name()?);
        Ok(name)
    }
}
