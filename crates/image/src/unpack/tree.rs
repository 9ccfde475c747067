//! The directory that a layer becomes.
//!
//! Nobody else knows it while it is filled. Yet every path in it was thought up by whoever built the image, so no call
//! here ever follows a symbolic link or leaves the directory.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, XattrFlags};
use rustix::io::Errno;

use super::UnpackError;
use super::attributes::{Attributes, IMPLIED};
use super::path::{LayerPath, Refusal};
use crate::config::LayerOwner;
use crate::limits::Limits;
use outwork_remove::remove_directory_at;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Overlays are mounted in user namespaces, where attributes of this kind are looked at.
pub(crate) const OPAQUE: &CStr = c"user.overlay.opaque";

/// For what a file takes beside its data.
const BLOCK_BYTES: u64 = 4096;

pub(crate) struct Tree {
    root: Rc<OwnedFd>,
    owner: LayerOwner,
    /// Their attributes are set at the end: they must be writable until then, and writing changes their times.
    /// Without any, a directory is there because of what is in it.
    directories: BTreeMap<LayerPath, Option<Attributes>>,
    directories_bytes: usize,
    /// The one used last.
    at_hand: Option<(LayerPath, Rc<OwnedFd>)>,
    /// Blocks of files' contents.
    data_bytes: u64,
    /// A block for everything that was made.
    made_bytes: u64,
    hides_all: bool,
}

/// What a tree has become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filled {
    /// About what it takes on the disk.
    pub(crate) size_bytes: u64,
    /// Whether the layer hides everything below it. An overlay does not look for this at the top of a layer.
    pub(crate) hides_all: bool,
    /// Directories that the archive does not mention, but something in them. They should look as in lower layers.
    pub(crate) implied: Vec<LayerPath>,
}

enum Existing {
    Nothing,
    Directory,
    Whiteout,
    Other(FileType),
}

impl Tree {
    /// In an empty directory.
    pub(crate) fn new(path: &Path, owner: LayerOwner) -> rustix::io::Result<Self> {
        let root = rustix::fs::openat(CWD, path, DIRECTORY, Mode::empty())?;
        Ok(Self {
            root: Rc::new(root),
            owner,
            directories: BTreeMap::from([(LayerPath::default(), None)]),
            directories_bytes: 0,
            at_hand: None,
            data_bytes: 0,
            made_bytes: BLOCK_BYTES,
            hides_all: false,
        })
    }

    /// What everything made so far takes beside its content. An archive says a directory, or by one long path two thousand of them, in
    /// less than a block.
    pub(crate) fn made_bytes(&self) -> u64 {
        self.made_bytes
    }

    pub(crate) fn directory(
        &mut self,
        path: LayerPath,
        attributes: Attributes,
    ) -> Result<(), UnpackError> {
        if let Some((parent, name)) = path.split() {
            let parent = self.folder(&parent)?;
            let name = name.to_vec();
            self.enter(&parent, &path, &name, true)?;
        }
        self.note_directory(path, Some(attributes))
    }

    /// Makes an empty file; what was there is replaced. To be ended by [`Self::end_file`].
    pub(crate) fn begin_file(&mut self, path: &LayerPath) -> Result<File, UnpackError> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.make(path, |parent, name| {
            rustix::fs::openat(parent, name, flags, Mode::RUSR | Mode::WUSR).map(File::from)
        })
    }

    pub(crate) fn end_file(
        &mut self,
        path: &LayerPath,
        file: &File,
        written_bytes: u64,
        attributes: Attributes,
    ) -> Result<(), UnpackError> {
        self.data_bytes += written_bytes.next_multiple_of(BLOCK_BYTES);
        attributes
            .set(file, self.owner, 0o777)
            .map_err(|error| writing(path, error))
    }

    pub(crate) fn symlink(
        &mut self,
        path: &LayerPath,
        target: &[u8],
        attributes: Attributes,
    ) -> Result<(), UnpackError> {
        match target {
            b"" => return Err(Refusal::NoTarget.of(path.bytes())),
            target if target.contains(&0) => return Err(Refusal::Nul.of(target)),
            target if target.len() > Limits::PATH_BYTES => return Err(Refusal::TooLong.of(target)),
            _ => {}
        }
        let owner = self.owner;
        self.make(path, |parent, name| {
            rustix::fs::symlinkat(target, parent, name)?;
            attributes.set_at(parent, name, owner)
        })
    }

    pub(crate) fn fifo(
        &mut self,
        path: &LayerPath,
        attributes: Attributes,
    ) -> Result<(), UnpackError> {
        let owner = self.owner;
        self.make(path, |parent, name| {
            rustix::fs::mkfifoat(parent, name, Mode::empty())?;
            attributes.set_at(parent, name, owner)?;
            // It cannot be a link: it was made by the line above.
            let mode = Mode::from_raw_mode(attributes.mode & 0o777);
            rustix::fs::chmodat(parent, name, mode, AtFlags::empty())
        })
    }

    /// A second name for a file of the same layer: nothing else is in reach.
    pub(crate) fn hard_link(
        &mut self,
        path: &LayerPath,
        target: &LayerPath,
    ) -> Result<(), UnpackError> {
        let refused = || Refusal::LinkTarget.of(path.bytes());
        let Some((folder, target_name)) = target.split() else {
            return Err(refused());
        };
        let folder = self.open(&folder).map_err(|_| refused())?;
        match self
            .look(&folder, target_name)
            .map_err(|error| writing(target, error))?
        {
            Existing::Other(FileType::RegularFile | FileType::Symlink | FileType::Fifo) => {}
            Existing::Other(_) | Existing::Nothing | Existing::Directory | Existing::Whiteout => {
                return Err(refused());
            }
        }
        if path == target {
            return Ok(());
        }
        // What is replaced may be a directory that holds the target.
        if path.below().contains(target) {
            return Err(refused());
        }
        self.make(path, |parent, name| {
            rustix::fs::linkat(&folder, target_name, parent, name, AtFlags::empty())
        })
    }

    /// Hides what lower layers have at `path`. What this layer has there itself stays, wherever it stands in the
    /// archive.
    pub(crate) fn whiteout(&mut self, path: &LayerPath) -> Result<(), UnpackError> {
        let (parent, name) = path.split().ok_or_else(|| Refusal::Root.of(path.bytes()))?;
        let parent = self.folder(&parent)?;
        match self
            .look(&parent, name)
            .map_err(|error| writing(path, error))?
        {
            Existing::Whiteout | Existing::Other(_) => Ok(()),
            Existing::Directory => self.mark_opaque(&parent, path, name),
            Existing::Nothing => {
                let kind = FileType::CharacterDevice;
                self.made_bytes += BLOCK_BYTES;
                rustix::fs::mknodat(&*parent, name, kind, Mode::empty(), 0)
                    .and_then(|()| IMPLIED.set_at(&parent, name, self.owner))
                    .map_err(|error| writing(path, error))
            }
        }
    }

    /// Hides what lower layers have in the directory `path`.
    pub(crate) fn opaque(&mut self, path: &LayerPath) -> Result<(), UnpackError> {
        match path.split() {
            Some((parent, name)) => {
                let parent = self.folder(&parent)?;
                self.enter(&parent, path, name, false)?;
                self.mark_opaque(&parent, path, name)
            }
            None => {
                self.hides_all = true;
                Ok(())
            }
        }
    }

    /// Sets the attributes of all directories, those deep inside first.
    pub(crate) fn finish(mut self) -> Result<Filled, UnpackError> {
        self.at_hand = None;
        let directories = std::mem::take(&mut self.directories);
        for (path, attributes) in directories.iter().rev() {
            self.open(path)
                .and_then(|directory| {
                    attributes
                        .unwrap_or(IMPLIED)
                        .set(&directory, self.owner, 0o3777)
                })
                .map_err(|error| writing(path, error))?;
        }
        let implied = directories
            .into_iter()
            .filter_map(|(path, attributes)| match attributes {
                None if !path.is_root() => Some(path),
                None | Some(_) => None,
            });
        Ok(Filled {
            size_bytes: self.data_bytes + self.made_bytes,
            hides_all: self.hides_all,
            implied: implied.collect(),
        })
    }

    /// Makes something other than a directory in the place of what is there.
    fn make<T>(
        &mut self,
        path: &LayerPath,
        make: impl FnOnce(&OwnedFd, &[u8]) -> rustix::io::Result<T>,
    ) -> Result<T, UnpackError> {
        let (parent, name) = path.split().ok_or_else(|| Refusal::Root.of(path.bytes()))?;
        let parent = self.folder(&parent)?;
        let cleared = match self.look(&parent, name) {
            Ok(Existing::Nothing) => Ok(()),
            Ok(Existing::Directory) => {
                self.at_hand = None;
                self.forget_directories(path);
                remove_directory_at(&*parent, name)
            }
            Ok(Existing::Whiteout | Existing::Other(_)) => {
                rustix::fs::unlinkat(&*parent, name, AtFlags::empty())
            }
            Err(error) => Err(error),
        };
        self.made_bytes += BLOCK_BYTES;
        cleared
            .and_then(|()| make(&parent, name))
            .map_err(|error| writing(path, error))
    }

    /// Without a look at the others: an archive can make and replace a directory any number of times beside a million.
    fn forget_directories(&mut self, path: &LayerPath) {
        self.directories.remove(path);
        let below = self.directories.range(path.below());
        let below: Vec<LayerPath> = below.map(|(known, _)| known.clone()).collect();
        for known in below {
            self.directories.remove(&known);
        }
    }

    /// The directory at `path`, made with those above it if need be.
    fn folder(&mut self, path: &LayerPath) -> Result<Rc<OwnedFd>, UnpackError> {
        if path.is_root() {
            return Ok(Rc::clone(&self.root));
        }
        if let Some((at_hand, directory)) = &self.at_hand
            && at_hand == path
        {
            return Ok(Rc::clone(directory));
        }
        let directory = match self.open(path) {
            Ok(directory) => Rc::new(directory),
            Err(_) => self.make_folders(path)?,
        };
        self.at_hand = Some((path.clone(), Rc::clone(&directory)));
        Ok(directory)
    }

    /// Step by step, so that the error says what is in the way.
    fn make_folders(&mut self, path: &LayerPath) -> Result<Rc<OwnedFd>, UnpackError> {
        let mut directory = Rc::clone(&self.root);
        let mut at = LayerPath::default();
        for name in path.parts() {
            at = at.join(name);
            directory = Rc::new(self.enter(&directory, &at, name, false)?);
        }
        Ok(directory)
    }

    /// Opens the directory `name` of `parent`; makes it if there is none. What is in the way is removed if the archive
    /// has an entry for the directory itself.
    fn enter(
        &mut self,
        parent: &OwnedFd,
        path: &LayerPath,
        name: &[u8],
        replace: bool,
    ) -> Result<OwnedFd, UnpackError> {
        let fault = |error| writing(path, error);
        let existing = self.look(parent, name).map_err(fault)?;
        let hides = match existing {
            Existing::Directory => return open_at(parent, name).map_err(fault),
            Existing::Nothing => false,
            Existing::Whiteout => true,
            Existing::Other(_) if replace => false,
            Existing::Other(FileType::Symlink) => return Err(Refusal::ThroughLink.of(path.bytes())),
            Existing::Other(_) => return Err(Refusal::BelowFile.of(path.bytes())),
        };
        if !matches!(existing, Existing::Nothing) {
            rustix::fs::unlinkat(parent, name, AtFlags::empty()).map_err(fault)?;
        }
        rustix::fs::mkdirat(parent, name, Mode::RWXU).map_err(fault)?;
        self.made_bytes += BLOCK_BYTES;
        self.note_directory(path.clone(), None)?;
        if hides {
            self.mark_opaque(parent, path, name)?;
        }
        open_at(parent, name).map_err(fault)
    }

    fn note_directory(
        &mut self,
        path: LayerPath,
        attributes: Option<Attributes>,
    ) -> Result<(), UnpackError> {
        let bytes = path.bytes().len();
        if self.directories.insert(path, attributes).is_none() {
            self.directories_bytes += bytes;
        }
        match self.directories_bytes > Limits::DIRECTORIES_BYTES {
            true => Err(UnpackError::Directories),
            false => Ok(()),
        }
    }

    fn mark_opaque(
        &self,
        parent: &OwnedFd,
        path: &LayerPath,
        name: &[u8],
    ) -> Result<(), UnpackError> {
        open_at(parent, name)
            .and_then(|directory| {
                rustix::fs::fsetxattr(directory, OPAQUE, b"y", XattrFlags::empty())
            })
            .map_err(|error| writing(path, error))
    }

    /// Never through a link.
    fn open(&self, path: &LayerPath) -> rustix::io::Result<OwnedFd> {
        if path.is_root() {
            return open_at(&self.root, b".");
        }
        let ways = ResolveFlags::BENEATH
            | ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_XDEV;
        match rustix::fs::openat2(&*self.root, path.bytes(), DIRECTORY, Mode::empty(), ways) {
            // Containers may not know this call. Step by step it is as safe, since nobody else changes the tree.
            Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => {
                let start = open_at(&self.root, b".")?;
                path.parts()
                    .try_fold(start, |directory, name| open_at(&directory, name))
            }
            other => other,
        }
    }

    fn look(&self, parent: &OwnedFd, name: &[u8]) -> rustix::io::Result<Existing> {
        let stat = match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(Existing::Nothing),
            Err(error) => return Err(error),
        };
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Existing::Directory,
            // Devices of the archive are not made, so it is one of ours.
            FileType::CharacterDevice => Existing::Whiteout,
            other => Existing::Other(other),
        })
    }
}

fn open_at(parent: &OwnedFd, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(parent, name, DIRECTORY, Mode::empty())
}

fn writing(path: &LayerPath, error: Errno) -> UnpackError {
    UnpackError::Write {
        path: crate::text::shown_path(path.bytes()),
        source: error.into(),
    }
}
