//! A worker is let in.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::Secret;
use outwork_api::problem::Code;
use outwork_api::worker::{Enroll, Enrolled};
use outwork_domain::{PrincipalId, TokenId, WorkerId};
use outwork_store::{Enrolment, NewEnrolment};

use crate::http::body::Body;
use crate::http::openapi::{Refusals, Unacceptable};
use crate::http::permit::{ENROL, Enrolling};
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::token;

const MAX_NAME_CHARS: usize = 200;

/// Exchanges an enrolment token, the bearer token of this request, for a worker's own. Sent again with the same key it is answered with
/// the same.
#[utoipa::path(post, path = "/enroll", operation_id = "enroll", tag = "worker", request_body = Enroll,
    responses((status = 200, description = "Enrolled, now or before.", body = Enrolled), Refusals, Unacceptable))]
pub(crate) async fn enroll(
    State(plane): State<Arc<Plane>>,
    enrolling: Enrolling,
    Body(request): Body<Enroll>,
) -> Result<Json<Enrolled>, Refusal> {
    let Enroll { key, name } = request;
    check(key.reveal(), &name)?;
    plane.need_space()?;
    let salt = plane.ids.bytes();
    let own = |salt| token::own_worker_token(&enrolling.token, key.reveal(), salt);
    let new = NewEnrolment {
        enrolment_hash: enrolling.hash,
        key_hash: token::hash(key.reveal()),
        token_id: TokenId::from_uuid(plane.ids.uuid()),
        principal_id: PrincipalId::from_uuid(plane.ids.uuid()),
        worker_id: WorkerId::from_uuid(plane.ids.uuid()),
        name,
        token_hash: own(salt).1,
        salt,
    };
    match plane.store.enroll(new, plane.now()).await? {
        Enrolment::Enrolled { worker_id, salt } => {
            tracing::info!(worker = %worker_id, "a worker was enrolled");
            Ok(Json(Enrolled {
                worker: worker_id.to_string(),
                token: Secret::new(own(salt).0.reveal()),
            }))
        }
        Enrolment::Unknown => Err(refused(
            Code::Unauthorized,
            "The enrolment token is not known here.",
        )),
        Enrolment::Expired => Err(refused(
            Code::Unauthorized,
            "The enrolment token has expired.",
        )),
        Enrolment::UsedUp => Err(refused(
            Code::Unauthorized,
            "The enrolment token was used by as many workers as it may.",
        )),
        Enrolment::Revoked => Err(refused(
            Code::TokenRevoked,
            "The enrolment token, or the token that this worker had for it, was revoked.",
        )),
    }
}

fn refused(code: Code, detail: &str) -> Refusal {
    Refusal::new(code, detail).with_hint(ENROL)
}

fn check(key: &str, name: &str) -> Result<(), Refusal> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !(32..=128).contains(&key.len()) || !key.bytes().all(plain) {
        return Err(Refusal::field(
            "/key",
            "must be 32 to 128 letters, digits, `-` and `_`",
        ));
    }
    let too_long = name.chars().count() > MAX_NAME_CHARS;
    if name.trim().is_empty() || too_long || name.chars().any(char::is_control) {
        return Err(Refusal::field(
            "/name",
            "is empty, too long or holds control characters",
        ));
    }
    Ok(())
}
