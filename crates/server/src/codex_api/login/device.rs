//! The client asks for a code to show, and then every few seconds whether it was typed.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use outwork_api::problem::Code;
use outwork_store::{DeviceLogin, NewDeviceLogin};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::{hash, new_code, verifier};
use crate::http::body::Body;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::token::hex;

/// What the client says, too.
const LASTS: Duration = Duration::from_secs(15 * 60);
/// Seconds. A text, or the client would ask without a pause.
const INTERVAL: &str = "5";

#[derive(Deserialize)]
pub(crate) struct Asked {}

#[derive(Serialize)]
pub(crate) struct UserCode {
    device_auth_id: String,
    user_code: String,
    interval: &'static str,
}

#[derive(Deserialize)]
pub(crate) struct Poll {
    device_auth_id: String,
}

/// The client has the exchange's two halves from here.
#[derive(Serialize)]
struct Approved {
    authorization_code: String,
    code_challenge: String,
    code_verifier: String,
}

pub(crate) async fn user_code(
    State(plane): State<Arc<Plane>>,
    Body(Asked {}): Body<Asked>,
) -> Result<Json<UserCode>, Refusal> {
    plane.need_space()?;
    let now = plane.now();
    let device_auth_id = hex(&plane.ids.bytes::<32>());
    let user_code = new_code(plane.ids.bytes());
    let new = NewDeviceLogin {
        hash: hash(&device_auth_id),
        user_code: user_code.clone(),
        expires_at: now + LASTS,
    };
    plane.store.add_device_login(new, now).await?;
    Ok(Json(UserCode {
        device_auth_id,
        user_code,
        interval: INTERVAL,
    }))
}

/// 403 while nobody has typed the code; any other error ends the client.
pub(crate) async fn poll(
    State(plane): State<Arc<Plane>>,
    Body(Poll { device_auth_id }): Body<Poll>,
) -> Result<Response, Refusal> {
    let login = plane.store.device_login(hash(&device_auth_id), plane.now());
    match login.await? {
        Some(DeviceLogin::Approved(_)) => {
            let code_verifier = verifier(&device_auth_id);
            let challenge = Sha256::digest(code_verifier.as_bytes());
            let approved = Approved {
                authorization_code: device_auth_id,
                code_challenge: BASE64_URL_SAFE_NO_PAD.encode(challenge),
                code_verifier,
            };
            Ok(Json(approved).into_response())
        }
        Some(DeviceLogin::Waiting) => {
            let waiting = serde_json::json!({"detail": "Nobody has typed the code yet."});
            Ok((StatusCode::FORBIDDEN, Json(waiting)).into_response())
        }
        None => Err(Refusal::new(
            Code::InvalidRequest,
            "The code has expired, or was used before.",
        )
        .with_hint("Sign in again.")),
    }
}
