//! Which files a task is about, before it has changed any: what a person declares, and what a prompt names. The store finds out
//! which other tasks are about the same ones.

use std::time::Duration;

use crate::credential::address_of;

/// The most paths that are kept of a prompt, or that may be declared.
pub const NAMED: usize = 200;
/// The most paths that are kept of what an attempt has changed.
pub const TOUCHED: usize = 10_000;
/// The most paths that are shown of an overlap.
pub const SHOWN: usize = 20;
/// How long a task counts after it has ended.
pub const OPEN_FOR: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// The longest path, in bytes.
const PATH_BYTES: usize = 1024;

/// How sure it is that a task changes a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certainty {
    /// Somebody declared it, or a prompt names it.
    Named,
    /// An attempt has changed it.
    Touched,
}

impl Certainty {
    /// The name in the API and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Named => "named",
            Self::Touched => "touched",
        }
    }

    /// The one of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Named, Self::Touched]
            .into_iter()
            .find(|it| it.as_str() == name)
    }
}

/// Why a declared path is none. Goes on after the field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// Nothing is left of it.
    #[error("is empty or the whole repository; name a file or a folder")]
    Empty,
    /// Not below the repository.
    #[error("must be within the repository: without a slash at its beginning, and without `..`")]
    Outside,
    /// Too long, or not text.
    #[error("must have at most {PATH_BYTES} bytes and no control characters")]
    Unreadable,
}

/// A path that a person declares: of a file or a folder, from the repository's root, `/` between its parts.
pub fn declared(text: &str) -> Result<String, InvalidPath> {
    let text = text.trim();
    if text.len() > PATH_BYTES || text.chars().any(char::is_control) {
        return Err(InvalidPath::Unreadable);
    }
    if text.starts_with('/') || text.split('/').any(|part| part == "..") {
        return Err(InvalidPath::Outside);
    }
    let parts = text
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".");
    let path = parts.collect::<Vec<_>>().join("/");
    match path.is_empty() {
        true => Err(InvalidPath::Empty),
        false => Ok(path),
    }
}

/// The files and folders that a prompt names, in its order, each once, at most [`NAMED`]. A bare name of a file stands for every file that
/// is called so. What may as well be an ordinary word is left out.
pub fn named_in(prompt: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for token in prompt.split(is_between) {
        let Some(path) = named(token) else { continue };
        if !found.contains(&path) {
            found.push(path);
        }
        if found.len() == NAMED {
            break;
        }
    }
    found
}

/// The last part of a path.
pub fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// What two addresses of the same repository have in common: host and path, whatever the protocol.
pub fn repository_address(url: &str) -> String {
    match address_of(url) {
        Some((_, address)) => {
            let (host, path) = address.split_once('/').unwrap_or((&address, ""));
            // With ssh it is another one than with https.
            let host = host.split(':').next().unwrap_or(host);
            format!("{host}/{path}")
        }
        None => {
            let path = url.strip_prefix("file://").unwrap_or(url);
            let path = path.trim_end_matches('/');
            path.strip_suffix(".git").unwrap_or(path).to_owned()
        }
    }
}

/// What stands between words, and never in a path that a prompt names without quoting it.
fn is_between(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "\"'`´‘’“”«»()[]{}<>|,;=!?".contains(c)
}

fn named(token: &str) -> Option<String> {
    if token.len() > PATH_BYTES || token.contains("://") || token.contains('\\') {
        return None;
    }
    let token = token.strip_prefix('@').unwrap_or(token);
    let token = without_lines(token.trim_end_matches(['.', ':', '…']));
    let is_marked = token.starts_with("./") || token.ends_with('/');
    let parts: Vec<&str> = token
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    // Of a pattern, the folder that it is in.
    let is_pattern = |part: &&str| part.contains(['*', '$', '%', '^', '~', '&', '+', '#', ':']);
    let (plain, is_cut) = match parts.iter().position(is_pattern) {
        Some(at) if parts[at].contains('*') => (&parts[..at], true),
        Some(_) => return None,
        None => (&parts[..], false),
    };
    let last = plain.last()?;
    if token.starts_with('/') || plain.contains(&"..") || !plain.iter().all(|part| has_name(part)) {
        return None;
    }
    let is_path = is_file(last)
        || is_marked
        || is_cut
        || plain.len() > 2
        || (plain.len() == 2 && FOLDERS.contains(&plain[0]));
    // `./` before a program's name, `x/` after a word: only with a part that says more.
    (is_path && plain.iter().any(|part| part.len() > 1)).then(|| plain.join("/"))
}

/// Letters or digits, so that it is neither a dash nor an ornament.
fn has_name(part: &str) -> bool {
    part.chars().any(char::is_alphanumeric) && !part.contains('@')
}

/// Without `:12`, `:12:5`, `:12-20` or `#L12-L20` at its end.
fn without_lines(token: &str) -> &str {
    let is_lines = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || "-L".contains(c))
    };
    let mut rest = token;
    while let Some(at) = rest.rfind([':', '#']) {
        match is_lines(&rest[at + 1..]) {
            true => rest = &rest[..at],
            false => break,
        }
    }
    rest
}

/// Whether it is surely called like a file.
fn is_file(name: &str) -> bool {
    if FILES.contains(&name) {
        return true;
    }
    if PRODUCTS.contains(&name.to_ascii_lowercase().as_str()) {
        return false;
    }
    let Some((stem, ending)) = name.rsplit_once('.') else {
        return false;
    };
    let ending = ending.to_ascii_lowercase();
    match stem.is_empty() {
        // `.gitignore`, and not `.NET`.
        true => {
            ending.len() > 3
                && name
                    .chars()
                    .skip(1)
                    .all(|c| c.is_ascii_lowercase() || c == '_')
        }
        false => ENDINGS.contains(&ending.as_str()),
    }
}

/// Files without an ending.
const FILES: [&str; 12] = [
    "Makefile",
    "Dockerfile",
    "Containerfile",
    "Jenkinsfile",
    "Gemfile",
    "Rakefile",
    "Procfile",
    "Vagrantfile",
    "Justfile",
    "justfile",
    "CODEOWNERS",
    "LICENSE",
];

/// What is called like a file, and is none mostly.
const PRODUCTS: [&str; 9] = [
    "node.js",
    "next.js",
    "vue.js",
    "nuxt.js",
    "react.js",
    "express.js",
    "three.js",
    "d3.js",
    "ember.js",
];

/// Of which a second part makes a path: `src/parser`, and not `and/or`.
const FOLDERS: [&str; 24] = [
    "src",
    "lib",
    "libs",
    "app",
    "apps",
    "crates",
    "packages",
    "pkg",
    "cmd",
    "internal",
    "tests",
    "test",
    "spec",
    "docs",
    "doc",
    "web",
    "scripts",
    "tools",
    "examples",
    "include",
    "migrations",
    "deploy",
    "config",
    ".github",
];

/// Endings that no word of a sentence has.
const ENDINGS: [&str; 98] = [
    "rs", "toml", "lock", "py", "pyi", "ipynb", "js", "mjs", "cjs", "jsx", "ts", "mts", "cts",
    "tsx", "vue", "svelte", "json", "jsonc", "json5", "jsonl", "yaml", "yml", "xml", "html", "htm",
    "css", "scss", "sass", "less", "md", "mdx", "rst", "adoc", "txt", "csv", "tsv", "go", "mod",
    "sum", "java", "kt", "kts", "scala", "groovy", "gradle", "clj", "c", "h", "cc", "cpp", "cxx",
    "hh", "hpp", "m", "mm", "swift", "cs", "csproj", "sln", "fs", "vb", "rb", "erb", "gemspec",
    "php", "phtml", "pl", "pm", "lua", "r", "jl", "ex", "exs", "erl", "hs", "ml", "mli", "nim",
    "zig", "dart", "sh", "bash", "zsh", "fish", "ps1", "bat", "sql", "graphql", "proto", "tf",
    "hcl", "nix", "ini", "cfg", "conf", "svg", "png", "snap",
];

#[cfg(test)]
mod tests;
