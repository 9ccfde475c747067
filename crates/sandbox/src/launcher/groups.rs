//! The control group of a sandbox: made before its first process, removed after its end.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use crate::cgroup;
use crate::error::{SandboxError, Step};
use crate::plan::{Group, GroupPart, GroupVersion, Need, Setting};
use crate::syscalls;

/// Removes the group when dropped.
#[derive(Default)]
pub(super) struct Groups {
    directories: Vec<PathBuf>,
}

/// How the first process gets in.
pub(super) enum Entry {
    None,
    /// By itself: for each hierarchy the file that takes the one who writes to it.
    Files(Vec<File>),
    /// It is made there: moving it would have to wait for every processor, up to some ten milliseconds.
    Born(File),
}

impl Groups {
    pub(super) fn make(group: Option<&Group>) -> Result<(Self, Entry), SandboxError> {
        Self::make_named(group, &cgroup::name(std::process::id()))
    }

    fn make_named(group: Option<&Group>, name: &str) -> Result<(Self, Entry), SandboxError> {
        let mut groups = Self::default();
        let Some(Group { version, parts }) = group else {
            return Ok((groups, Entry::None));
        };
        let mut files = Vec::new();
        for GroupPart { parent, settings } in parts {
            let directory = parent.join(name);
            fs::create_dir(&directory).map_err(|e| fault(&directory, e))?;
            groups.directories.push(directory.clone());
            for setting in settings {
                set(&directory, setting)?;
            }
            let (entry, writable) = match version {
                // Of all ways in, the only one that does not wait for the other processors is to write zero here.
                GroupVersion::V1 => (directory.join("tasks"), true),
                GroupVersion::V2 => (directory, false),
            };
            let file = fs::OpenOptions::new()
                .read(!writable)
                .write(writable)
                .open(&entry)
                .map_err(|e| fault(&entry, e))?;
            files.push(file);
        }
        let entry = match (version, files.pop()) {
            (_, None) => Entry::None,
            (GroupVersion::V1, Some(last)) => {
                files.push(last);
                Entry::Files(files)
            }
            (GroupVersion::V2, Some(only)) => Entry::Born(only),
        };
        Ok((groups, entry))
    }

    /// A file of the group, from whichever hierarchy has it.
    pub(super) fn open(&self, file: &str) -> Option<File> {
        self.directories
            .iter()
            .find_map(|directory| File::open(directory.join(file)).ok())
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for directory in &self.directories {
            // What cannot be removed now is stale soon, see `cgroup::sweep`.
            let _ = fs::remove_dir(directory);
        }
    }
}

impl Entry {
    pub(super) fn directory(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Born(directory) => Some(directory.as_fd()),
            Self::None | Self::Files(_) => None,
        }
    }

    /// In the first process: go in, and see nothing above from then on.
    pub(super) fn enter(self) -> Result<(), SandboxError> {
        let fault = |e: io::Error| SandboxError::caused_by(Step::JoinGroup, "its own", e);
        match self {
            Self::None | Self::Born(_) => {}
            Self::Files(files) => {
                for mut file in files {
                    file.write_all(b"0").map_err(fault)?;
                }
            }
        }
        syscalls::unshare_cgroup_namespace().map_err(fault)
    }
}

fn set(directory: &Path, setting: &Setting) -> Result<(), SandboxError> {
    let Setting { file, value, need } = setting;
    let path = directory.join(file);
    // Not created: in a directory of control groups there are the kernel's files and no others.
    let written = fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|mut file| file.write_all(value.as_bytes()));
    match (written, need) {
        (Ok(()), _) => Ok(()),
        (Err(error), Need::IfThere) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        (Err(error), Need::Required | Need::IfThere) => Err(fault(&path, error)),
    }
}

fn fault(path: &Path, error: io::Error) -> SandboxError {
    SandboxError::caused_by(Step::MakeGroup, path.display().to_string(), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(parent: &Path, file: &str, need: Need) -> Group {
        let setting = Setting {
            file: file.to_owned(),
            value: "1".to_owned(),
            need,
        };
        Group {
            version: GroupVersion::V2,
            parts: vec![GroupPart {
                parent: parent.to_owned(),
                settings: vec![setting],
            }],
        }
    }

    #[test]
    fn a_limit_that_is_not_there_is_an_error_and_nothing_stays() {
        let parent = tempfile::tempdir().unwrap();
        let needed = group(parent.path(), "memory.max", Need::Required);
        let Err(error) = Groups::make_named(Some(&needed), "group") else {
            panic!("a plain directory has no limits");
        };
        assert_eq!(error.step, Step::MakeGroup);
        assert!(error.detail.ends_with("group/memory.max"), "{error}");
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_limit_that_need_not_be_there_is_passed_over() {
        let parent = tempfile::tempdir().unwrap();
        let wanted = group(parent.path(), "memory.swap.max", Need::IfThere);
        let (groups, entry) = Groups::make_named(Some(&wanted), "group").unwrap();
        assert!(entry.directory().is_some());
        assert!(parent.path().join("group").exists());
        drop(groups);
        assert!(!parent.path().join("group").exists());
    }
}
