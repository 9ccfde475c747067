//! The members of a workspace: who may do what.

pub(crate) mod add;
pub(crate) mod change;
pub(crate) mod list;
pub(crate) mod remove;

use outwork_api::member::Member as Wire;
use outwork_domain::PrincipalId;
use outwork_store::{MemberRecord, StoreError};

use crate::refusal::Refusal;

const NAME_CHARS: usize = 100;

fn wire(record: MemberRecord) -> Wire {
    let MemberRecord {
        id,
        kind,
        name,
        role,
        created_at,
    } = record;
    Wire {
        id: id.to_string(),
        name,
        kind: kind.as_str().to_owned(),
        role: role.as_str().to_owned(),
        created_at: created_at.into(),
    }
}

pub(crate) fn missing(id: PrincipalId, fault: StoreError) -> Refusal {
    match fault {
        StoreError::NotFound => Refusal::not_found("member", &id.to_string())
            .with_hint("`outwork member list` shows the members."),
        other => other.into(),
    }
}

/// A name as it is kept.
pub(crate) fn name(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > NAME_CHARS || text.chars().any(char::is_control) {
        let detail = format!("must have 1 to {NAME_CHARS} characters, and none that control");
        return Err(Refusal::field("/name", detail));
    }
    Ok(text.to_owned())
}
