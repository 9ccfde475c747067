//! The credentials for repositories.

pub(crate) mod delete;
pub(crate) mod list;
pub(crate) mod set;

use outwork_api::credential::Credential as Wire;
use outwork_domain::credential::Credential;

fn wire(credential: Credential) -> Wire {
    let Credential {
        id,
        workspace_id: _,
        scope,
        kind,
        username,
        updated_at,
    } = credential;
    Wire {
        id: id.to_string(),
        scope: scope.as_str().to_owned(),
        kind: kind.as_str().to_owned(),
        username,
        updated_at: updated_at.into(),
    }
}
