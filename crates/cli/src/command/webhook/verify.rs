//! Checks that a delivery is the server's.

use std::path::PathBuf;

use clap::Args;
use outwork_api::webhook::signature::{Key, verify};

use crate::error::CliError;
use crate::session::Session;

/// Check the signature of a body on standard input
///
/// For receivers that are scripts, and to find out why one refuses. Exits with 0 if the body was sent by who has the
/// secret, no longer than five minutes ago.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork webhook verify --secret-file secret --id \"$ID\" --timestamp \"$AT\" --signature \"$SIGNATURE\" < body")]
pub struct VerifyArgs {
    /// A file that holds the webhook's secret, whsec_…
    #[arg(long, value_name = "FILE")]
    pub secret_file: PathBuf,
    /// The header webhook-id
    #[arg(long, value_name = "ID")]
    pub id: String,
    /// The header webhook-timestamp
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true)]
    pub timestamp: String,
    /// The header webhook-signature
    #[arg(long, value_name = "SIGNATURES")]
    pub signature: String,
}

pub(super) async fn run(args: VerifyArgs, session: &mut Session) -> Result<(), CliError> {
    let VerifyArgs {
        secret_file,
        id,
        timestamp,
        signature,
    } = args;
    let path = session.current_dir.join(secret_file);
    let secret = std::fs::read_to_string(&path).map_err(|error| {
        let message = format!("the secret file {} cannot be read", path.display());
        let error = CliError::usage(message).source(error);
        error.hint("name a file that holds the webhook's secret")
    })?;
    let key = Key::parse(&secret).map_err(|fault| {
        let error = CliError::usage("the secret file holds no secret of a webhook").source(fault);
        error.hint("`outwork webhook rotate` makes another secret")
    })?;
    let body = session.read_stdin().await?;
    let now = (session.now)();
    verify(&key, &id, &timestamp, &signature, &body, now).map_err(|fault| {
        let error = CliError::failed("the body is not to be trusted").source(fault);
        let error = error.code("not_verified");
        error.hint("check it as it came, byte by byte, with the headers of the same request")
    })?;
    session.out.note("it is signed with this secret");
    Ok(())
}
