//! From a parsed command to an exit status.

use crate::args::{ClientCommand, GlobalArgs};
use crate::command;
use crate::error::CliError;
use crate::exit::{self, ExitStatus};
use crate::io::Io;
use crate::session::Session;
use crate::terminal::plain::plain;

/// Runs a command to its end, or until it is interrupted. Errors have been printed by then.
pub async fn run(command: ClientCommand, globals: GlobalArgs, io: Io) -> ExitStatus {
    let is_json = command.is_json();
    let (mut session, interrupt) = Session::new(io, &globals);
    let advice = std::sync::Arc::clone(&session.interruption_advice);
    let result = tokio::select! {
        biased;
        result = dispatch(command, &mut session) => Some(result),
        () = interrupt => None,
    };
    match result {
        Some(Ok(status)) => status,
        Some(Err(error)) => {
            session.out.error(&error, is_json);
            error.kind.exit_status()
        }
        None => {
            session.out.end_echo();
            if let Some(advice) = advice.lock().expect("no panic while held").take() {
                session.out.note(&plain(&advice));
            }
            ExitStatus::Interrupted
        }
    }
}

async fn dispatch(command: ClientCommand, session: &mut Session) -> Result<ExitStatus, CliError> {
    let done = |()| ExitStatus::Ok;
    match command {
        ClientCommand::Exec(args) => command::exec::run(args, session).await,
        ClientCommand::List(args) => command::list::run(args, session).await.map(done),
        ClientCommand::Status(args) => command::status::run(args, session).await.map(done),
        ClientCommand::Log(args) => command::log::run(args, session).await.map(done),
        ClientCommand::Diff(args) => command::diff::run(args, session).await.map(done),
        ClientCommand::Apply(args) => command::apply::run(args, session).await.map(done),
        ClientCommand::FollowUp(args) => command::follow_up::run(args, session).await,
        ClientCommand::Cancel(args) => command::cancel::run(args, session).await.map(done),
        ClientCommand::Env(args) => command::environment::run(args, session).await.map(done),
        ClientCommand::Model(args) => command::model::run(args, session).await.map(done),
        ClientCommand::Workers(args) => command::workers::run(args, session).await.map(done),
        ClientCommand::Login(args) => command::login::run(args, session).await.map(done),
        ClientCommand::Doctor(args) => command::doctor::run(args, session).await,
        ClientCommand::Completion(args) => command::completion::run(args, session).map(done),
        ClientCommand::Cloud(inner) => Box::pin(dispatch(inner.into(), session)).await,
        ClientCommand::ExitCodes => session.out.line(exit::HELP).map(done),
    }
}
