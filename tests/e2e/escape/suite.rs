//! What lies in `tests/escape`: the probes, what their headers say, and how they come into a test's repository.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A probe's header.
#[derive(Clone, Debug)]
pub struct Probe {
    pub tries: String,
    pub must_observe: String,
    /// Why it is not run beside others.
    pub alone: Option<String>,
}

impl Probe {
    fn of(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("a probe is text");
        let said = |what: &str| {
            let mut lines = text.lines();
            let line = lines.find_map(|line| line.strip_prefix(&format!("# {what}: ")));
            line.map(str::to_owned)
        };
        let needed = |what: &str| {
            said(what).unwrap_or_else(|| panic!("{} does not say '# {what}: …'", path.display()))
        };
        Self {
            tries: needed("tries"),
            must_observe: needed("must observe"),
            alone: said("alone"),
        }
    }

    /// The failures that the attempt may end with while this probe runs: the limit did what it is for.
    pub fn may_end_with(&self) -> Vec<&str> {
        let said = self.alone.as_deref().unwrap_or_default();
        let codes = said.strip_prefix("may end the attempt with ");
        codes.map_or_else(Vec::new, |codes| codes.split(" or ").collect())
    }
}

/// Where the suite lies.
pub fn folder() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder
        .join("../../tests/escape")
        .canonicalize()
        .expect("the suite is there")
}

/// All probes, by name.
pub fn probes() -> BTreeMap<String, Probe> {
    let entries = fs::read_dir(folder().join("probes"))
        .expect("probes")
        .flatten();
    let paths = entries.map(|entry| entry.path());
    let programs = paths.filter(|path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("py" | "sh"))
    });
    programs
        .map(|path| {
            let name = path
                .file_stem()
                .and_then(|name| name.to_str())
                .expect("plain text");
            (name.to_owned(), Probe::of(&path))
        })
        .collect()
}

/// The files of the suite, as a repository has them.
pub fn files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for below in ["", "lib", "probes"] {
        for entry in fs::read_dir(folder().join(below))
            .expect("the suite")
            .flatten()
        {
            let name = entry.file_name().into_string().expect("plain text");
            if entry.path().is_file() {
                let text = fs::read_to_string(entry.path()).expect("the suite is text");
                files.push((
                    Path::new("escape")
                        .join(below)
                        .join(name)
                        .display()
                        .to_string(),
                    text,
                ));
            }
        }
    }
    files
}
