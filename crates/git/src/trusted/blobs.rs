//! Contents from git's objects to files, as they come.

use super::{PutError, Trusted};
use crate::index::IndexEntry;
use crate::process::{GitError, Input};
use crate::summary::FileMode;
use crate::tree_write::TreeWriter;
use std::io::{self, BufRead, BufReader, Read};
use tokio::sync::mpsc;

const OPERATION: &str = "read the files of the commit";
const CHUNKS_WAITING: usize = 8;
/// More than any system takes.
const SYMLINK_BYTES: u64 = 64 * 1024;

/// Writes files, executables and symlinks.
pub(super) async fn put(
    trusted: &Trusted,
    writer: TreeWriter,
    entries: Vec<IndexEntry>,
) -> Result<TreeWriter, PutError> {
    let ids: String = entries
        .iter()
        .map(|entry| format!("{}\n", entry.id))
        .collect();
    let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
    let writing = tokio::task::spawn_blocking(move || {
        let mut contents = BufReader::new(Chunks {
            receiver,
            chunk: Vec::new(),
            at: 0,
        });
        write_all(writer, &entries, &mut contents)
    });
    let call = trusted
        .call(OPERATION)
        .args(["cat-file", "--batch", "--buffer"]);
    let read = call
        .input(Input::Bytes(ids.as_bytes()))
        .stream(sender)
        .await;
    let written = writing
        .await
        .unwrap_or_else(|panic| Err(PutError::Folder(io::Error::other(panic))));
    match (read, written) {
        (Ok(()), written) => written,
        // When one side ends early the other fails too: git knows better why, unless it only lost its reader.
        (Err(GitError::Io { .. }), Err(fault)) => Err(fault),
        (Err(fault), _) => Err(PutError::Git(fault)),
    }
}

fn write_all(
    mut writer: TreeWriter,
    entries: &[IndexEntry],
    contents: &mut impl BufRead,
) -> Result<TreeWriter, PutError> {
    for entry in entries {
        let IndexEntry { path, mode, id, .. } = entry;
        let mut header = String::new();
        contents.read_line(&mut header).map_err(PutError::Folder)?;
        let size_bytes = header
            .strip_prefix(id.as_str())
            .and_then(|rest| rest.trim_end().strip_prefix(" blob "))
            .and_then(|size| size.parse().ok())
            .ok_or_else(|| unusable(&header))?;
        let mut content = contents.take(size_bytes);
        let put = match mode {
            FileMode::Regular => writer.file(path, false, &mut content),
            FileMode::Executable => writer.file(path, true, &mut content),
            FileMode::Symlink => symlink(&mut writer, path, &mut content),
            FileMode::Gitlink => Ok(()),
        };
        put.map_err(PutError::Folder)?;
        let cut = content.limit() > 0;
        let mut end = [0];
        let ended = contents.read_exact(&mut end);
        if cut || ended.is_err() {
            return Err(unusable("the content ends too early"));
        }
    }
    Ok(writer)
}

fn symlink(writer: &mut TreeWriter, path: &[u8], content: &mut impl Read) -> io::Result<()> {
    let mut target = Vec::new();
    content.take(SYMLINK_BYTES).read_to_end(&mut target)?;
    writer.symlink(path, &target)
}

/// `<id> missing`, or nothing at all: the mirror's fault.
fn unusable(answer: &str) -> PutError {
    let answer = answer.trim();
    PutError::Git(GitError::Failed {
        operation: OPERATION,
        code: None,
        stderr: format!("missing or bad object: {answer}"),
    })
}

/// Chunks from a channel, read as one stream.
struct Chunks {
    receiver: mpsc::Receiver<Vec<u8>>,
    chunk: Vec<u8>,
    at: usize,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() {
            match self.receiver.blocking_recv() {
                Some(chunk) => (self.chunk, self.at) = (chunk, 0),
                None => return Ok(0),
            }
        }
        let rest = &self.chunk[self.at..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}
