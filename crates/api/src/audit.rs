//! Who did what.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::member::Person;
use crate::time::Time;

/// Something that somebody did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// `aud_…`.
    pub id: String,
    /// When.
    pub at: Time,
    /// Who.
    pub by: Person,
    /// What: the method and the route that was called, such as `POST /api/v1/tasks/{id}/cancel`.
    pub action: String,
    /// On what: the address that was called, such as `/api/v1/tasks/task_…/cancel`.
    pub object: String,
}
