//! Giving file contents to git without letting git open a file: the language of `git fast-import`.

use crate::names::{ObjectId, TreeId};
use crate::summary::FileMode;
use std::io::Write;
use tokio::sync::mpsc;

const CHUNK_BYTES: usize = 1 << 20;

/// One difference between the base and the working tree.
#[derive(Debug)]
pub(crate) enum Change {
    Delete {
        path: Vec<u8>,
    },
    File {
        path: Vec<u8>,
        mode: FileMode,
        mark: u64,
    },
    Gitlink {
        path: Vec<u8>,
        commit: ObjectId,
    },
}

/// The other end has gone: git has ended, or the diff was given up.
#[derive(Debug)]
pub(crate) struct Closed;

/// Sends to git. Content goes out as it is read; the tree is described at the end.
pub(crate) struct Importer {
    sender: mpsc::Sender<Vec<u8>>,
    marks: u64,
}

impl Importer {
    pub(crate) fn new(sender: mpsc::Sender<Vec<u8>>) -> Self {
        Self { sender, marks: 0 }
    }

    /// Gives git a file's content, and gets the number by which the tree can name it. Blocks while git is busy.
    pub(crate) fn blob(&mut self, content: Vec<u8>) -> Result<u64, Closed> {
        self.marks += 1;
        let opening = if self.marks == 1 {
            "feature done\n"
        } else {
            ""
        };
        self.send(
            format!(
                "{opening}blob\nmark :{}\ndata {}\n",
                self.marks,
                content.len()
            )
            .into_bytes(),
        )?;
        self.send(content)?;
        self.send(b"\n".to_vec())?;
        Ok(self.marks)
    }

    /// Describes the tree: the base, less what was deleted, with what was written. Git answers with the tree's id.
    pub(crate) fn finish(self, base: &TreeId, changes: &[Change]) -> Result<(), Closed> {
        if changes.is_empty() && self.marks == 0 {
            return Ok(());
        }
        let mut text = if self.marks == 0 {
            b"feature done\n".to_vec()
        } else {
            Vec::new()
        };
        let opening = format!(
            "commit refs/outwork/tree\ncommitter Outwork <outwork@localhost> 0 +0000\ndata 0\nM 040000 {base} \"\"\n"
        );
        text.extend_from_slice(opening.as_bytes());
        // Deletions first: what was a folder may now be a file, and the other way round.
        for change in changes {
            if let Change::Delete { path } = change {
                line(&mut text, "D ", path);
            }
        }
        for change in changes {
            // All paths at once, written for git, would take several times the memory of the paths themselves.
            if text.len() > CHUNK_BYTES {
                self.send(std::mem::take(&mut text))?;
            }
            match change {
                Change::Delete { .. } => {}
                Change::File { path, mode, mark } => {
                    line(&mut text, &format!("M {} :{mark} ", mode.as_str()), path)
                }
                Change::Gitlink { path, commit } => {
                    line(&mut text, &format!("M 160000 {commit} "), path)
                }
            }
        }
        text.extend_from_slice(b"ls \"\"\ndone\n");
        self.send(text)
    }

    fn send(&self, chunk: Vec<u8>) -> Result<(), Closed> {
        self.sender.blocking_send(chunk).map_err(|_| Closed)
    }
}

fn line(text: &mut Vec<u8>, command: &str, path: &[u8]) {
    text.extend_from_slice(command.as_bytes());
    text.push(b'"');
    for &byte in path {
        match byte {
            b'"' | b'\\' => text.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => text.push(byte),
            other => write!(text, "\\{other:03o}").expect("writing to a Vec never fails"),
        }
    }
    text.extend_from_slice(b"\"\n");
}

/// The tree's id in git's answer to `ls ""`: `040000 tree <id>TAB`.
pub(crate) fn tree_in(answer: &str) -> Option<TreeId> {
    let line = answer.lines().last()?;
    TreeId::parse(line.strip_prefix("040000 tree ")?.trim_end()).ok()
}
