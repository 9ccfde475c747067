//! Reads a file in pieces and searches across their borders.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{FileType, SeekFrom};
use rustix::io::Errno;

use super::patterns::{Hit, Patterns};

const PIECE_BYTES: usize = 256 << 10;

/// How reading a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    CutOff,
    Unreadable,
}

/// Has a buffer that is used for one file after the other.
pub(super) struct Reader<'a> {
    patterns: &'a Patterns,
    buffer: Vec<u8>,
    /// What is kept of a piece when the next is read, in bytes.
    overlap: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(patterns: &'a Patterns) -> Self {
        let overlap = patterns.longest().saturating_sub(1);
        Self {
            patterns,
            buffer: vec![0; overlap + PIECE_BYTES],
            overlap,
        }
    }

    /// What is in the file, as far as `left_bytes` allow; each needle once.
    pub(super) fn read(
        &mut self,
        file: impl AsFd,
        left_bytes: &AtomicU64,
        stop: &AtomicBool,
    ) -> (Vec<Hit>, End) {
        let mut hits = Vec::new();
        let end = self.read_into(&mut hits, file.as_fd(), left_bytes, stop);
        (hits, end.unwrap_or(End::Unreadable))
    }

    fn read_into(
        &mut self,
        hits: &mut Vec<Hit>,
        file: impl AsFd,
        left_bytes: &AtomicU64,
        stop: &AtomicBool,
    ) -> io::Result<End> {
        let stat = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(End::Whole);
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        // A file may be far longer than the disk.
        let has_holes = u64::try_from(stat.st_blocks)
            .unwrap_or(0)
            .saturating_mul(512)
            < size;
        let (mut at, mut kept) = (0, 0);
        while at < size {
            if stop.load(Ordering::Relaxed) || left_bytes.load(Ordering::Relaxed) == 0 {
                return Ok(End::CutOff);
            }
            if has_holes {
                match rustix::fs::seek(&file, SeekFrom::Data(at)) {
                    Ok(data) if data > at => (at, kept) = (data, 0),
                    Ok(_) => {}
                    // Nothing but a hole is left.
                    Err(Errno::NXIO) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            let piece = &mut self.buffer[kept..kept + PIECE_BYTES];
            let length = match rustix::io::pread(&file, piece, at) {
                Ok(0) => break,
                Ok(length) => length,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let read = length as u64;
            at += read;
            let _ = left_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                Some(left.saturating_sub(read))
            });
            let filled = kept + length;
            for hit in self.patterns.hits(&self.buffer[..filled]) {
                if hits.iter().all(|known| known.needle != hit.needle) {
                    hits.push(hit);
                }
            }
            kept = filled.min(self.overlap);
            self.buffer.copy_within(filled - kept..filled, 0);
        }
        Ok(End::Whole)
    }
}
