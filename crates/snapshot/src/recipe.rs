//! What a snapshot is made from, and the key that follows from it.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Raised when the same parts have to give another key.
const ENCODING: &[u8] = b"outwork snapshot 1";

/// One thing that a snapshot depends on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum Part {
    /// How the owner of the cache lays snapshots out.
    LayoutVersion,
    /// The worker's own system, where it is the base.
    HostSystem,
    /// The image, where one is the base: its digest.
    BaseImage,
    /// A pinned runtime.
    Runtime(String),
    /// A repository.
    Repository(String),
    /// The setup script.
    SetupScript,
    /// The maintenance script.
    MaintenanceScript,
    /// A variable.
    Variable(String),
    /// A secret; its content is the number of its version, never its value: what is kept here could be guessed from a digest.
    Secret(String),
    /// How often somebody wanted everything to be built anew.
    ResetCounter,
}

impl Part {
    fn kind(&self) -> &'static str {
        match self {
            Self::LayoutVersion => "layout_version",
            Self::HostSystem => "host_system",
            Self::BaseImage => "base_image",
            Self::Runtime(_) => "runtime",
            Self::Repository(_) => "repository",
            Self::SetupScript => "setup_script",
            Self::MaintenanceScript => "maintenance_script",
            Self::Variable(_) => "variable",
            Self::Secret(_) => "secret",
            Self::ResetCounter => "reset_counter",
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Runtime(name)
            | Self::Repository(name)
            | Self::Variable(name)
            | Self::Secret(name) => name,
            Self::LayoutVersion
            | Self::HostSystem
            | Self::BaseImage
            | Self::SetupScript
            | Self::MaintenanceScript
            | Self::ResetCounter => "",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LayoutVersion => f.write_str("layout of snapshots"),
            Self::HostSystem => f.write_str("worker's own system"),
            Self::BaseImage => f.write_str("base image"),
            Self::Runtime(name) => write!(f, "runtime {name}"),
            Self::Repository(name) => write!(f, "repository {name}"),
            Self::SetupScript => f.write_str("setup script"),
            Self::MaintenanceScript => f.write_str("maintenance script"),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Secret(name) => write!(f, "secret {name}"),
            Self::ResetCounter => f.write_str("reset of the cache"),
        }
    }
}

/// A part together with the digest of its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ingredient {
    #[serde(flatten)]
    part: Part,
    /// SHA-256, hexadecimal: scripts and variables themselves are not kept.
    digest: String,
}

/// What a snapshot is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    scope: String,
    /// Sorted by part; each part once.
    parts: Vec<Ingredient>,
}

impl Recipe {
    /// A recipe without parts. The scope (an environment's id) belongs to the key: equal secrets of two environments have equal
    /// version numbers and different values.
    pub fn new(scope: impl Into<String>) -> Self {
        Self {
            scope: scope.into(),
            parts: Vec::new(),
        }
    }

    /// Adds a part; one that is there already is replaced. Only a digest of `content` is kept.
    #[must_use]
    pub fn part(mut self, part: Part, content: impl AsRef<[u8]>) -> Self {
        let ingredient = Ingredient {
            part,
            digest: hexadecimal(&Sha256::digest(content)),
        };
        match self.position(&ingredient.part) {
            Ok(at) => self.parts[at] = ingredient,
            Err(at) => self.parts.insert(at, ingredient),
        }
        self
    }

    /// Whose snapshot it is.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// The parts, in the order of their kinds.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().map(|ingredient| &ingredient.part)
    }

    /// The key: equal for equal recipes only.
    pub fn key(&self) -> Key {
        let mut hash = Sha256::new();
        // With its length before each text, no two lists of texts look alike.
        let mut field = |text: &[u8]| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        };
        field(ENCODING);
        field(self.scope.as_bytes());
        for Ingredient { part, digest } in &self.parts {
            field(part.kind().as_bytes());
            field(part.name().as_bytes());
            field(digest.as_bytes());
        }
        Key(hexadecimal(&hash.finalize()))
    }

    /// What is different from `older`, for people, in the order of the parts.
    pub fn difference(&self, older: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        for Ingredient { part, digest } in &self.parts {
            let how = match older.position(part) {
                Err(_) => How::Added,
                Ok(at) if older.parts[at].digest != *digest => How::Changed,
                Ok(_) => continue,
            };
            changes.push(Change {
                part: part.clone(),
                how,
            });
        }
        let removed = older.parts().filter(|part| self.position(part).is_err());
        changes.extend(removed.map(|part| Change {
            part: part.clone(),
            how: How::Removed,
        }));
        changes.sort_by(|a, b| a.part.cmp(&b.part));
        changes
    }

    fn position(&self, part: &Part) -> Result<usize, usize> {
        self.parts
            .binary_search_by(|ingredient| ingredient.part.cmp(part))
    }
}

/// One difference between two recipes; prints as people read it: `variable FOO added`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which part.
    pub part: Part,
    /// What happened to it.
    pub how: How,
}

/// What happened to a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It was not there before.
    Added,
    /// It has another content.
    Changed,
    /// It is not there any more.
    Removed,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, how } = self;
        match (part, how) {
            (Part::ResetCounter, _) => f.write_str("cache was reset"),
            (part, How::Added) => write!(f, "{part} added"),
            (part, How::Changed) => write!(f, "{part} changed"),
            (part, How::Removed) => write!(f, "{part} removed"),
        }
    }
}

/// The name of a snapshot: a SHA-256 in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

/// A text that is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key of a snapshot has 64 hexadecimal digits, in small letters")]
pub struct InvalidKey;

impl Key {
    /// Reads a key.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 64 && text.bytes().all(digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidKey)
        }
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Key {
    type Error = InvalidKey;

    fn try_from(text: String) -> Result<Self, InvalidKey> {
        Self::parse(&text)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a String takes any text");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe() -> Recipe {
        Recipe::new("env_1")
            .part(Part::BaseImage, "sha256:1")
            .part(Part::SetupScript, "npm ci")
            .part(Part::Variable("FOO".into()), "1")
            .part(Part::Secret("NPM_TOKEN".into()), "1")
            .part(Part::ResetCounter, "0")
    }

    fn words(changes: &[Change]) -> Vec<String> {
        changes.iter().map(Change::to_string).collect()
    }

    #[test]
    fn every_part_changes_the_key_and_is_named() {
        let old = recipe();
        let named = |name: &str| name.to_owned();
        let cases = [
            (Part::LayoutVersion, "layout of snapshots added"),
            (Part::HostSystem, "worker's own system added"),
            (Part::BaseImage, "base image changed"),
            (Part::Runtime(named("node")), "runtime node added"),
            (Part::Repository(named("web")), "repository web added"),
            (Part::SetupScript, "setup script changed"),
            (Part::MaintenanceScript, "maintenance script added"),
            (Part::Variable(named("FOO")), "variable FOO changed"),
            (Part::Variable(named("BAR")), "variable BAR added"),
            (Part::Secret(named("NPM_TOKEN")), "secret NPM_TOKEN changed"),
            (Part::ResetCounter, "cache was reset"),
        ];
        let mut keys = vec![old.key()];
        for (part, said) in cases {
            let new = recipe().part(part, "other");
            assert_eq!(words(&new.difference(&old)), [said]);
            keys.push(new.key());
        }
        keys.push(Recipe::new("env_2").key());
        keys.push(Recipe::new("env_1").key());
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }

    #[test]
    fn what_is_gone_is_told_too_and_in_one_order() {
        let new = Recipe::new("env_1")
            .part(Part::SetupScript, "npm install")
            .part(Part::Variable("BAR".into()), "1")
            .part(Part::HostSystem, "1")
            .part(Part::ResetCounter, "1");
        assert_eq!(
            words(&new.difference(&recipe())),
            [
                "worker's own system added",
                "base image removed",
                "setup script changed",
                "variable BAR added",
                "variable FOO removed",
                "secret NPM_TOKEN removed",
                "cache was reset",
            ]
        );
    }

    #[test]
    fn the_key_does_not_depend_on_the_order_and_cannot_be_confused() {
        let one = Recipe::new("e")
            .part(Part::SetupScript, "a")
            .part(Part::Variable("X".into()), "b");
        let other = Recipe::new("e")
            .part(Part::Variable("X".into()), "b")
            .part(Part::SetupScript, "z")
            .part(Part::SetupScript, "a");
        assert_eq!(one, other);
        assert_eq!(one.key(), other.key());
        // What is kept on disks is found again after an update.
        assert_eq!(
            one.key().as_str(),
            "028e5f1e2381e818f0ab3f7ddc32eabe3b3272468a9e7dd8bd730f783cd7ed5c"
        );
        let apart = |name: &str| Recipe::new("e").part(Part::Variable(name.into()), "").key();
        let scoped = |scope: &str, name: &str| {
            Recipe::new(scope)
                .part(Part::Variable(name.into()), "")
                .key()
        };
        assert_ne!(apart("ab"), apart("a"));
        assert_ne!(scoped("ea", "b"), scoped("e", "ab"));
        assert_eq!(Key::parse(one.key().as_str()), Ok(one.key()));
        assert_eq!(Key::parse("../x"), Err(InvalidKey));
    }

    #[test]
    fn neither_scripts_nor_values_are_kept() {
        let text = serde_json::to_string(&recipe().part(Part::Variable("V".into()), "canary"))
            .expect("plain data");
        assert!(
            !text.contains("canary") && !text.contains("npm ci"),
            "{text}"
        );
        assert_eq!(
            serde_json::from_str::<Recipe>(&text).expect("what was written"),
            recipe().part(Part::Variable("V".into()), "canary")
        );
    }
}
