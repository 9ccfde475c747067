//! What is remembered of each scope beyond its snapshots: what the last one was made from, and how often they were used.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::background::Save;
use crate::place::children;
use crate::reason::GivenUp;
use crate::recipe::{Key, Recipe, hexadecimal};

/// Keys whose end is remembered; the reason for a build is mostly about the last one.
const GIVEN_UP_KEPT: usize = 16;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scope {
    /// Of the snapshot that was built last.
    pub(crate) recipe: Option<Recipe>,
    pub(crate) hits: u64,
    pub(crate) builds: u64,
    /// The newest last.
    given_up: Vec<End>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct End {
    key: Key,
    #[serde(flatten)]
    why: GivenUp,
}

/// How a snapshot was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Use {
    pub(crate) hits: u64,
    pub(crate) last_used_at: i64,
}

/// The file of a scope.
#[derive(Serialize, Deserialize)]
struct Stored {
    scope: String,
    #[serde(flatten)]
    state: Scope,
    /// By the names of the snapshots' directories.
    uses: BTreeMap<String, Use>,
}

impl Scope {
    pub(crate) fn given_up(&self, key: &Key) -> Option<&GivenUp> {
        let mut ends = self.given_up.iter();
        ends.find(|end| end.key == *key).map(|end| &end.why)
    }

    pub(crate) fn note_given_up(&mut self, key: &Key, why: &GivenUp) {
        self.forget_given_up(key);
        if self.given_up.len() == GIVEN_UP_KEPT {
            self.given_up.remove(0);
        }
        self.given_up.push(End {
            key: key.clone(),
            why: why.clone(),
        });
    }

    pub(crate) fn forget_given_up(&mut self, key: &Key) {
        self.given_up.retain(|end| end.key != *key);
    }
}

/// What is to be written for a scope.
pub(crate) fn save(
    directory: &Path,
    scope: &str,
    state: &Scope,
    uses: BTreeMap<String, Use>,
) -> Save {
    let stored = Stored {
        scope: scope.to_owned(),
        state: state.clone(),
        uses,
    };
    Save {
        path: path(directory, scope),
        text: serde_json::to_vec(&stored).expect("plain data"),
    }
}

/// Everything that was written. A file that cannot be read costs counts and reasons, no snapshot.
pub(crate) fn read_all(directory: &Path) -> (BTreeMap<String, Scope>, BTreeMap<String, Use>) {
    let (mut scopes, mut uses) = (BTreeMap::new(), BTreeMap::new());
    for path in children(directory) {
        let read = fs::read(&path).map_err(|error| error.to_string());
        let stored = read.and_then(|text| {
            serde_json::from_slice::<Stored>(&text).map_err(|error| error.to_string())
        });
        match stored {
            Ok(stored) => {
                scopes.insert(stored.scope, stored.state);
                uses.extend(stored.uses);
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "how snapshots were used is forgotten");
                let _ = fs::remove_file(&path);
            }
        }
    }
    (scopes, uses)
}

/// Scopes are whatever the owner calls them, names of files are not.
fn path(directory: &Path, scope: &str) -> PathBuf {
    let digest = hexadecimal(&Sha256::digest(scope));
    directory.join(format!("{}.json", &digest[..32]))
}
