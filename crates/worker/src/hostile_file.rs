//! Files below a directory that an agent could write. No link is followed at any level, only regular files are read, and no
//! more than was agreed.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use rustix::fs::{Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

/// Directories below each other in a session.
const MAX_DEPTH: usize = 32;
/// Entries looked at in all of them.
const MAX_ENTRIES: usize = 10_000;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("{path} is not a regular file")]
    NotRegular { path: String },
    #[error("the files hold more than {limit_bytes} bytes")]
    TooLarge { limit_bytes: u64 },
    #[error(
        "there are more than {MAX_ENTRIES} files, or directories are nested more than {MAX_DEPTH} deep"
    )]
    TooMany,
    #[error("{path} cannot be read")]
    Io { path: String, source: io::Error },
}

/// Reads files below one directory, all together at most `left_bytes`.
pub(crate) struct HostileDirectory {
    top: OwnedFd,
    limit_bytes: u64,
    left_bytes: u64,
    left_entries: usize,
}

impl HostileDirectory {
    /// The directory `path` (relative, plain parts) below the one that `root` is open at; `None` if there is none.
    pub(crate) fn open(
        root: &OwnedFd,
        path: &str,
        limit_bytes: u64,
    ) -> Result<Option<Self>, ReadError> {
        let Some(top) = descend(root, path)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            top,
            limit_bytes,
            left_bytes: limit_bytes,
            left_entries: MAX_ENTRIES,
        }))
    }

    /// The content of the file `path` (relative, plain parts); `None` if there is none.
    pub(crate) fn file(&mut self, path: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        match self.descend(parents)? {
            Some(directory) => self.read(&directory, name, path),
            None => Ok(None),
        }
    }

    /// Paths and contents of all regular files below `path`, in order; none if it does not exist.
    pub(crate) fn files_below(&mut self, path: &str) -> Result<Vec<(String, Vec<u8>)>, ReadError> {
        let mut found = Vec::new();
        if let Some(directory) = self.descend(path)? {
            self.collect(&directory, path, 0, &mut found)?;
        }
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(found)
    }

    fn collect(
        &mut self,
        directory: &OwnedFd,
        path: &str,
        depth: usize,
        found: &mut Vec<(String, Vec<u8>)>,
    ) -> Result<(), ReadError> {
        if depth > MAX_DEPTH {
            return Err(ReadError::TooMany);
        }
        for entry in Dir::read_from(directory).map_err(|error| fault(path, error))? {
            let entry = entry.map_err(|error| fault(path, error))?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            self.left_entries = self.left_entries.checked_sub(1).ok_or(ReadError::TooMany)?;
            // Names that are not UTF-8 cannot be named on the wire; nothing else in a session has such names.
            let Ok(name) = name.to_str() else { continue };
            let below = format!("{path}/{name}");
            match open_directory(directory, name) {
                Ok(child) => self.collect(&child, &below, depth + 1, found)?,
                Err(Errno::NOTDIR | Errno::LOOP) => match self.read(directory, name, &below) {
                    Ok(Some(content)) => found.push((below, content)),
                    // Links, pipes and sockets are not part of a session.
                    Ok(None) | Err(ReadError::NotRegular { .. }) => {}
                    Err(error) => return Err(error),
                },
                Err(Errno::NOENT) => {}
                Err(error) => return Err(fault(&below, error)),
            }
        }
        Ok(())
    }

    fn descend(&self, path: &str) -> Result<Option<OwnedFd>, ReadError> {
        descend(&self.top, path)
    }

    fn read(
        &mut self,
        directory: &OwnedFd,
        name: &str,
        path: &str,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        // Not blocking: opening a pipe would wait for a writer.
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(directory, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::NXIO) => {
                return Err(ReadError::NotRegular {
                    path: path.to_owned(),
                });
            }
            Err(error) => return Err(fault(path, error)),
        };
        let stat = rustix::fs::fstat(&file).map_err(|error| fault(path, error))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(ReadError::NotRegular {
                path: path.to_owned(),
            });
        }
        let mut content = Vec::new();
        // Not by the size it claims: a sparse file claims anything.
        let read = File::from(file)
            .take(self.left_bytes + 1)
            .read_to_end(&mut content);
        read.map_err(|source| ReadError::Io {
            path: path.to_owned(),
            source,
        })?;
        self.left_bytes =
            self.left_bytes
                .checked_sub(content.len() as u64)
                .ok_or(ReadError::TooLarge {
                    limit_bytes: self.limit_bytes,
                })?;
        Ok(Some(content))
    }
}

/// Step by step, so that no link is followed on the way.
fn descend(top: &OwnedFd, path: &str) -> Result<Option<OwnedFd>, ReadError> {
    let mut at = open_directory(top, ".").map_err(|error| fault(path, error))?;
    for part in path.split('/').filter(|part| !part.is_empty()) {
        at = match open_directory(&at, part) {
            Ok(next) => next,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => {
                return Err(ReadError::NotRegular {
                    path: path.to_owned(),
                });
            }
            Err(error) => return Err(fault(path, error)),
        };
    }
    Ok(Some(at))
}

fn open_directory(
    at: impl rustix::fd::AsFd,
    path: impl rustix::path::Arg,
) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, path, flags, Mode::empty())
}

fn fault(path: &str, error: Errno) -> ReadError {
    ReadError::Io {
        path: path.to_owned(),
        source: error.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::CWD;

    use super::*;

    #[test]
    fn links_pipes_and_large_files_are_not_read() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "secret").unwrap();
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        std::fs::create_dir_all(at("s/a")).unwrap();
        std::fs::write(at("s/a/two"), "2").unwrap();
        std::fs::write(at("s/one"), "1").unwrap();
        symlink(outside.path(), at("s/directory")).unwrap();
        symlink(outside.path().join("secret"), at("s/file")).unwrap();
        rustix::fs::mkfifoat(CWD, at("s/pipe"), Mode::RWXU).unwrap();

        let root = open_directory(CWD, home.path()).unwrap();
        let open = || HostileDirectory::open(&root, "/", 100).unwrap().unwrap();
        let mut directory = open();
        let found = directory.files_below("s").unwrap();
        assert_eq!(
            found,
            [
                ("s/a/two".to_owned(), b"2".to_vec()),
                ("s/one".to_owned(), b"1".to_vec())
            ]
        );
        for bad in ["s/file", "s/pipe", "s/directory/secret", "s/a"] {
            assert!(
                matches!(directory.file(bad), Err(ReadError::NotRegular { .. })),
                "{bad}"
            );
        }
        assert!(directory.file("missing/file").unwrap().is_none());
        assert_eq!(directory.files_below("missing").unwrap(), []);

        File::create(at("s/sparse"))
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        let error = open().file("s/sparse").unwrap_err();
        assert!(
            matches!(error, ReadError::TooLarge { limit_bytes: 100 }),
            "{error}"
        );
    }

    /// Whatever stands where something is read, nobody waits for it.
    #[test]
    fn pipes_and_sockets_in_every_place_hold_nobody_up() {
        let levels = ["home", "home/agent", "home/agent/.s", "home/agent/.s/file"];
        for (depth, place) in levels.iter().enumerate() {
            for is_socket in [false, true] {
                let top = tempfile::tempdir().unwrap();
                let path = top.path().join(place);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                if is_socket {
                    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
                } else {
                    rustix::fs::mkfifoat(CWD, &path, Mode::RWXU).unwrap();
                }
                let root = open_directory(CWD, top.path()).unwrap();
                let found = HostileDirectory::open(&root, "/home/agent", 100);
                let Ok(Some(mut directory)) = found else {
                    assert!(depth < 2, "{place}");
                    assert!(matches!(found, Err(ReadError::NotRegular { .. })));
                    continue;
                };
                let read = directory.file(".s/file");
                assert!(matches!(read, Err(ReadError::NotRegular { .. })), "{place}");
                let read = directory.files_below(".s");
                let is_skipped = read.as_ref().is_ok_and(Vec::is_empty);
                assert!(is_skipped == (depth == 3), "{place}: {read:?}");
            }
        }
    }

    #[test]
    fn more_than_a_session_has_is_not_read() {
        let home = tempfile::tempdir().unwrap();
        let root = open_directory(CWD, home.path()).unwrap();
        let below = |path: &str| {
            let mut directory = HostileDirectory::open(&root, "/", 1000).unwrap().unwrap();
            directory.files_below(path)
        };
        std::fs::create_dir_all(home.path().join("deep").join("d/".repeat(MAX_DEPTH + 1))).unwrap();
        assert!(matches!(below("deep"), Err(ReadError::TooMany)));
        std::fs::create_dir(home.path().join("wide")).unwrap();
        for number in 0..=MAX_ENTRIES {
            std::fs::write(home.path().join(format!("wide/{number}")), "").unwrap();
        }
        assert!(matches!(below("wide"), Err(ReadError::TooMany)));
        // Together, not each.
        std::fs::create_dir(home.path().join("large")).unwrap();
        for name in ["large/a", "large/b"] {
            std::fs::write(home.path().join(name), [b'x'; 600]).unwrap();
        }
        assert!(matches!(
            below("large"),
            Err(ReadError::TooLarge { limit_bytes: 1000 })
        ));
    }

    /// A directory that becomes a link between two looks leads nowhere.
    #[test]
    fn a_race_does_not_lead_out() {
        use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
        use std::time::{Duration, Instant};
        let outside = tempfile::tempdir().unwrap();
        std::fs::create_dir(outside.path().join("a")).unwrap();
        std::fs::write(outside.path().join("a/file"), "secret").unwrap();
        std::fs::write(outside.path().join("file"), "secret").unwrap();
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        std::fs::create_dir_all(at("s/a")).unwrap();
        std::fs::write(at("s/a/file"), "own").unwrap();
        let root = open_directory(CWD, home.path()).unwrap();
        let stop = AtomicBool::new(false);
        let rounds = AtomicU64::new(0);
        let begun = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    for (place, target) in [
                        ("s", outside.path()),
                        ("s/a/file", &outside.path().join("file")),
                    ] {
                        let _ = std::fs::rename(at(place), at("away"));
                        let _ = symlink(target, at(place));
                        let _ = std::fs::remove_file(at(place));
                        let _ = std::fs::rename(at("away"), at(place));
                    }
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
            let mut seen = 0;
            // On a busy machine one of the two may have to wait for its turn.
            let is_run = |seen| seen > 10 && rounds.load(Ordering::Relaxed) > 10;
            let mut looks = 0;
            while looks < 1000 || !is_run(seen) && begun.elapsed() < Duration::from_secs(60) {
                looks += 1;
                let mut directory = HostileDirectory::open(&root, "/", 1000).unwrap().unwrap();
                let read = directory
                    .files_below("s")
                    .into_iter()
                    .flatten()
                    .map(|(_, content)| content);
                let read = read.chain(directory.file("s/a/file").into_iter().flatten());
                for content in read {
                    assert_ne!(content, b"secret");
                    seen += 1;
                }
            }
            stop.store(true, Ordering::Relaxed);
            assert!(is_run(seen), "the race was not run: {seen} of {looks}");
        });
    }
}
