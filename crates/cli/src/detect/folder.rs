//! The files of a repository, and one folder of them.

use std::collections::BTreeSet;

use super::Part;

/// How deep folders are looked at: `services/api/web` is the deepest.
const DEPTH: usize = 3;

/// Folders that hold the work of others, or samples of it.
const SKIPPED: [&str; 22] = [
    "bower_components",
    "build",
    "demo",
    "dist",
    "doc",
    "docs",
    "example",
    "examples",
    "fixtures",
    "node_modules",
    "out",
    "sample",
    "samples",
    "target",
    "template",
    "templates",
    "test",
    "testdata",
    "tests",
    "third_party",
    "vendor",
    "venv",
];

/// The files of a repository.
pub(crate) struct Tree<'a> {
    paths: BTreeSet<String>,
    read: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Tree<'a> {
    /// Of paths from the top, with `/` between names. `read` gives the beginning of a file as text.
    pub fn new(
        paths: impl IntoIterator<Item = String>,
        read: &'a dyn Fn(&str) -> Option<String>,
    ) -> Self {
        Self {
            paths: paths.into_iter().collect(),
            read,
        }
    }

    /// The folders worth a look, those above first.
    pub(super) fn folders(&self) -> Vec<Folder<'_>> {
        let mut folders: BTreeSet<(usize, String)> = BTreeSet::from([(0, String::new())]);
        for path in &self.paths {
            let Some((folder, _)) = path.rsplit_once('/') else {
                continue;
            };
            let names: Vec<&str> = folder.split('/').collect();
            let is_skipped = |name: &&str| name.starts_with('.') || SKIPPED.contains(name);
            if names.len() <= DEPTH && !names.iter().any(is_skipped) {
                folders.insert((names.len(), folder.to_owned()));
            }
        }
        let folder = |(_, name)| Folder { tree: self, name };
        folders.into_iter().map(folder).collect()
    }
}

/// A folder of a repository.
pub(super) struct Folder<'a> {
    tree: &'a Tree<'a>,
    /// From the top; empty for the top itself.
    name: String,
}

impl<'a> Folder<'a> {
    pub fn top(tree: &'a Tree<'a>) -> Self {
        Self {
            tree,
            name: String::new(),
        }
    }

    pub fn is_top(&self) -> bool {
        self.name.is_empty()
    }

    /// Whether `above` is a folder around this one.
    pub fn is_below(&self, above: &Self) -> bool {
        above.is_top() && !self.is_top()
            || self
                .name
                .strip_prefix(&above.name)
                .is_some_and(|rest| rest.starts_with('/'))
    }

    /// The folder as people read it.
    pub fn shown(&self) -> &str {
        match self.is_top() {
            true => "the top folder",
            false => &self.name,
        }
    }

    /// A path in the folder, from the top.
    pub fn path(&self, path: &str) -> String {
        match self.is_top() {
            true => path.to_owned(),
            false => format!("{}/{path}", self.name),
        }
    }

    /// Whether there is such a file.
    pub fn has(&self, path: &str) -> bool {
        self.tree.paths.contains(&self.path(path))
    }

    /// The first of the files that is there.
    pub fn first<'n>(&self, names: &[&'n str]) -> Option<&'n str> {
        names.iter().copied().find(|name| self.has(name))
    }

    /// The files anywhere below a folder in this one, from there.
    pub fn below(&self, folder: &str) -> impl Iterator<Item = &str> {
        let start = format!("{}/", self.path(folder));
        let from = self.tree.paths.range(start.clone()..);
        from.map_while(move |path| path.strip_prefix(&start))
    }

    /// The files in the folder itself.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let start = self.path("");
        let from = self.tree.paths.range(start.clone()..);
        let below = from.map_while(move |path| path.strip_prefix(&start));
        below.filter(|path| !path.contains('/'))
    }

    /// What the file holds.
    pub fn read(&self, path: &str) -> Option<String> {
        match self.has(path) {
            true => (self.tree.read)(&self.path(path)),
            false => None,
        }
    }

    /// The first word of a file that holds a version, such as `.nvmrc`.
    pub fn word(&self, path: &str) -> Option<String> {
        let text = self.read(path)?;
        let mut lines = text.lines().map(str::trim);
        let line = lines.find(|line| !line.is_empty() && !line.starts_with('#'))?;
        line.split_whitespace().next().map(str::to_owned)
    }

    /// A part of the setup script, run in this folder.
    pub fn script(&self, part: Part) -> Part {
        let Part { text, reason } = part;
        let reason = self.reason(&reason);
        if self.is_top() {
            return Part { text, reason };
        }
        let folder = quoted(&self.name);
        let text = match text.contains('\n') {
            false => format!("(cd {folder} && {text})"),
            true => {
                let lines: String = text.lines().map(|line| format!("  {line}\n")).collect();
                format!("(\n  cd {folder}\n{lines})")
            }
        };
        Part { text, reason }
    }

    /// A command, run in this folder.
    pub fn command(&self, part: Part) -> Part {
        let Part { text, reason } = part;
        let text = match self.is_top() {
            true => text,
            false => format!("(cd {} && {text})", quoted(&self.name)),
        };
        Part {
            text,
            reason: self.reason(&reason),
        }
    }

    fn reason(&self, reason: &str) -> String {
        match self.is_top() {
            true => reason.to_owned(),
            false => format!("{}: {reason}", self.name),
        }
    }
}

/// As one word of a shell.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '@');
    match !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        true => text.to_owned(),
        // A folder may begin with a dash, which `cd` would take for an option.
        false => format!("'./{}'", text.replace('\'', r"'\''")),
    }
}
