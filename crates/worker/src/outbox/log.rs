//! Lines in a file, and in memory behind it once the disk refuses to take more.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use outwork_failpoint as failpoint;

use super::Entry;

/// How much one read looks at; larger than any line.
const READ_BYTES: u64 = 2 << 20;

#[derive(Debug)]
pub(super) struct Log {
    file: Option<Arc<File>>,
    /// Whole lines in the file.
    file_bytes: u64,
    /// What the disk did not take; its offsets follow those of the file.
    memory: Vec<u8>,
    is_broken: bool,
}

impl Log {
    pub(super) fn create(path: &Path) -> Self {
        let file = File::options()
            .read(true)
            .append(true)
            .create_new(true)
            .open(path);
        let is_broken = file.is_err();
        Self {
            file: file.ok().map(Arc::new),
            file_bytes: 0,
            memory: Vec::new(),
            is_broken,
        }
    }

    pub(super) fn reopen(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).append(true).open(path)?;
        let file_bytes = file.metadata()?.len();
        Ok(Self {
            file: Some(Arc::new(file)),
            file_bytes,
            memory: Vec::new(),
            is_broken: false,
        })
    }

    pub(super) fn append(&mut self, entry: &Entry) {
        let mut line =
            serde_json::to_vec(entry).expect("an entry has no maps with keys that are not text");
        line.push(b'\n');
        if !self.is_broken && self.write(&line).is_ok() {
            self.file_bytes += line.len() as u64;
            failpoint::pass("worker.outbox.written");
            return;
        }
        self.is_broken = true;
        self.memory.extend_from_slice(&line);
    }

    /// For waiting until what was written survives a machine that loses its power.
    pub(super) fn file(&self) -> Option<Arc<File>> {
        self.file.clone()
    }

    pub(super) fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Whole entries from `offset` on. Ends early at a line that was not written whole.
    pub(super) fn read(&self, offset: u64) -> io::Result<Vec<(Entry, u64)>> {
        let mut entries = Vec::new();
        let bytes = self.bytes(offset)?;
        let mut end = offset;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if line.last() != Some(&b'\n') {
                break;
            }
            end += line.len() as u64;
            entries.push((serde_json::from_slice(line)?, end));
        }
        Ok(entries)
    }

    fn bytes(&self, offset: u64) -> io::Result<Vec<u8>> {
        let Some(left) = self.file_bytes.checked_sub(offset).filter(|left| *left > 0) else {
            let start =
                usize::try_from(offset.saturating_sub(self.file_bytes)).unwrap_or(usize::MAX);
            let rest = self.memory.get(start..).unwrap_or_default();
            return Ok(rest[..rest.len().min(READ_BYTES as usize)].to_vec());
        };
        let mut bytes = vec![0; left.min(READ_BYTES) as usize];
        if let Some(file) = &self.file {
            file.read_exact_at(&mut bytes, offset)?;
        }
        Ok(bytes)
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let Some(mut file) = self.file.as_deref() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let written = match failpoint::refuses_to_write("worker.outbox.refused", file) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => file.write_all(line),
        };
        if written.is_err() {
            // Part of the line may stand there; the file is read by length, and a later worker must not see half a line.
            let _ = file.set_len(self.file_bytes);
        }
        written
    }
}
