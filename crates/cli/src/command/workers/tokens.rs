//! `outwork workers tokens` and `revoke`: who may come in, and who may not any more.

use clap::Args;
use outwork_api::Time;
use outwork_api::enrolment::{EnrolmentToken, WorkerToken};
use outwork_domain::EnrolmentTokenId;
use serde::Serialize;

use crate::error::CliError;
use crate::render::table;
use crate::session::Session;
use crate::terminal::plain::plain;

/// List enrolment tokens and the workers' own tokens
#[derive(Args, Clone, Debug)]
pub struct TokensArgs {
    /// Print `{"enrolment_tokens":[…],"worker_tokens":[…]}`
    #[arg(long)]
    pub json: bool,
}

/// Revoke a worker's own token, or an enrolment token
///
/// A worker whose token is revoked stops its sandboxes and ends; its attempts go to others, and count
/// as no failure. It is forgotten for good. An enrolment token that is revoked lets nobody in any more;
/// workers that it let in stay.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork workers revoke builder-1
  outwork workers revoke enr_0192f3a4b5c6d7e8f90123456789abcd")]
pub struct RevokeArgs {
    /// The worker's id or name, or the enrolment token's id
    #[arg(value_name = "WORKER|ENROLMENT")]
    pub name: String,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listed {
    enrolment_tokens: Vec<EnrolmentToken>,
    worker_tokens: Vec<WorkerToken>,
}

pub(super) async fn list(args: TokensArgs, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    let listed = Listed {
        enrolment_tokens: client.enrolment_tokens().await?.items,
        worker_tokens: client.worker_tokens().await?.items,
    };
    if args.json {
        return session.out.json(&listed);
    }
    let Listed {
        enrolment_tokens,
        worker_tokens,
    } = listed;
    if enrolment_tokens.is_empty() && worker_tokens.is_empty() {
        let note = "no tokens; make one with `outwork workers enrol`";
        session.out.note(note);
        return Ok(());
    }
    let now: Time = (session.now)().into();
    let enrolments = enrolment_tokens.iter().map(|token| {
        vec![
            token.id.clone(),
            token.name.clone().unwrap_or_default(),
            enrolment_state(token, now),
            format!("until {}", token.expires_at),
        ]
    });
    let workers = worker_tokens.iter().map(|token| {
        let state = match token.revoked_at {
            Some(_) => "revoked",
            None => "valid",
        };
        vec![
            token.worker.clone(),
            token.name.clone(),
            state.to_owned(),
            format!("by {}", token.enrolment_token),
        ]
    });
    let rows: Vec<_> = enrolments.chain(workers).collect();
    table::print(
        &mut session.out,
        &["OF", "NAME", "STATE", "ENROLMENT"],
        rows,
    )
}

fn enrolment_state(token: &EnrolmentToken, now: Time) -> String {
    if token.revoked_at.is_some() {
        "revoked".to_owned()
    } else if token.uses >= token.max_uses {
        format!("used {}/{}", token.uses, token.max_uses)
    } else if token.expires_at <= now {
        "expired".to_owned()
    } else {
        format!("valid {}/{}", token.uses, token.max_uses)
    }
}

pub(super) async fn revoke(args: RevokeArgs, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    let name = args.name;
    match name.parse::<EnrolmentTokenId>() {
        Ok(id) => client.revoke_enrolment_token(&id.to_string()).await?,
        Err(_) => {
            let id = super::resolve(&client, &name).await?;
            client.revoke_worker(&id).await?;
        }
    }
    session.out.note(&format!("revoked {}", plain(&name)));
    Ok(())
}
