//! Our own walk over the agent's working tree. Git is given bytes, never a path into it.

mod bounds;
mod gitlinks;
mod refused;
mod report;
mod scope;

pub use report::{DiffLimits, WalkError, Warning};

use crate::hints::Hints;
use crate::ignore::Rules;
use crate::import::{Change, Importer};
use crate::listing::Listing;
use crate::notes::Notes;
use crate::summary::FileMode;
use crate::tree_dir::{Content, NAMES_LIMIT_BYTES, PATH_LIMIT_BYTES, TreeRoot};
use crate::tree_dir::{
    file_type, join, make_readable, names_in, open_subfolder, read_in, read_link_in, stat_in,
};
use refused::git_refuses;
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Stat};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

const IGNORE_FILE_BYTES: u64 = 1024 * 1024;
const WARNINGS_KEPT: usize = 200;

/// What the walk needs to know.
pub(crate) struct WalkInput<'a> {
    /// The working tree as it was seen by the agent.
    pub(crate) view: &'a TreeRoot,
    /// The layer that has all that the agent touched: what has no name there is as it was at the start.
    pub(crate) changed: &'a TreeRoot,
    /// What the agent found.
    pub(crate) start: &'a Listing,
    pub(crate) notes: &'a Notes,
    pub(crate) hints: &'a Hints,
    pub(crate) limits: &'a DiffLimits,
    pub(crate) give_up_at: Instant,
    pub(crate) given_up: &'a AtomicBool,
    /// Ids of gitlinks must be of this kind.
    pub(crate) sha256: bool,
}

pub(crate) struct Walked {
    pub(crate) changes: Vec<Change>,
    pub(crate) warnings: Vec<Warning>,
}

/// Compares the working tree with the start; contents of changed files go to the importer.
pub(crate) fn walk(input: &WalkInput<'_>, importer: &mut Importer) -> Result<Walked, WalkError> {
    let mut walk = Walk {
        input,
        importer,
        gone: vec![false; input.start.entries().len()],
        changes: Vec::new(),
        warnings: Vec::new(),
        pending: Vec::new(),
        pending_bytes: 0,
        least_patch_bytes: 0,
        entries: 0,
        read_bytes: 0,
    };
    let start = Pending {
        path: Vec::new(),
        rules: Arc::default(),
        ignored: false,
    };
    // The root must open: a tree that cannot be read is not a tree from which everything was deleted.
    let root = input.view.open_folder(b"").map_err(WalkError::Root)?;
    walk.folder(start, root)?;
    while let Some(pending) = walk.pending.pop() {
        walk.pending_bytes -= pending.path.len();
        match input.view.open_folder(&pending.path) {
            Ok(folder) => walk.folder(pending, folder)?,
            Err(fault) if is_gone(&fault) => walk.forget_below(&pending.path),
            Err(_) => walk.unreadable_folder(&pending.path),
        }
    }
    walk.untouched_submodules()?;
    let Walk {
        gone,
        mut changes,
        warnings,
        ..
    } = walk;
    let entries = input.start.entries().iter().zip(gone);
    changes.extend(
        entries
            .filter(|(_, gone)| *gone)
            .map(|(entry, _)| Change::Delete {
                path: entry.path.clone(),
            }),
    );
    Ok(Walked { changes, warnings })
}

struct Pending {
    path: Vec<u8>,
    rules: Arc<Rules>,
    /// An ignored folder is entered only for the files that git knows there.
    ignored: bool,
}

struct Walk<'a> {
    input: &'a WalkInput<'a>,
    importer: &'a mut Importer,
    /// By position in the start listing: not there any more, as far as is known.
    gone: Vec<bool>,
    changes: Vec<Change>,
    warnings: Vec<Warning>,
    pending: Vec<Pending>,
    pending_bytes: usize,
    /// What the patch of the new files found so far has at least.
    least_patch_bytes: usize,
    entries: u64,
    read_bytes: u64,
}

fn is_gone(fault: &io::Error) -> bool {
    let not_a_folder = fault.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    not_a_folder
        || matches!(
            fault.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        )
}

impl Walk<'_> {
    fn folder(&mut self, here: Pending, view: OwnedFd) -> Result<(), WalkError> {
        let listed = match self.input.changed.open_folder(&here.path) {
            Ok(listed) => listed,
            // Nothing in it was touched.
            Err(fault) if is_gone(&fault) => return Ok(()),
            Err(_) => {
                self.unreadable_folder(&here.path);
                return Ok(());
            }
        };
        let room = self.input.limits.max_entries.saturating_sub(self.entries);
        let names = match names_in(&listed, usize::try_from(room).unwrap_or(usize::MAX)) {
            Ok(names) => names,
            Err(fault) if fault.kind() == io::ErrorKind::FileTooLarge => {
                return Err(WalkError::TooMuch {
                    limit_bytes: NAMES_LIMIT_BYTES as u64,
                    at: here.path,
                });
            }
            Err(_) => {
                self.unreadable_folder(&here.path);
                return Ok(());
            }
        };
        let Pending {
            path,
            rules,
            ignored,
        } = here;
        let rules = self.rules_in(&view, &path, rules);
        self.look_for_known(&path, &names, &view);
        for name in names {
            self.entries += 1;
            self.check_limits()?;
            let entry = Entry {
                folder: &view,
                listed: &listed,
                path: join(&path, &name),
                name,
                rules: &rules,
                ignored,
            };
            self.entry(&entry)?;
        }
        Ok(())
    }

    /// With those of the folder's own `.gitignore`. A symlink is not followed, as git does not either.
    fn rules_in(&mut self, folder: &OwnedFd, path: &[u8], rules: Arc<Rules>) -> Arc<Rules> {
        let below = match read_in(folder, b".gitignore", IGNORE_FILE_BYTES) {
            Ok(Content::Bytes(content)) => Rules::below(&rules, path, &content),
            Ok(Content::TooLarge { .. }) => None,
            Ok(Content::NotAFile) | Err(_) => return rules,
        };
        below.unwrap_or_else(|| {
            self.warn(Warning::IgnoreRules {
                path: join(path, b".gitignore"),
            });
            rules
        })
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Result<(), WalkError> {
        if entry.name == b".git" {
            return Ok(());
        }
        let stat = match stat_in(entry.folder, &entry.name) {
            Ok(Some(stat)) => stat,
            Ok(None) => return Ok(()),
            Err(_) => {
                self.unreadable(&entry.path);
                return Ok(());
            }
        };
        let kind = file_type(&stat);
        if entry.path.len() > PATH_LIMIT_BYTES {
            self.warn(Warning::PathTooLong {
                path: entry.path[..256].to_vec(),
            });
            return Ok(());
        }
        if git_refuses(&entry.name, kind == FileType::Symlink) {
            self.warn(Warning::NameRefused {
                path: entry.path.clone(),
            });
            return Ok(());
        }
        match kind {
            FileType::Directory => self.subfolder(entry, &stat),
            FileType::RegularFile | FileType::Symlink => self.file(entry, &stat, kind),
            other => {
                if !self.is_ignored(entry, false) {
                    self.warn(Warning::NotAFile {
                        path: entry.path.clone(),
                        what: special(other),
                    });
                }
                Ok(())
            }
        }
    }

    fn is_ignored(&self, entry: &Entry<'_>, is_folder: bool) -> bool {
        (entry.ignored || entry.rules.ignore(&entry.path, is_folder))
            && !self.input.hints.names(&entry.path)
    }

    fn subfolder(&mut self, entry: &Entry<'_>, stat: &Stat) -> Result<(), WalkError> {
        let (start, hints) = (self.input.start, self.input.hints);
        let known_link = start
            .find(&entry.path)
            .filter(|(_, known)| known.mode == FileMode::Gitlink)
            .map(|(at, known)| (at, &known.id));
        // A submodule that the agent's index has not got any more is one no more.
        let still_link = known_link.filter(|_| !hints.dropped(&entry.path));
        if let Some((at, id)) = still_link {
            self.gone[at] = false;
            self.known_submodule(&entry.path, id);
            return Ok(());
        }
        if let Some(id) = hints.gitlink(&entry.path)
            && !self.has_known_files(&entry.path)?
        {
            self.forget_below(&entry.path);
            self.new_submodule(&entry.path, id);
            return Ok(());
        }
        let ignored = self.is_ignored(entry, true);
        if ignored && !start.has_below(&entry.path) && !hints.has_below(&entry.path) {
            return Ok(());
        }
        if stat.st_mode & 0o500 != 0o500
            && open_subfolder(entry.folder, &entry.name)
                .is_err_and(|fault| fault.kind() == io::ErrorKind::PermissionDenied)
            && make_readable(entry.folder, &entry.name, stat).is_err()
        {
            self.unreadable_folder(&entry.path);
            return Ok(());
        }
        self.count_pending(&entry.path)?;
        self.pending.push(Pending {
            path: entry.path.clone(),
            rules: Arc::clone(entry.rules),
            ignored,
        });
        Ok(())
    }

    fn file(&mut self, entry: &Entry<'_>, stat: &Stat, kind: FileType) -> Result<(), WalkError> {
        match self.input.start.find(&entry.path) {
            Some((at, _)) => {
                self.gone[at] = false;
                if self.is_as_noted(entry) {
                    return Ok(());
                }
            }
            None if self.is_ignored(entry, false) => return Ok(()),
            None => self.count_new(&entry.path)?,
        }
        let read = match kind {
            FileType::Symlink => read_link_in(entry.folder, &entry.name).map(Content::Bytes),
            _ => self.read(entry, stat),
        };
        let content = match read {
            Ok(Content::Bytes(content)) => content,
            Ok(Content::TooLarge { size_bytes }) => {
                let limit_bytes = self.input.limits.max_file_bytes;
                self.warn(Warning::TooLarge {
                    path: entry.path.clone(),
                    size_bytes,
                    limit_bytes,
                });
                return Ok(());
            }
            Ok(Content::NotAFile) => {
                self.warn(Warning::NotAFile {
                    path: entry.path.clone(),
                    what: "something that was a file a moment before",
                });
                return Ok(());
            }
            Err(_) => {
                self.unreadable(&entry.path);
                return Ok(());
            }
        };
        self.read_bytes += content.len() as u64;
        if self.read_bytes > self.input.limits.max_total_bytes {
            return Err(WalkError::TooMuch {
                limit_bytes: self.input.limits.max_total_bytes,
                at: entry.path.clone(),
            });
        }
        let mode = match kind {
            FileType::Symlink => FileMode::Symlink,
            _ if stat.st_mode & 0o100 != 0 => FileMode::Executable,
            _ => FileMode::Regular,
        };
        let mark = self
            .importer
            .blob(content)
            .map_err(|_| WalkError::GivenUp)?;
        self.changes.push(Change::File {
            path: entry.path.clone(),
            mode,
            mark,
        });
        Ok(())
    }

    fn read(&self, entry: &Entry<'_>, stat: &Stat) -> io::Result<Content> {
        let limit_bytes = self.input.limits.max_file_bytes;
        match read_in(entry.folder, &entry.name, limit_bytes) {
            Err(fault) if fault.kind() == io::ErrorKind::PermissionDenied => {
                make_readable(entry.folder, &entry.name, stat)?;
                read_in(entry.folder, &entry.name, limit_bytes)
            }
            read => read,
        }
    }

    /// What cannot be read is taken as unchanged, never as deleted.
    fn unreadable_folder(&mut self, path: &[u8]) {
        let below = self.input.start.below(path);
        self.gone[below].fill(false);
        self.warn(Warning::Unreadable {
            path: path.to_vec(),
        });
    }

    fn unreadable(&mut self, path: &[u8]) {
        if let Some((at, _)) = self.input.start.find(path) {
            self.gone[at] = false;
        }
        self.warn(Warning::Unreadable {
            path: path.to_vec(),
        });
    }

    fn warn(&mut self, warning: Warning) {
        if self.warnings.len() < WARNINGS_KEPT {
            self.warnings.push(warning);
        }
    }
}

struct Entry<'a> {
    folder: &'a OwnedFd,
    /// The same folder where its name was found.
    listed: &'a OwnedFd,
    path: Vec<u8>,
    name: Vec<u8>,
    rules: &'a Arc<Rules>,
    ignored: bool,
}

fn special(kind: FileType) -> &'static str {
    match kind {
        FileType::Fifo => "a named pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::RegularFile | FileType::Directory | FileType::Symlink | FileType::Unknown => {
            "of unknown type"
        }
    }
}
