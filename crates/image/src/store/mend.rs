//! Making up for directories that archives leave out.
//!
//! An archive can hold `tmp/x` and not say what `tmp` is. Unpacked alone, the layer has a directory of usual looks there,
//! and in an overlay the uppermost layer decides how a directory looks: `/tmp` would not be everybody's any more. So such
//! an image gets one more layer, which has only directories, with the looks that lower layers gave them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::disk::Disk;
use crate::config::LayerOwner;
use crate::digest::Digest;
use crate::unpack::{Attributes, IMPLIED, LayerPath, OPAQUE};

/// So many are mended. Tools that leave directories out make small layers.
const DIRECTORIES: usize = 10_000;

struct View {
    root: OwnedFd,
    implied: BTreeSet<LayerPath>,
}

/// What a layer says of a path.
enum Found {
    /// Nothing: look below.
    Nothing,
    /// There is no such directory, whatever is below.
    Hidden,
    Directory {
        attributes: Attributes,
        hides_lower: bool,
    },
}

/// The directories of a stack of layers, the uppermost first, that look otherwise than they should, and those above them.
pub(super) fn directories(
    disk: &Disk,
    stack: &[Digest],
    owner: LayerOwner,
) -> io::Result<BTreeMap<LayerPath, Attributes>> {
    let implied = stack.iter().map(|layer| disk.implied(*layer));
    let implied = implied.collect::<io::Result<Vec<_>>>()?;
    let candidates: BTreeSet<_> = implied.iter().flatten().cloned().collect();
    let mut mended = BTreeMap::new();
    if candidates.is_empty() {
        return Ok(mended);
    }
    if candidates.len() > DIRECTORIES {
        tracing::warn!(
            directories = candidates.len(),
            "an image leaves out so many directories that they are not mended"
        );
        return Ok(mended);
    }
    let views = stack.iter().zip(implied).map(|(layer, implied)| {
        let root = rustix::fs::openat(CWD, disk.tree(*layer), FLAGS, Mode::empty())?;
        Ok(View { root, implied })
    });
    let views = views.collect::<rustix::io::Result<Vec<_>>>()?;
    for path in candidates {
        match looks(&views, &path, owner)? {
            (Some(attributes), true) if !attributes.look_like(&IMPLIED) => {
                mended.insert(path, attributes);
            }
            (Some(_) | None, _) => {}
        }
    }
    for path in mended.keys().cloned().collect::<Vec<_>>() {
        let mut at = path;
        while let Some((above, _)) = at.split() {
            if !above.is_root() && !mended.contains_key(&above) {
                let (attributes, _) = looks(&views, &above, owner)?;
                mended.insert(above.clone(), attributes.unwrap_or(IMPLIED));
            }
            at = above;
        }
    }
    Ok(mended)
}

/// A name for the layer of these directories. What it is made of cannot be the beginning of an archive.
pub(super) fn digest(directories: &BTreeMap<LayerPath, Attributes>) -> Digest {
    let mut text = b"directories\0".to_vec();
    for (path, attributes) in directories {
        let Attributes {
            mode,
            uid,
            gid,
            mtime,
        } = attributes;
        text.extend(path.bytes());
        text.extend(format!("\0{mode:o} {uid} {gid} {mtime:?}\0").into_bytes());
    }
    Digest::of(&text)
}

const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// How a directory should look, if a layer says so, and whether it does not look so yet.
fn looks(
    views: &[View],
    path: &LayerPath,
    owner: LayerOwner,
) -> io::Result<(Option<Attributes>, bool)> {
    let mut is_implied = false;
    for view in views {
        match view.find(path, owner)? {
            Found::Nothing => {}
            Found::Hidden => break,
            Found::Directory {
                attributes,
                hides_lower,
            } => {
                if !view.implied.contains(path) {
                    return Ok((Some(attributes), is_implied));
                }
                is_implied = true;
                if hides_lower {
                    break;
                }
            }
        }
    }
    Ok((None, false))
}

impl View {
    fn find(&self, path: &LayerPath, owner: LayerOwner) -> io::Result<Found> {
        let mut directory = rustix::fs::openat(&self.root, c".", FLAGS, Mode::empty())?;
        let mut hides_lower = false;
        let mut attributes = IMPLIED;
        for name in path.parts() {
            let stat = match rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(Errno::NOENT) if hides_lower => return Ok(Found::Hidden),
                Err(Errno::NOENT) => return Ok(Found::Nothing),
                // An ordinary user cannot look everywhere, and need not.
                Err(Errno::ACCESS) => return Ok(Found::Hidden),
                Err(error) => return Err(error.into()),
            };
            if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                return Ok(Found::Hidden);
            }
            attributes = Attributes::of(&stat, owner);
            directory = match rustix::fs::openat(&directory, name, FLAGS, Mode::empty()) {
                Ok(directory) => directory,
                Err(Errno::ACCESS) => return Ok(Found::Hidden),
                Err(error) => return Err(error.into()),
            };
            let mut value = [0; 1];
            hides_lower |= match rustix::fs::fgetxattr(&directory, OPAQUE, &mut value[..]) {
                Ok(_) => true,
                Err(Errno::NODATA) => false,
                Err(error) => return Err(error.into()),
            };
        }
        Ok(Found::Directory {
            attributes,
            hides_lower,
        })
    }
}
