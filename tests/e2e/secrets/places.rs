//! Everywhere that a value could be left: files, tables, processes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::canary::Canaries;

/// By place, what is there.
pub type Places = BTreeMap<String, Vec<(&'static str, String)>>;

/// Every file below `root`: its name, content and attributes.
pub fn on_disk(root: &Path, canaries: &Canaries) -> Places {
    let mut places = Places::new();
    let mut pending = vec![root.to_owned()];
    while let Some(folder) = pending.pop() {
        // A running server or worker removes what it has finished.
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            let Ok(metadata) = fs::symlink_metadata(&path) else {
                continue;
            };
            let place = path.strip_prefix(root).expect("below").display();
            let mut look = |what: &str, bytes: &[u8]| {
                let found = canaries.places_in(bytes);
                if !found.is_empty() {
                    places.insert(format!("{what} {place}"), found);
                }
            };
            look("the name", path.file_name().expect("an entry").as_bytes());
            look("an attribute of", &attributes(&path));
            if metadata.is_symlink() {
                let target = fs::read_link(&path).unwrap_or_default();
                look("the link", target.as_os_str().as_bytes());
            } else if metadata.is_file() {
                look("the file", &fs::read(&path).unwrap_or_default());
            } else if metadata.is_dir() {
                pending.push(path);
            }
        }
    }
    places
}

/// Names and values, of the file itself.
fn attributes(path: &Path) -> Vec<u8> {
    let mut names = vec![0; 64 * 1024];
    let Ok(length) = rustix::fs::llistxattr(path, &mut names[..]) else {
        return Vec::new();
    };
    names.truncate(length);
    let mut all = names.clone();
    for name in names
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let mut value = vec![0; 64 * 1024];
        if let Ok(length) = rustix::fs::lgetxattr(path, name, &mut value[..]) {
            all.extend_from_slice(&value[..length]);
        }
    }
    all
}

/// Every column of every table of a test's database.
pub fn in_postgres(url: &str, canaries: &Canaries) -> Places {
    let (_, schema) = url.split_once("search_path%3D").expect("a test's schema");
    let dump = Command::new(program("pg_dump"))
        .args(["--data-only", "--schema", schema, "--dbname", url])
        .output()
        .expect("pg_dump starts");
    assert!(
        dump.status.success(),
        "{}",
        String::from_utf8_lossy(&dump.stderr)
    );
    let text = String::from_utf8(dump.stdout).expect("text");
    assert!(text.contains("\nCOPY "), "an empty database?");
    let mut places = Places::new();
    let mut table = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("COPY ") {
            table = rest.split(' ').next().expect("a name");
        }
        for bytes in [line.as_bytes().to_vec(), bytes_in(line)] {
            let found = canaries.places_in(&bytes);
            if !found.is_empty() {
                places.insert(format!("the table {table}"), found);
            }
        }
    }
    places
}

/// What is written in hexadecimal, as `\\x6162`.
fn bytes_in(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in line.split(r"\\x").skip(1) {
        let end = part.find(|c: char| !c.is_ascii_hexdigit());
        let digits = &part[..end.unwrap_or(part.len())];
        for pair in digits.as_bytes().chunks_exact(2) {
            let pair = std::str::from_utf8(pair).expect("digits");
            bytes.push(u8::from_str_radix(pair, 16).expect("digits"));
        }
    }
    bytes
}

fn program(name: &str) -> PathBuf {
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut candidates = installed
        .flatten()
        .map(|entry| entry.path().join("bin").join(name));
    candidates
        .find(|path| path.exists())
        .unwrap_or_else(|| name.into())
}

/// A process of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub id: i32,
    pub command_line: String,
    /// The namespace of its number inside, and that number.
    pub namespace: PathBuf,
    pub number_inside: u32,
}

/// Those that show a value: in their command lines, and in their environment.
pub fn in_processes(canaries: &Canaries) -> (Vec<Process>, Vec<Process>) {
    let (mut by_command_line, mut by_environment) = (Vec::new(), Vec::new());
    for entry in fs::read_dir("/proc").expect("/proc is there").flatten() {
        let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let command_line = read("cmdline");
        let status = String::from_utf8_lossy(&read("status")).into_owned();
        let inside = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        let inside = inside.and_then(|numbers| numbers.split_whitespace().last());
        let process = Process {
            id,
            command_line: String::from_utf8_lossy(&command_line).replace('\0', " "),
            namespace: fs::read_link(entry.path().join("ns/pid")).unwrap_or_default(),
            number_inside: inside.and_then(|number| number.parse().ok()).unwrap_or(0),
        };
        if !canaries.found_in(&command_line).is_empty() {
            by_command_line.push(process.clone());
        }
        if !canaries.found_in(&read("environ")).is_empty() {
            by_environment.push(process);
        }
    }
    (by_command_line, by_environment)
}
