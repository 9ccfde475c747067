//! Environment variables as they were given.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// A copy of the process's environment.
#[derive(Clone, Debug, Default)]
pub struct Variables(BTreeMap<OsString, OsString>);

impl Variables {
    /// From all variables.
    pub fn new(variables: BTreeMap<OsString, OsString>) -> Self {
        Self(variables)
    }

    /// From texts.
    pub fn from_texts(variables: &[(&str, &str)]) -> Self {
        Self(
            variables
                .iter()
                .map(|(name, value)| (OsString::from(name), OsString::from(value)))
                .collect(),
        )
    }

    /// A variable, if it is set and is text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.0.get(OsStr::new(name))?.to_str().map(str::to_owned)
    }

    /// A variable as a path; an empty one counts as not set.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        let value = self.0.get(OsStr::new(name))?;
        (!value.is_empty()).then(|| PathBuf::from(value))
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (OsString, OsString)> {
        self.0
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
    }
}
