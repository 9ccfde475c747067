//! The command line.

use clap::{Args, Subcommand, ValueEnum};

use crate::command;

/// Flags of every command.
#[derive(Args, Clone, Debug, Default)]
pub struct GlobalArgs {
    /// The server to use, by address or context, instead of $OUTWORK_URL or the one signed in to
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help_heading = "Global options"
    )]
    pub url: Option<String>,
    /// When to colour: auto, always or never
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        help_heading = "Global options"
    )]
    pub color: Color,
    /// Print long results straight to the terminal, without $OUTWORK_PAGER or $PAGER
    #[arg(long, global = true, help_heading = "Global options")]
    pub no_pager: bool,
    /// Say nothing but results and errors
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub quiet: bool,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands that talk to a server. To be flattened into the program's own enum.
#[derive(Subcommand, Clone, Debug)]
pub enum ClientCommand {
    /// Submit a task
    Exec(command::exec::ExecArgs),
    /// What the program makes of its own `run`, which takes more than is known here.
    #[command(skip)]
    Run(Box<command::run::RunArgs>),
    /// List the recent tasks
    List(command::list::ListArgs),
    /// Show a task
    Status(command::status::StatusArgs),
    /// Show what happened in a task
    Log(command::log::LogArgs),
    /// Print a task's diff
    Diff(command::diff::DiffArgs),
    #[command(visible_alias = "a")]
    Apply(command::apply::ApplyArgs),
    Compose(command::compose::ComposeArgs),
    /// Open a pull request from a task's result
    Pr(command::pr::PrArgs),
    /// Comment on a file of a task's diff, or on lines of it
    Comment(command::comment::CommentArgs),
    /// List what was said about a task's results
    Comments(command::comment::CommentsArgs),
    /// Approve a task's result, or reject it
    Approve(command::approve::ApproveArgs),
    Open(command::open::OpenArgs),
    /// Ask more of a task, in the same session
    FollowUp(command::follow_up::FollowUpArgs),
    /// Answer an agent's question
    Answer(command::answer::AnswerArgs),
    /// Tell a running agent something
    Steer(command::steer::SteerArgs),
    /// End an agent's turn, to say how it goes on
    Interrupt(command::interrupt::InterruptArgs),
    /// Run a task's newest turn once more
    Retry(command::retry::RetryArgs),
    /// Stop a task
    Cancel(command::cancel::CancelArgs),
    Choose(command::choose::ChooseArgs),
    /// Show which open tasks are about the same files
    Conflicts(command::conflicts::ConflictsArgs),
    #[command(subcommand)]
    Schedule(command::schedule::ScheduleCommand),
    /// Take a task's conversation home
    #[command(subcommand)]
    Session(command::session::SessionCommand),
    /// Make and change environments: how the tasks of a repository run
    #[command(subcommand)]
    Env(command::environment::EnvironmentCommand),
    /// Keep credentials for private repositories
    #[command(subcommand)]
    Credential(command::credential::CredentialCommand),
    /// Set the model that agents use
    #[command(subcommand)]
    Model(command::model::ModelCommand),
    Workers(command::workers::WorkersArgs),
    #[command(subcommand)]
    Member(command::member::MemberCommand),
    #[command(subcommand)]
    Token(command::token::TokenCommand),
    #[command(subcommand)]
    Integration(command::integration::IntegrationCommand),
    Audit(command::audit::AuditArgs),
    #[command(subcommand)]
    Notify(command::notify::NotifyCommand),
    #[command(subcommand)]
    Webhook(command::webhook::WebhookCommand),
    /// Show what was used: tokens, cost, and time
    Usage(command::usage::UsageArgs),
    /// Sign in to a server
    Login(command::login::LoginArgs),
    Logout(command::logout::LogoutArgs),
    #[command(subcommand)]
    Context(command::context::ContextCommand),
    Codex(command::codex::CodexArgs),
    #[command(subcommand)]
    Shim(command::shim::ShimCommand),
    /// Check the setup
    Doctor(command::doctor::DoctorArgs),
    /// Print completions for a shell
    Completion(command::completion::CompletionArgs),
    /// Write the manual pages, one for each command
    Man(command::man::ManArgs),
    /// The picker; and the same commands as the stock client names them
    #[command(hide = true, alias = "cloud-tasks")]
    Cloud(CloudArgs),
    /// The exit codes of all commands
    #[command(hide = true, override_help = crate::exit::HELP)]
    ExitCodes,
}

/// `outwork cloud`, which is the picker unless a command follows.
#[derive(Args, Clone, Debug, Default)]
pub struct CloudArgs {
    #[command(subcommand)]
    pub command: Option<CloudCommand>,
}

/// `outwork cloud …`, for scripts written for the stock client.
#[derive(Subcommand, Clone, Debug)]
pub enum CloudCommand {
    /// Submit a task
    Exec(command::exec::ExecArgs),
    /// List the recent tasks
    List(command::list::ListArgs),
    /// Show a task
    Status(command::status::StatusArgs),
    /// Print a task's diff
    Diff(command::diff::DiffArgs),
    Apply(command::apply::ApplyArgs),
}

impl From<CloudCommand> for ClientCommand {
    fn from(command: CloudCommand) -> Self {
        match command {
            CloudCommand::Exec(args) => Self::Exec(args),
            CloudCommand::List(args) => Self::List(args),
            CloudCommand::Status(args) => Self::Status(args),
            CloudCommand::Diff(args) => Self::Diff(args),
            CloudCommand::Apply(args) => Self::Apply(args),
        }
    }
}

impl ClientCommand {
    /// Whether results, and so errors, are JSON.
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::Exec(args) => args.submitted.json,
            Self::Run(args) => args.json,
            Self::List(args) => args.json,
            Self::Status(args) => args.json,
            Self::Log(args) => args.json,
            Self::FollowUp(args) => args.submitted.json,
            Self::Answer(args) => args.submitted.json,
            Self::Steer(args) => args.json,
            Self::Interrupt(args) => args.json,
            Self::Retry(args) => args.submitted.json,
            Self::Compose(args) => args.submitted.json,
            Self::Cancel(args) => args.json,
            Self::Choose(args) => args.json,
            Self::Conflicts(args) => args.json,
            Self::Apply(args) => args.json,
            Self::Pr(args) => args.json,
            Self::Comment(args) => args.json,
            Self::Comments(args) => args.is_json(),
            Self::Approve(args) => args.json,
            Self::Session(command) => command.is_json(),
            Self::Env(command) => command.is_json(),
            Self::Credential(command) => command.is_json(),
            Self::Model(command) => command.is_json(),
            Self::Workers(args) => args.is_json(),
            Self::Member(command) => command.is_json(),
            Self::Token(command) => command.is_json(),
            Self::Integration(command) => command.is_json(),
            Self::Audit(args) => args.json,
            Self::Schedule(command) => command.is_json(),
            Self::Notify(command) => command.is_json(),
            Self::Webhook(command) => command.is_json(),
            Self::Usage(args) => args.json,
            Self::Context(command) => command.is_json(),
            Self::Doctor(args) => args.json,
            Self::Cloud(args) => {
                let command = args.command.clone();
                command.is_some_and(|command| Self::from(command).is_json())
            }
            Self::Diff(_)
            | Self::Open(_)
            | Self::Login(_)
            | Self::Logout(_)
            | Self::Codex(_)
            | Self::Shim(_)
            | Self::Completion(_)
            | Self::Man(_)
            | Self::ExitCodes => false,
        }
    }
}

impl ClientCommand {
    /// Whether its result may be longer than the screen, and ends by itself.
    pub(crate) fn is_paged(&self) -> bool {
        match self {
            Self::List(_)
            | Self::Status(_)
            | Self::Diff(_)
            | Self::Comments(_)
            | Self::Conflicts(_)
            | Self::Audit(_)
            | Self::Usage(_)
            | Self::ExitCodes => true,
            Self::Compose(args) => args.list || args.dry_run,
            Self::Log(args) => !args.follow,
            Self::Env(command) => command.is_paged(),
            Self::Integration(command) => command.is_paged(),
            Self::Cloud(args) => {
                let command = args.command.clone();
                command.is_some_and(|command| Self::from(command).is_paged())
            }
            Self::Exec(_)
            | Self::Run(_)
            | Self::Apply(_)
            | Self::Pr(_)
            | Self::Comment(_)
            | Self::Approve(_)
            | Self::Open(_)
            | Self::FollowUp(_)
            | Self::Answer(_)
            | Self::Steer(_)
            | Self::Interrupt(_)
            | Self::Retry(_)
            | Self::Cancel(_)
            | Self::Choose(_)
            | Self::Session(_)
            | Self::Credential(_)
            | Self::Model(_)
            | Self::Workers(_)
            | Self::Member(_)
            | Self::Schedule(_)
            | Self::Token(_)
            | Self::Notify(_)
            | Self::Webhook(_)
            | Self::Login(_)
            | Self::Logout(_)
            | Self::Context(_)
            | Self::Codex(_)
            | Self::Shim(_)
            | Self::Doctor(_)
            | Self::Completion(_)
            | Self::Man(_) => false,
        }
    }
}

/// Reads a number of attempts or turns: 1 or more.
pub(crate) fn from_one(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("give a number, 1 or more".to_owned()),
        Ok(number) => Ok(number),
    }
}
