//! Names of branches and commits, checked when they are parsed.

use std::fmt;

/// Why a name was refused. The text is for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} is not valid: {reason}")]
pub struct InvalidName {
    what: &'static str,
    value: String,
    reason: &'static str,
}

impl InvalidName {
    fn new(what: &'static str, value: &str, reason: &'static str) -> Self {
        let value = value.chars().take(120).collect();
        Self {
            what,
            value,
            reason,
        }
    }
}

/// Characters that look like nothing or like a space, or that reorder text: never part of a name that a person typed on purpose.
pub(crate) fn is_deceptive(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c, '\u{ad}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}')
        || matches!(c, '\u{e0000}'..='\u{e007f}')
}

/// Short name of a branch, such as `main` or `feature/x`; never with `refs/heads/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RefName(String);

impl RefName {
    /// Accepts `main` and `refs/heads/main`. The rules are those of `git check-ref-format --branch`, plus: no character that deceives the eye.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let name = text.strip_prefix("refs/heads/").unwrap_or(text);
        match Self::fault(name) {
            Some(reason) => Err(InvalidName::new("branch", text, reason)),
            None => Ok(Self(name.to_owned())),
        }
    }

    fn fault(name: &str) -> Option<&'static str> {
        if name.is_empty() {
            return Some("it is empty; give a branch name such as main");
        }
        if name.len() > 240 {
            return Some("it is longer than 240 bytes");
        }
        if name.starts_with('-') {
            return Some("it begins with '-'");
        }
        if name.chars().any(is_deceptive) {
            return Some("it holds a control, invisible or unusual space character");
        }
        if name.chars().any(|c| " ~^:?*[\\".contains(c)) {
            return Some("git allows none of: space ~ ^ : ? * [ \\ in a branch name");
        }
        if name.contains("..") || name.contains("@{") || name.contains("//") {
            return Some("git allows none of '..', '@{' and '//' in a branch name");
        }
        if name == "@" || name == "HEAD" || name.starts_with("refs/") {
            return Some(
                "this name has a meaning of its own in git; give a branch name such as main",
            );
        }
        if name.ends_with('/') || name.ends_with('.') {
            return Some("it ends with '/' or '.'");
        }
        let bad_part =
            |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
        if name.split('/').any(bad_part) {
            return Some("a part between slashes is empty, begins with '.' or ends with '.lock'");
        }
        None
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn full(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Name of a git object: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(String);

impl ObjectId {
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let whole = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
        if !whole {
            return Err(InvalidName::new(
                "object id",
                text,
                "it must be 40 or 64 hexadecimal digits",
            ));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        // Indexes have tens of thousands of these.
        let mut text = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn is_sha256(&self) -> bool {
        self.0.len() == 64
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Full id of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommitId(ObjectId);

/// Full id of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TreeId(ObjectId);

macro_rules! object_id_of_kind {
    ($name:ident) => {
        impl $name {
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                Ok(Self(ObjectId::parse(text)?))
            }

            pub fn object(&self) -> &ObjectId {
                &self.0
            }

            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

object_id_of_kind!(CommitId);
object_id_of_kind!(TreeId);

/// A commit as a user names it: whole, or 7 digits and more of it, to be completed in the mirror.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CommitRef {
    Full(CommitId),
    Abbreviated(String),
}

impl CommitRef {
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let hexadecimal = text.bytes().all(|b| b.is_ascii_hexdigit());
        if !hexadecimal || text.len() < 7 || text.len() > 64 {
            return Err(InvalidName::new(
                "commit",
                text,
                "give 7 to 64 hexadecimal digits of a commit id",
            ));
        }
        match CommitId::parse(text) {
            Ok(id) => Ok(Self::Full(id)),
            Err(_) => Ok(Self::Abbreviated(text.to_ascii_lowercase())),
        }
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Full(id) => id.as_str(),
            Self::Abbreviated(digits) => digits,
        }
    }
}

impl fmt::Display for CommitRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
