//! One version of a runtime that there is.

use std::fmt;

use outwork_git::ReadOnlyBind;

use crate::sandbox_layout::RUNTIMES;

/// Directories that hold more than one program: a runtime in one of them is reached by links.
const SHARED: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// The numbers of a version, for comparing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(Vec<u64>);

impl Version {
    /// The numbers at the beginning of `text`; none if it begins with something else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
        let numbers = text[..end.unwrap_or(text.len())].trim_end_matches('.');
        let numbers: Option<Vec<u64>> = numbers.split('.').map(|part| part.parse().ok()).collect();
        numbers.map(Self)
    }

    pub(super) fn begins_with(&self, pin: &Self) -> bool {
        self.0.starts_with(&pin.0)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(u64::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

/// A version of a runtime that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) name: String,
    pub(crate) version: Version,
    /// Its directory of programs, inside.
    pub(crate) bin: String,
    /// The names under which it is to be found, and where the programs are, inside; for a shared directory.
    pub(crate) links: Vec<(String, String)>,
    /// Where it lies on the host, if the operator offers it.
    pub(crate) bind: Option<ReadOnlyBind>,
}

impl Candidate {
    /// One of the base, of which `program` is the main one.
    fn of_base(name: &str, version: Version, program: &str, others: &[&str]) -> Option<Self> {
        let (bin, _) = program.rsplit_once('/')?;
        let links = if SHARED.contains(&bin) {
            let main = names(name, &version).into_iter();
            let main = main.map(|link| (link, program.to_owned()));
            let others = others
                .iter()
                .map(|other| ((*other).to_owned(), format!("{bin}/{other}")));
            main.chain(others).collect()
        } else {
            Vec::new()
        };
        Some(Self {
            name: name.to_owned(),
            version,
            bin: bin.to_owned(),
            links,
            bind: None,
        })
    }

    /// What commands are told beside the PATH.
    pub(super) fn variables(&self) -> Vec<(String, String)> {
        let home = self.bin.strip_suffix("/bin");
        let (Some(home), true) = (home, self.links.is_empty()) else {
            return Vec::new();
        };
        match self.name.as_str() {
            "java" => vec![("JAVA_HOME".to_owned(), home.to_owned())],
            "go" => vec![("GOROOT".to_owned(), home.to_owned())],
            _ => Vec::new(),
        }
    }

    pub(super) fn search_directory(&self) -> String {
        if self.links.is_empty() {
            self.bin.clone()
        } else {
            format!("{RUNTIMES}/{}/bin", self.name)
        }
    }
}

/// The names of a runtime's main program.
fn names(name: &str, version: &Version) -> Vec<String> {
    match name {
        "python" => {
            let mut names = vec!["python".to_owned(), "python3".to_owned()];
            if let [major, minor, ..] = version.0.as_slice() {
                names.push(format!("python{major}.{minor}"));
            }
            names
        }
        "rust" => vec!["rustc".to_owned()],
        name => vec![name.to_owned()],
    }
}

/// What the looking script wrote: lines of name, version, program, further programs beside it, with tabs between them.
pub(crate) fn parse_found(text: &str) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    for line in text.lines() {
        let mut fields = line.split('\t');
        let (Some(name), Some(version), Some(program)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let others: Vec<&str> = fields
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let Some(version) = Version::parse(version) else {
            continue;
        };
        let candidate = Candidate::of_base(name, version, program, &others);
        found.extend(candidate.filter(|new| !found.contains(new)));
    }
    found
}
