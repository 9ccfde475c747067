//! Writing the agent's `.git` into a tree.

use crate::git_dir::FOLDERS;
use crate::tree_dir::join;
use crate::tree_write::TreeWriter;
use std::io;

const GIT: &[u8] = b".git";

/// Files of a `.git` by their names in it.
pub(crate) type AgentFiles = Vec<(&'static str, Vec<u8>)>;

/// The whole `.git`; whatever was in its place goes.
pub(crate) fn write_whole(writer: &mut TreeWriter, files: &AgentFiles) -> io::Result<()> {
    writer.remove(GIT)?;
    for folder in FOLDERS {
        writer.folder(&join(GIT, folder.as_bytes()))?;
    }
    write_files(writer, files)
}

/// Some files of a `.git` of which the rest lies in a layer below.
pub(crate) fn write_files(writer: &mut TreeWriter, files: &AgentFiles) -> io::Result<()> {
    for (name, content) in files {
        let path = join(GIT, name.as_bytes());
        writer.file(&path, false, &mut content.as_slice())?;
    }
    Ok(())
}
