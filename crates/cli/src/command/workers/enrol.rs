//! `outwork workers enrol`: makes a token that lets workers in.

use std::time::Duration;

use clap::Args;
use outwork_api::enrolment::NewEnrolmentToken;

use crate::error::CliError;
use crate::session::Session;
use crate::terminal::plain::plain;

/// Make a token that lets workers in
///
/// A worker exchanges it once for a token of its own, which it keeps and which can be revoked. The
/// enrolment token is printed this once; the server keeps its hash.
#[derive(Args, Clone, Debug)]
#[command(
    visible_alias = "enroll",
    after_help = "\
Examples:
  outwork workers enrol > enrolment.token
  outwork workers enrol --uses 10 --expires 7d --name 'build machines'
  outwork worker --url https://outwork.example.com --enrolment-token-file enrolment.token"
)]
pub struct EnrolArgs {
    /// How many workers it lets in
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub uses: u32,
    /// How long it can be used: 1m to 365d
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = crate::duration::parse)]
    pub expires: Duration,
    /// What it is for, as `outwork workers tokens` shows it
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// Print the token and what is kept of it as JSON
    #[arg(long)]
    pub json: bool,
}

pub(super) async fn run(args: EnrolArgs, session: &mut Session) -> Result<(), CliError> {
    let EnrolArgs {
        uses,
        expires,
        name,
        json,
    } = args;
    let new = NewEnrolmentToken {
        max_uses: Some(uses),
        expires_in_seconds: Some(expires.as_secs()),
        name,
    };
    let made = session.client()?.make_enrolment_token(&new).await?;
    if json {
        return session.out.json(&made);
    }
    // Alone on standard output, so that it can be sent to a file.
    session.out.line(&plain(made.token.reveal()))?;
    let token = made.enrolment_token;
    let workers = match token.max_uses {
        1 => "one worker".to_owned(),
        several => format!("{several} workers"),
    };
    session.out.note(&format!(
        "{} lets in {workers} until {}; it is not shown again",
        plain(&token.id),
        token.expires_at
    ));
    Ok(())
}
