//! What a snapshot on the worker's own system depends on, in a text that changes when the system does.

use std::fmt::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use outwork_sandbox::{Capabilities, EtcEntry, SystemEntry};
use sha2::{Digest, Sha256};

use super::StoredIds;

/// Raised when a skeleton of the same system looks otherwise.
const SKELETON_VERSION: u32 = 1;

/// They change when programs come, go or are replaced. The package managers' own lists say it best; the directories cover
/// what was put there by hand.
const WATCHED: [&str; 14] = [
    "/etc/os-release",
    "/lib/apk/db/installed",
    "/var/lib/dpkg/status",
    "/var/lib/pacman/local",
    "/var/lib/rpm",
    "/usr/bin",
    "/usr/lib",
    "/usr/lib64",
    "/usr/sbin",
    "/usr/local",
    "/usr/local/bin",
    "/usr/local/lib",
    "/usr/lib/jvm",
    "/opt",
];

pub(super) fn of_host(capabilities: &Capabilities, ids: StoredIds) -> String {
    let mut text = format!(
        "skeleton {SKELETON_VERSION}, {}, ids {:?} {:?}\n",
        std::env::consts::ARCH,
        ids.root,
        ids.agent
    );
    for entry in &capabilities.system {
        match entry {
            SystemEntry::Directory { path } => line(&mut text, path),
            SystemEntry::Symlink { path, points_to } => {
                writeln!(text, "{} -> {}", path.display(), points_to.display())
                    .expect("a String takes all");
            }
        }
    }
    for EtcEntry { path } in &capabilities.etc {
        line(&mut text, path);
    }
    for path in WATCHED {
        line(&mut text, Path::new(path));
    }
    text
}

/// A name for a directory.
pub(super) fn short(fingerprint: &str) -> String {
    let digest = Sha256::digest(fingerprint);
    digest[..8].iter().fold(String::new(), |mut name, byte| {
        write!(name, "{byte:02x}").expect("a String takes all");
        name
    })
}

fn line(text: &mut String, path: &Path) {
    if let Ok(metadata) = std::fs::metadata(path) {
        writeln!(
            text,
            "{} {} {} {}.{:09}",
            path.display(),
            metadata.mode(),
            metadata.len(),
            metadata.mtime(),
            metadata.mtime_nsec()
        )
        .expect("a String takes all");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_system_has_the_same_fingerprint_and_other_ids_another() {
        let capabilities = outwork_sandbox::probe();
        let ids = |base| StoredIds {
            root: (base, base),
            agent: (base + 1000, base + 1000),
            is_changed: true,
        };
        let first = of_host(&capabilities, ids(1 << 20));
        assert_eq!(first, of_host(&capabilities, ids(1 << 20)));
        assert_ne!(short(&first), short(&of_host(&capabilities, ids(2 << 20))));
        assert_eq!(short(&first).len(), 16);
    }
}
