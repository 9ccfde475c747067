//! From a parsed command to an exit status.

use futures_util::stream::{BoxStream, StreamExt};

use crate::args::{ClientCommand, GlobalArgs};
use crate::command;
use crate::error::CliError;
use crate::exit::{self, ExitStatus};
use crate::io::Io;
use crate::session::{OnInterrupt, Session};
use crate::terminal::pager::Pager;
use crate::terminal::plain::plain;

/// Runs a command to its end, or until it is interrupted. Errors have been printed by then.
pub async fn run(command: ClientCommand, globals: GlobalArgs, io: Io) -> ExitStatus {
    let is_json = command.is_json();
    let may_page = io.can_page && command.is_paged() && !is_json && !globals.no_pager;
    let (mut session, mut interrupts) = Session::new(io, &globals);
    if may_page {
        session.out.pager = Pager::choose(&session.variables);
    }
    let result = tokio::select! {
        biased;
        result = dispatch(command, &mut session) => Some(result),
        () = interruption(&mut interrupts) => None,
    };
    let status = match result {
        Some(Ok(status)) => status,
        Some(Err(error)) => {
            session.out.error(&error, is_json);
            error.kind.exit_status()
        }
        None => {
            session.out.end_echo();
            clean_up(&mut session, &mut interrupts, is_json).await;
            ExitStatus::Interrupted
        }
    };
    session.out.end_paging();
    status
}

/// What an interrupted command leaves to be done and said.
async fn clean_up(session: &mut Session, interrupts: &mut BoxStream<'static, ()>, is_json: bool) {
    let OnInterrupt { advice, undo } = std::mem::take(&mut session.on_interrupt);
    if let Some(advice) = advice {
        session.out.note(&plain(&advice));
    }
    let Some(undo) = undo else { return };
    let undone = tokio::select! {
        biased;
        undone = undo => undone,
        () = interruption(interrupts) => return,
    };
    if let Err(error) = undone {
        session.out.error(&error, is_json);
    }
}

async fn interruption(interrupts: &mut BoxStream<'static, ()>) {
    if interrupts.next().await.is_none() {
        std::future::pending().await
    }
}

async fn dispatch(command: ClientCommand, session: &mut Session) -> Result<ExitStatus, CliError> {
    let done = |()| ExitStatus::Ok;
    match command {
        ClientCommand::Exec(args) => command::exec::run(args, session).await,
        ClientCommand::Run(args) => command::run::run(*args, session).await,
        ClientCommand::List(args) => command::list::run(args, session).await.map(done),
        ClientCommand::Status(args) => command::status::run(args, session).await.map(done),
        ClientCommand::Log(args) => command::log::run(args, session).await.map(done),
        ClientCommand::Diff(args) => command::diff::run(args, session).await.map(done),
        ClientCommand::Apply(args) => command::apply::run(args, session).await.map(done),
        ClientCommand::Compose(args) => command::compose::run(args, session).await,
        ClientCommand::Pr(args) => command::pr::run(args, session).await.map(done),
        ClientCommand::Comment(args) => command::comment::run(args, session).await.map(done),
        ClientCommand::Comments(args) => command::comment::comments(args, session).await.map(done),
        ClientCommand::Approve(args) => command::approve::run(args, session).await.map(done),
        ClientCommand::Open(args) => command::open::run(args, session).await.map(done),
        ClientCommand::FollowUp(args) => command::follow_up::run(args, session).await,
        ClientCommand::Answer(args) => command::answer::run(args, session).await,
        ClientCommand::Steer(args) => command::steer::run(args, session).await.map(done),
        ClientCommand::Interrupt(args) => command::interrupt::run(args, session).await.map(done),
        ClientCommand::Retry(args) => command::retry::run(args, session).await,
        ClientCommand::Choose(args) => command::choose::run(args, session).await.map(done),
        ClientCommand::Cancel(args) => command::cancel::run(args, session).await.map(done),
        ClientCommand::Conflicts(args) => command::conflicts::run(args, session).await.map(done),
        ClientCommand::Session(args) => command::session::run(args, session).await.map(done),
        ClientCommand::Env(args) => command::environment::run(args, session).await.map(done),
        ClientCommand::Credential(args) => command::credential::run(args, session).await.map(done),
        ClientCommand::Model(args) => command::model::run(args, session).await.map(done),
        ClientCommand::Usage(args) => command::usage::run(args, session).await.map(done),
        ClientCommand::Workers(args) => command::workers::run(args, session).await.map(done),
        ClientCommand::Member(args) => command::member::run(args, session).await.map(done),
        ClientCommand::Integration(args) => {
            command::integration::run(args, session).await.map(done)
        }
        ClientCommand::Token(args) => command::token::run(args, session).await.map(done),
        ClientCommand::Audit(args) => command::audit::run(args, session).await.map(done),
        ClientCommand::Schedule(args) => {
            let running = Box::pin(command::schedule::run(args, session));
            running.await.map(done)
        }
        ClientCommand::Notify(args) => command::notify::run(args, session).await.map(done),
        ClientCommand::Webhook(args) => command::webhook::run(args, session).await.map(done),
        ClientCommand::Context(args) => command::context::run(args, session).map(done),
        ClientCommand::Login(args) => command::login::run(args, session).await.map(done),
        ClientCommand::Logout(args) => command::logout::run(args, session).await.map(done),
        ClientCommand::Codex(args) => command::codex::run(args, session).map(done),
        ClientCommand::Shim(args) => command::shim::run(args, session).map(done),
        ClientCommand::Doctor(args) => command::doctor::run(args, session).await,
        ClientCommand::Completion(args) => command::completion::run(args, session).map(done),
        ClientCommand::Man(args) => command::man::run(args, session).map(done),
        ClientCommand::Cloud(args) => match args.command {
            Some(inner) => Box::pin(dispatch(inner.into(), session)).await,
            None => command::picker::run(session).await,
        },
        ClientCommand::ExitCodes => session.out.line(exit::HELP).map(done),
    }
}
