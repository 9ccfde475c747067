//! What programs ask `/sys` for.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::SysFile;

/// C libraries, Java and .NET count processors; allocators ask for large pages. Absent on purpose: everything else, above
/// all devices, firmware, modules, control groups, and what can be switched.
const SHOWN: [&str; 6] = [
    "devices/system/cpu/kernel_max",
    "devices/system/cpu/online",
    "devices/system/cpu/possible",
    "devices/system/cpu/present",
    "kernel/mm/transparent_hugepage/enabled",
    "kernel/mm/transparent_hugepage/hpage_pmd_size",
];
/// More than any of them has.
const LONGEST_BYTES: u64 = 4096;

/// Those that exist.
pub(super) fn files(sys: &Path) -> Vec<SysFile> {
    let read = |name: &str| {
        let path = sys.join(name);
        let mut contents = String::new();
        let file = File::open(&path).ok()?;
        file.take(LONGEST_BYTES)
            .read_to_string(&mut contents)
            .ok()?;
        Some(SysFile { path, contents })
    };
    SHOWN.iter().filter_map(|name| read(name)).collect()
}
