//! Layers that mean no good, and some that do.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::PathBuf;

use super::*;

mod archive;
mod hostile;
mod layers;

pub(super) use archive::{Tar, pax};

/// Nobody has these ids.
const BASE: u32 = 700_000_000;

/// The ways in which layers can be owned here.
fn owners() -> Vec<LayerOwner> {
    let mut owners = vec![LayerOwner::User];
    if rustix::process::geteuid().is_root() {
        owners.push(LayerOwner::Root {
            store_uid_base: BASE,
        });
    }
    owners
}

/// A layer that is being unpacked, with something beside it that must stay as it is.
struct Place {
    outer: tempfile::TempDir,
    owner: LayerOwner,
    limits: Limits,
    budget_bytes: u64,
}

impl Place {
    fn new(owner: LayerOwner) -> Self {
        let outer = tempfile::tempdir().unwrap();
        fs::create_dir_all(outer.path().join("outside/dir")).unwrap();
        fs::write(outer.path().join("outside/file"), "untouched").unwrap();
        fs::create_dir(outer.path().join("layer")).unwrap();
        Self {
            outer,
            owner,
            limits: Limits::default(),
            budget_bytes: 10 << 20,
        }
    }

    fn layer(&self) -> PathBuf {
        self.outer.path().join("layer")
    }

    fn outside(&self) -> PathBuf {
        self.outer.path().join("outside")
    }

    fn unpack(&self, blob: &[u8]) -> Result<Unpacked, UnpackError> {
        let mut archive = Vec::new();
        let decompressed = compression::decompress(blob)
            .and_then(|mut from| from.read_to_end(&mut archive).map_err(UnpackError::reading));
        let expected = Expected {
            blob: Some((Digest::of(blob), blob.len() as u64)),
            diff_id: Digest::of(decompressed.map_or(&b""[..], |_| &archive)),
        };
        self.unpack_as(blob, expected)
    }

    fn unpack_as(&self, blob: &[u8], expected: Expected) -> Result<Unpacked, UnpackError> {
        let budget = Budget::new(self.budget_bytes);
        unpack(
            blob,
            expected,
            &self.layer(),
            self.owner,
            &self.limits,
            &budget,
        )
    }

    /// What lies in the layer, a line each.
    fn listing(&self) -> String {
        let mut text = String::new();
        list(&self.layer(), &self.layer(), self.owner, &mut text);
        text
    }

    /// Fails if anything but the layer has changed.
    fn check_outside(&self) {
        let mut found = BTreeMap::new();
        for directory in [
            self.outer.path().to_owned(),
            self.outside(),
            self.outside().join("dir"),
        ] {
            for entry in fs::read_dir(directory).unwrap() {
                let entry = entry.unwrap();
                let metadata = entry.metadata().unwrap();
                found.insert(entry.file_name(), (metadata.nlink(), metadata.is_dir()));
            }
        }
        let names: Vec<_> = found.keys().map(|name| name.to_str().unwrap()).collect();
        assert_eq!(names, ["dir", "file", "layer", "outside"]);
        assert_eq!(found.values().next_back().unwrap().0, 3);
        assert_eq!(
            fs::metadata(self.outside().join("file")).unwrap().nlink(),
            1
        );
        assert_eq!(
            fs::read_to_string(self.outside().join("file")).unwrap(),
            "untouched"
        );
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        outwork_remove::remove_tree(&self.layer()).unwrap();
    }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn list(top: &Path, path: &Path, owner: LayerOwner, text: &mut String) {
    let metadata = fs::symlink_metadata(path).unwrap();
    let kind = metadata.file_type();
    let ids = [metadata.uid(), metadata.gid()];
    let expected = match owner {
        // Those of the entries, of what is made without one, and nobody's.
        LayerOwner::Root { store_uid_base } => {
            [[1, 2], [33, 34], [0, 0], [65_534; 2]].map(|ids| ids.map(|id| store_uid_base + id))
        }
        LayerOwner::User => {
            [[
                rustix::process::geteuid().as_raw(),
                rustix::process::getegid().as_raw(),
            ]; 4]
        }
    };
    assert!(expected.contains(&ids), "{} of {ids:?}", path.display());
    let name = path.strip_prefix(top).unwrap();
    let shown = crate::text::shown_path(name.as_os_str().as_bytes());
    write!(text, "/{shown} {:o}", metadata.mode() & 0o7777).unwrap();
    if kind.is_symlink() {
        let target = fs::read_link(path).unwrap();
        write!(text, " -> {}", target.display()).unwrap();
    } else if kind.is_fifo() {
        text.push_str(" fifo");
    } else if kind.is_char_device() {
        assert_eq!(metadata.rdev(), 0);
        text.push_str(" whiteout");
    } else if kind.is_file() {
        write!(text, " {} bytes", metadata.len()).unwrap();
        if metadata.nlink() > 1 {
            write!(text, " {} names", metadata.nlink()).unwrap();
        }
    }
    // The latest that ext4 can write down; others can more.
    let modified_at = metadata.mtime().min(15_032_385_535);
    if modified_at != 0 {
        write!(text, " at {modified_at}").unwrap();
    }
    let mut names = vec![0; 1000];
    let length = rustix::fs::llistxattr(path, &mut names[..]).unwrap();
    for attribute in names[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        write!(text, " {}", String::from_utf8_lossy(attribute)).unwrap();
    }
    text.push('\n');
    if kind.is_dir() {
        let is_closed = metadata.mode() & 0o500 != 0o500;
        if is_closed {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        let mut children: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        children.sort();
        children
            .iter()
            .for_each(|child| list(top, child, owner, text));
    }
}
