//! Which files of a diff somebody has seen.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Time;

/// A file of an attempt's diff that whoever asks has seen, with the changes that it has there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ViewedFile {
    /// The repository's name.
    pub repository: String,
    /// The file as the diff calls it.
    pub path: String,
    /// Since when.
    pub viewed_at: Time,
}

/// Marks a file as seen or as not seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MarkViewed {
    /// The repository's name; the environment's first when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The file as the diff calls it.
    pub path: String,
    /// Whether it was seen.
    pub viewed: bool,
}
