//! The little `/sys`.

use std::path::{Path, PathBuf};

use super::root::{attach, file};
use super::{Owner, PlannedMount, RootStep};
use crate::capabilities::{Capabilities, SysFile};

/// The files take a page each.
const SIZE_BYTES: u64 = 1 << 20;
const PROCESSORS: &str = "/sys/devices/system/cpu";
/// No machine has more; a list that says so is not believed.
const MOST_PROCESSORS: u32 = 8192;

pub(super) fn steps(steps: &mut Vec<RootStep>, capabilities: &Capabilities) {
    let sys = Path::new("/sys");
    let memory = PlannedMount::Tmpfs {
        size_bytes: SIZE_BYTES,
        mode: 0o755,
        owner: Owner::Init,
    };
    steps.push(attach(memory, sys, Owner::Init));
    for SysFile { path, contents } in &capabilities.sys {
        let mode = 0o444;
        steps.push(file(path, contents.clone(), mode));
        if path.ends_with("cpu/present") {
            // Older C libraries count the directories.
            steps.extend(
                numbers(contents)
                    .into_iter()
                    .map(|number| RootStep::Directory {
                        target: PathBuf::from(format!("{PROCESSORS}/cpu{number}")),
                        mode: 0o755,
                        owner: Owner::Init,
                    }),
            );
        }
    }
    steps.push(RootStep::ReadOnly {
        target: sys.to_owned(),
    });
}

/// Of a list like `0-3,8`.
fn numbers(list: &str) -> Vec<u32> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (last < MOST_PROCESSORS).then_some(first..=last)
    };
    list.trim().split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn a_list_of_processors_is_read_as_numbers() {
        assert_eq!(numbers("0-1\n"), [0, 1]);
        assert_eq!(numbers("0,2-4,7\n"), [0, 2, 3, 4, 7]);
        assert_eq!(numbers(""), [] as [u32; 0]);
        assert_eq!(numbers("0-4294967295,x,3-1,5"), [5]);
    }
}
