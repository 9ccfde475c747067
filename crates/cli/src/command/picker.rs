//! `outwork` alone at a terminal, `outwork cloud`: the picker.

mod apply;
mod hands;
mod log;

use std::time::Duration;

use outwork_api::client::ClientError;
use outwork_tui::{Ended, Model, Theme, Trouble};
use tokio::sync::mpsc;

use self::hands::Hands;
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::session::Session;

/// How long the server has for a list or a task.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many answers wait for the screen; whoever has more waits too.
const ANSWERS: usize = 256;

pub(crate) async fn run(session: &mut Session) -> Result<ExitStatus, CliError> {
    if !(session.stdin_is_terminal && session.out.stdout_is_terminal) {
        return Err(CliError::usage("the picker needs a terminal").hint(
            "use `outwork list`, `outwork status` and the like; `outwork --help` shows all",
        ));
    }
    let client = session.client()?;
    let colours = session.variables.text("COLORTERM");
    let has_any = matches!(colours.as_deref(), Some("truecolor" | "24bit"));
    let theme = match (session.out.stdout_style.is_coloured(), has_any) {
        (true, true) => Theme::TrueColour,
        (true, false) => Theme::Coloured,
        (false, _) => Theme::Plain,
    };
    let server = client.base_url().to_owned();
    let (sender, answers) = mpsc::channel(ANSWERS);
    let mut hands = Hands::new(session, client, sender);
    let mut screen = (session.open_screen)().map_err(unusable)?;
    let size = screen.size().map_err(unusable)?;
    let model = Model::new(theme, &server, size, (session.now)());
    let carry_out = |effect| hands.carry_out(effect);
    let ended = outwork_tui::run(&mut screen, model, session.now, carry_out, answers).await;
    drop(screen);
    match ended.map_err(unusable)? {
        Ended::Quit => Ok(ExitStatus::Ok),
        Ended::Terminated => Ok(ExitStatus::Interrupted),
    }
}

fn unusable(error: std::io::Error) -> CliError {
    CliError::failed("the terminal cannot be used")
        .code("terminal")
        .source(error)
}

/// What the server answers within its time.
async fn in_time<T>(request: impl Future<Output = Result<T, ClientError>>) -> Result<T, Trouble> {
    match tokio::time::timeout(PATIENCE, request).await {
        Ok(answer) => answer.map_err(|error| trouble(error.into())),
        Err(_) => Err(Trouble {
            message: format!(
                "the server did not answer within {} seconds",
                PATIENCE.as_secs()
            ),
            details: Vec::new(),
            hint: Some("it is asked again".to_owned()),
        }),
    }
}

fn trouble(error: CliError) -> Trouble {
    Trouble {
        message: error.message,
        details: error.details,
        hint: error.hint,
    }
}
