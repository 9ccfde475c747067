//! The files of a clone, as guesses are made from them.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::detect::{self, Guess, Tree};

/// How deep folders are listed; deeper ones say nothing.
const DEPTH: usize = 6;
/// How many files are listed at most.
const FILES: usize = 50_000;
/// How much of a file is read.
const BYTES: u64 = 256 * 1024;
/// Folders that tools fill.
const SKIPPED: [&str; 9] = [
    ".git",
    ".tox",
    ".venv",
    "__pycache__",
    "bower_components",
    "dist",
    "node_modules",
    "target",
    "venv",
];

/// What the clone whose top folder is `top` seems to need.
pub(crate) fn guess(top: &Path) -> Guess {
    let mut paths = Vec::new();
    list(top, "", DEPTH, &mut paths);
    let read = |path: &str| beginning(&top.join(path));
    detect::guess(&Tree::new(paths, &read))
}

/// The files below a folder, by their paths from the top. Links are not followed, and what cannot be
/// read or is no text is not there.
fn list(folder: &Path, name: &str, depth: usize, paths: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut folders: Vec<(PathBuf, String)> = Vec::new();
    for entry in entries.flatten() {
        let (Ok(kind), Ok(own)) = (entry.file_type(), entry.file_name().into_string()) else {
            continue;
        };
        let path = match name {
            "" => own.clone(),
            name => format!("{name}/{own}"),
        };
        if kind.is_dir() && !SKIPPED.contains(&own.as_str()) {
            folders.push((entry.path(), path));
        } else if kind.is_file() && paths.len() < FILES {
            paths.push(path);
        }
    }
    folders.sort();
    for (folder, name) in folders {
        // A clone inside the clone is another repository.
        if depth > 1 && !folder.join(".git").exists() {
            list(&folder, &name, depth - 1, paths);
        }
    }
}

fn beginning(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
