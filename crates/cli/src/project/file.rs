//! `.outwork.toml`: an environment as a repository describes it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Component, Path};

use outwork_api::environment::Repository;
use outwork_domain::environment::is_variable_name;
use serde::de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::CliError;

/// At the top of the repository.
pub(crate) const FILE_NAME: &str = ".outwork.toml";

/// The file as it is written. What it does not mention it leaves to others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProjectFile {
    /// What people call the environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Where tasks start from; empty for the repository's default branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The image; empty for the worker's own system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup: Option<Script>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<Script>,
    /// The command that tells whether the work is right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<String>,
    /// Names only: values are set by people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtimes: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variables: Option<BTreeMap<String, String>>,
    /// Further repositories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub also: Option<Vec<Repository>>,
}

/// A script: its text, or the file in the repository that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    Text(String),
    File(String),
}

/// The same with the scripts' texts: what an environment is to have. What is `None` was not said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub label: Option<String>,
    pub branch: Option<String>,
    pub image: Option<String>,
    pub setup: Option<String>,
    pub maintenance: Option<String>,
    pub verify: Option<String>,
    pub secrets: Option<Vec<String>>,
    pub runtimes: Option<BTreeMap<String, String>>,
    pub variables: Option<BTreeMap<String, String>>,
    pub also: Option<Vec<Repository>>,
}

impl ProjectFile {
    /// The file's text read.
    pub fn parse(text: &str) -> Result<Self, CliError> {
        let file: Self = toml::from_str(text).map_err(|error| {
            let hint = match says_what_it_may(text) {
                true => "take it out and use `outwork env edit`: what an agent may reach and use is not for the repository to say, because whoever can change the repository would say it",
                false => "correct the line; docs/cli.md has all that it may hold",
            };
            CliError::failed(format!("{FILE_NAME} is not as expected"))
                .code("configuration")
                .source(error)
                .hint(hint)
        })?;
        let names = file.secrets.iter().flatten();
        if let Some(name) = names.into_iter().find(|name| !is_variable_name(name)) {
            // Whoever wrote a value beside it does not want to read it here.
            let name = name.split('=').next().unwrap_or(name);
            return Err(CliError::failed(format!(
                "{FILE_NAME}: secrets has more than the name of a variable in `{name}…`"
            ))
            .code("configuration")
            .hint("list names only, such as secrets = [\"NPM_TOKEN\"]; values are set with `outwork env secret set`"));
        }
        Ok(file)
    }

    /// The file at the top of a clone, if it has one.
    pub fn read(top: &Path) -> Result<Option<Self>, CliError> {
        match std::fs::read_to_string(top.join(FILE_NAME)) {
            Ok(text) => Self::parse(&text).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(CliError::failed(format!("{FILE_NAME} cannot be read"))
                .code("configuration")
                .source(error)),
        }
    }

    /// With the scripts read from the clone whose top folder is `top`.
    pub fn resolved(self, top: &Path) -> Result<Wanted, CliError> {
        let Self {
            label,
            branch,
            image,
            setup,
            maintenance,
            verify,
            secrets,
            runtimes,
            variables,
            also,
        } = self;
        let text = |script: Option<Script>| script.map(|script| script.text(top)).transpose();
        Ok(Wanted {
            label,
            branch,
            image,
            setup: text(setup)?,
            maintenance: text(maintenance)?,
            verify,
            secrets,
            runtimes,
            variables,
            also,
        })
    }

    /// As the file is written.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("texts, lists of texts and tables")
    }
}

/// Whether the file tries to say what only people may say of an environment.
fn says_what_it_may(text: &str) -> bool {
    const KEYS: [&str; 8] = [
        "injections",
        "inject",
        "max_concurrent",
        "max_tokens",
        "nested_namespaces",
        "network",
        "required_labels",
        "resources",
    ];
    let table: Result<toml::Table, _> = toml::from_str(text);
    table.is_ok_and(|table| KEYS.iter().any(|key| table.contains_key(*key)))
}

impl Script {
    fn text(self, top: &Path) -> Result<String, CliError> {
        let name = match self {
            Self::Text(text) => return Ok(text),
            Self::File(name) => name,
        };
        let refuse = |why: &str| {
            CliError::failed(format!("{FILE_NAME}: the script {name} {why}")).code("configuration")
        };
        let is_inside = Path::new(&name)
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !is_inside {
            return Err(refuse("is not inside the repository")
                .hint("name it from the repository's top folder, such as scripts/setup.sh"));
        }
        let unreadable = |error: io::Error| refuse("cannot be read").source(error);
        let path = top.join(&name).canonicalize().map_err(unreadable)?;
        // A link would hand in whatever else the person can read.
        if !top.canonicalize().is_ok_and(|top| path.starts_with(top)) {
            return Err(refuse("is a link to the outside of the repository"));
        }
        std::fs::read_to_string(path).map_err(unreadable)
    }
}

impl Serialize for Script {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::File(file) => BTreeMap::from([("file", file)]).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Script {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        /// `{ file = "…" }`.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Named {
            file: String,
        }

        impl<'de> Visitor<'de> for Either {
            type Value = Script;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a script, or { file = \"PATH\" }")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Script, E> {
                Ok(Script::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Script, A::Error> {
                let Named { file } = Named::deserialize(MapAccessDeserializer::new(map))?;
                match file.is_empty() {
                    true => Err(A::Error::custom("the name of the file is empty")),
                    false => Ok(Script::File(file)),
                }
            }
        }

        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
