//! Sets a credential.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::credential::{Credential as Wire, CredentialSecret, NewCredential, PushSettings};
use outwork_domain::CredentialId;
use outwork_domain::credential::{Credential, CredentialScope};
use outwork_domain::limits::SECRET_BYTES;
use outwork_domain::principal::Admin;
use outwork_git::InvalidCredential;
use outwork_store::CredentialRecord;

use super::wire;
use crate::credentials;
use crate::http::body::Body;
use crate::http::openapi::{Conflicts, Refusals, Unacceptable};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

const MAX_USERNAME_BYTES: usize = 255;

/// Sets the credential for the repositories of a host or of a part of it; one of the same scope and kind is replaced. The secret is
/// stored sealed and never shown again: it is for the server's questions to the repository and for the workers' copies of it, never for
/// a sandbox. With `push` it is for publishing results, and for nothing else.
#[utoipa::path(put, path = "/credentials", operation_id = "setCredential", tag = "settings", request_body = NewCredential,
    responses((status = 200, description = "Set.", body = Wire), Refusals, Unacceptable, Conflicts))]
pub(crate) async fn set(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Admin>,
    Body(new): Body<NewCredential>,
) -> Result<Json<Wire>, Refusal> {
    plane.need_space()?;
    let NewCredential {
        scope,
        secret,
        push,
    } = new;
    let scope = CredentialScope::parse(&scope)
        .map_err(|fault| Refusal::field("/scope", fault.to_string()))?;
    let secret = check(secret)?;
    let push = push.map(check_push).transpose()?;
    let workspace_id = member.workspace_id();
    let (kind, username, sealed) = credentials::close(&plane, workspace_id, &scope, secret, push);
    let credential = Credential {
        id: CredentialId::from_uuid(plane.ids.uuid()),
        workspace_id,
        scope,
        kind,
        username,
        updated_at: plane.now(),
    };
    let record = CredentialRecord { credential, sealed };
    Ok(Json(wire(plane.store.set_credential(record).await?)))
}

/// The same without what is empty; git says what it cannot use.
fn check(secret: CredentialSecret) -> Result<CredentialSecret, Refusal> {
    let text = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let secret = match secret {
        CredentialSecret::Token { username, token } => {
            let username = text(username);
            bounded("username", username.as_deref(), MAX_USERNAME_BYTES)?;
            bounded("token", Some(token.reveal()), SECRET_BYTES)?;
            CredentialSecret::Token { username, token }
        }
        CredentialSecret::SshKey {
            private_key,
            known_hosts,
        } => {
            let known_hosts = text(known_hosts);
            bounded("private_key", Some(private_key.reveal()), SECRET_BYTES)?;
            bounded("known_hosts", known_hosts.as_deref(), SECRET_BYTES)?;
            CredentialSecret::SshKey {
                private_key,
                known_hosts,
            }
        }
    };
    match credentials::for_git(&secret) {
        Ok(_) => Ok(secret),
        Err(fault) => Err(Refusal::field(field(fault), fault.to_string())),
    }
}

/// A token goes to the interface's address, so over https, or to this machine.
fn check_push(settings: PushSettings) -> Result<PushSettings, Refusal> {
    if let Some(url) = &settings.api_url {
        let parsed = reqwest::Url::parse(url).ok().filter(is_safe);
        if parsed.is_none() || url.len() > 500 {
            return Err(Refusal::field(
                "/push/api_url",
                "must be an address such as https://git.example.com/api/v3, without user, query or fragment",
            ));
        }
    }
    Ok(settings)
}

fn is_safe(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    let is_here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    let is_plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    is_plain && (url.scheme() == "https" || (url.scheme() == "http" && is_here))
}

fn bounded(field: &str, text: Option<&str>, most: usize) -> Result<(), Refusal> {
    let wrong = |detail: String| Err(Refusal::field(&format!("/secret/{field}"), detail));
    match text {
        Some(text) if text.len() > most => wrong(format!("has more than {most} bytes")),
        Some(text) if text.contains('\0') => wrong("contains a NUL byte".to_owned()),
        Some(_) | None => Ok(()),
    }
}

fn field(fault: InvalidCredential) -> &'static str {
    match fault {
        InvalidCredential::EmptyToken | InvalidCredential::TokenCharacters => "/secret/token",
        InvalidCredential::Username => "/secret/username",
        InvalidCredential::NoPrivateKey
        | InvalidCredential::PublicKey
        | InvalidCredential::Passphrase
        | InvalidCredential::Putty => "/secret/private_key",
        InvalidCredential::KnownHosts { .. } | InvalidCredential::NoKnownHosts => {
            "/secret/known_hosts"
        }
    }
}
