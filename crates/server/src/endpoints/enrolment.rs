//! Enrolment tokens, and the tokens that workers have for them.

pub(crate) mod make;
pub(crate) mod revoke;
pub(crate) mod tokens;

use outwork_api::enrolment::EnrolmentToken;
use outwork_store::EnrolmentTokenRecord;

fn wire(record: EnrolmentTokenRecord) -> EnrolmentToken {
    let EnrolmentTokenRecord {
        id,
        name,
        max_uses,
        uses,
        created_at,
        expires_at,
        revoked_at,
    } = record;
    EnrolmentToken {
        id: id.to_string(),
        name,
        max_uses,
        uses,
        created_at: created_at.into(),
        expires_at: expires_at.into(),
        revoked_at: revoked_at.map(Into::into),
    }
}
