//! That something changed: what a screen follows, so that it need not ask again and again.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Time;

/// Something that a screen may show changed. It says no more: read again what it names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Change {
    /// A task is new, or it changed, also by a change of one of its attempts' states.
    Task {
        /// `task_…`.
        id: String,
        /// When it changed last; what is shown of it is as new as that if its `updated_at` is not earlier.
        updated_at: Time,
    },
    /// A kind this version does not know.
    #[serde(other)]
    Unknown,
}
