//! Sessions as directories: `thread_id` and `files/`.

use std::fs;
use std::path::Path;

use outwork_agents::{HomePath, SessionEntry, SessionFile, SessionSpec, StoredSession};

use crate::Failure;

pub fn save_session(home: &Path, directory: &Path, spec: &SessionSpec) -> Result<(), Failure> {
    fs::create_dir_all(directory)?;
    fs::write(directory.join("thread_id"), &spec.thread_id)?;
    for entry in &spec.entries {
        match entry {
            SessionEntry::File(path) => copy_file(home, directory, path.as_str())?,
            SessionEntry::Directory(path) => {
                for file in files_below(home, path.as_str())? {
                    copy_file(home, directory, &file)?;
                }
            }
        }
    }
    Ok(())
}

fn copy_file(home: &Path, directory: &Path, path: &str) -> Result<(), Failure> {
    let target = directory.join("files").join(path);
    fs::create_dir_all(target.parent().ok_or("a file has a directory")?)?;
    fs::copy(home.join(path), target)?;
    Ok(())
}

pub fn load_session(directory: &Path) -> Result<StoredSession, Failure> {
    let root = directory.join("files");
    let mut files = Vec::new();
    for path in files_below(&root, "")? {
        let contents = fs::read(root.join(&path))?;
        files.push(SessionFile {
            path: HomePath::parse(&path)?,
            contents,
        });
    }
    Ok(StoredSession {
        thread_id: fs::read_to_string(directory.join("thread_id"))?,
        files,
    })
}

/// Paths relative to `root` of the regular files below `path`.
fn files_below(root: &Path, path: &str) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    let mut waiting = vec![root.join(path)];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            } else if entry.file_type()?.is_file() {
                let path = entry.path();
                found.push(
                    path.strip_prefix(root)?
                        .to_str()
                        .ok_or("a name that is not UTF-8")?
                        .to_owned(),
                );
            }
        }
    }
    found.sort();
    Ok(found)
}
