//! What a turn was composed of, as JSON.

use std::num::NonZeroU32;

use outwork_domain::task::{ComposedPart, Composition};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    parts: Vec<StoredPart>,
    verify: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPart {
    turn: NonZeroU32,
    attempt: NonZeroU32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repository: Option<String>,
    files: Vec<String>,
    hunks: Vec<String>,
}

pub(crate) fn to_json(composition: &Composition) -> String {
    let Composition { parts, verify } = composition.clone();
    let parts = parts.into_iter().map(|part| {
        let ComposedPart {
            turn,
            attempt,
            repository,
            files,
            hunks,
        } = part;
        StoredPart {
            turn,
            attempt,
            repository,
            files,
            hunks,
        }
    });
    let stored = Stored {
        parts: parts.collect(),
        verify,
    };
    serde_json::to_string(&stored).expect("it is plain data")
}

pub(crate) fn from_json(text: &str) -> Result<Composition, StoreError> {
    let stored = serde_json::from_str(text).map_err(|_| StoreError::corrupt("composition"))?;
    let Stored { parts, verify } = stored;
    let parts = parts.into_iter().map(|part| {
        let StoredPart {
            turn,
            attempt,
            repository,
            files,
            hunks,
        } = part;
        ComposedPart {
            turn,
            attempt,
            repository,
            files,
            hunks,
        }
    });
    Ok(Composition {
        parts: parts.collect(),
        verify,
    })
}
