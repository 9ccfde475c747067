//! The tokens of members.

pub(crate) mod list;
pub(crate) mod make;
pub(crate) mod revoke;

use outwork_api::member::MemberToken as Wire;
use outwork_domain::PrincipalId;
use outwork_domain::principal::Viewer;
use outwork_store::MemberToken;

use crate::refusal::Refusal;

fn wire(token: MemberToken) -> Wire {
    let MemberToken {
        id,
        principal_id,
        label,
        scopes,
        created_at,
        expires_at,
    } = token;
    Wire {
        id: id.to_string(),
        member_id: principal_id.to_string(),
        label,
        scopes: scopes.iter().map(|it| it.as_str().to_owned()).collect(),
        created_at: created_at.into(),
        expires_at: expires_at.map(Into::into),
    }
}

/// One's own tokens are one's own affair; those of others an admin's.
fn may_see(viewer: &Viewer, of: PrincipalId) -> Result<(), Refusal> {
    if viewer.principal().id != of {
        viewer.principal().clone().admin()?;
    }
    Ok(())
}
