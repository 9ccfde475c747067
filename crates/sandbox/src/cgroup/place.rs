//! Where this process's own groups are mounted.

use std::path::{Path, PathBuf};

/// One tree of groups, and this process's place in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hierarchy {
    V1 {
        controllers: Vec<String>,
        own: PathBuf,
    },
    V2 {
        own: PathBuf,
    },
}

/// From the text of `/proc/self/mountinfo` and `/proc/self/cgroup`.
pub(super) fn hierarchies(mountinfo: &str, own_groups: &str) -> Vec<Hierarchy> {
    mountinfo
        .lines()
        .filter_map(|line| hierarchy(line, own_groups))
        .collect()
}

fn hierarchy(line: &str, own_groups: &str) -> Option<Hierarchy> {
    // `id parent device root mounted-at options… - kind source options`
    let (mount, file_system) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(3);
    let (root, mounted_at) = (mount.next()?, mount.next()?);
    let mut file_system = file_system.split(' ');
    let (kind, _, options) = (
        file_system.next()?,
        file_system.next()?,
        file_system.next()?,
    );
    match kind {
        "cgroup2" => Some(Hierarchy::V2 {
            own: place(mounted_at, root, own_group(own_groups, "")?),
        }),
        "cgroup" => {
            let known = ["memory", "pids", "cpu"];
            let controllers: Vec<String> = options
                .split(',')
                .filter(|option| known.contains(option))
                .map(str::to_owned)
                .collect();
            let own = own_group(own_groups, controllers.first()?)?;
            Some(Hierarchy::V1 {
                own: place(mounted_at, root, own),
                controllers,
            })
        }
        _ => None,
    }
}

/// Of the lines `number:controllers:path`; version 2 has no controllers.
fn own_group<'a>(own_groups: &'a str, controller: &str) -> Option<&'a str> {
    own_groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        controllers
            .split(',')
            .any(|name| name == controller)
            .then_some(path)
    })
}

/// A container's mount may show a part of the tree only, from its own group on.
fn place(mounted_at: &str, root: &str, own: &str) -> PathBuf {
    let below = Path::new(own).strip_prefix(root).unwrap_or(Path::new(""));
    // Without the separator that joining nothing would add.
    Path::new(mounted_at).join(below).components().collect()
}
