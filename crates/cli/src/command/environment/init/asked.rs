//! What a person is shown and asked.

use std::collections::BTreeMap;
use std::path::Path;

use outwork_api::Secret;

use super::Manner;
use super::proposal::Proposal;
use crate::editor;
use crate::error::CliError;
use crate::project::ProjectFile;
use crate::session::Session;
use crate::terminal::plain::plain;

/// The proposal.
pub(super) fn show(session: &mut Session, proposal: &Proposal) {
    for line in proposal.lines(session.out.stderr_style) {
        session.out.note(&line);
    }
}

/// Whether the person wants it like that, perhaps after having changed it.
pub(super) async fn agreed(
    session: &mut Session,
    proposal: &mut Proposal,
    top: &Path,
) -> Result<bool, CliError> {
    let label = plain(&proposal.label);
    let question = format!("Make the environment {label} like this? [Y]es, [e]dit, [n]o: ");
    loop {
        let Some(answer) = session.ask(&question).await? else {
            return Ok(false);
        };
        match answer.trim().to_lowercase().as_str() {
            "" | "y" | "yes" => return Ok(true),
            "n" | "no" => return Ok(false),
            "e" | "edit" => match edited(session, proposal, top).await {
                Ok(()) => show(session, proposal),
                Err(error) => session.out.error(&error, false),
            },
            _ => {}
        }
    }
}

async fn edited(
    session: &mut Session,
    proposal: &mut Proposal,
    top: &Path,
) -> Result<(), CliError> {
    let editor = editor::named(session)
        .ok_or_else(|| CliError::usage("no editor is set to change it in").hint("set EDITOR"))?;
    let text = proposal.file().to_toml();
    let written = editor::edit(session, editor, text, ".toml", "nothing was changed").await?;
    proposal.replace(ProjectFile::parse(&written)?.resolved(top)?);
    Ok(())
}

/// The values of the secrets that are needed and not known yet.
pub(super) async fn for_secrets(
    session: &mut Session,
    manner: &Manner,
    proposal: &Proposal,
    secrets: &mut BTreeMap<String, Secret>,
) -> Result<(), CliError> {
    for name in proposal.secrets() {
        if secrets.contains_key(name) {
            continue;
        }
        if manner.asks {
            let question = format!(
                "secret {} (not shown; empty to leave it out): ",
                plain(name)
            );
            let value = session.ask_secret(&question).await?;
            if !value.is_empty() {
                secrets.insert(name.clone(), Secret::new(value));
            }
        } else if manner.checks {
            return Err(
                CliError::usage(format!("the secret {name} has no value")).hint(format!(
                    "give it with --secret {name}, which takes it from the variable {name}"
                )),
            );
        } else {
            session.out.note(&format!(
                "the secret {0} is not set: `outwork env secret set {1} {0}`",
                plain(name),
                plain(&proposal.label)
            ));
        }
    }
    Ok(())
}
