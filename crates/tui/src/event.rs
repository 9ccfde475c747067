//! What goes into the model and what comes out of it.

use outwork_api::page::Page;
use outwork_api::task::{Task, TaskSummary};
use outwork_domain::Timestamp;
use ratatui::crossterm::event::{KeyEvent, MouseEvent};

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse did something.
    Mouse(MouseEvent),
    /// Text was pasted.
    Paste(String),
    /// The screen has other columns and rows now.
    Resize(u16, u16),
    /// Time passed; about once a second.
    Tick(Timestamp),
    /// What came of an effect.
    Answer(Answer),
}

/// Something to be done outside. Each but `FollowLog` and `Quit` is answered once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A page of tasks.
    ListTasks {
        /// Given back with the answer: a page for a list that is gone is dropped.
        list: u64,
        /// Only those of this environment, by id.
        environment: Option<String>,
        /// Reviews of code; else everything else.
        reviews: bool,
        /// From there on; the newest when absent.
        cursor: Option<String>,
    },
    /// A task with its turns.
    LoadTask {
        /// `task_…`.
        task: String,
    },
    /// Follow this attempt's log from its beginning, and no other any more.
    FollowLog {
        /// `att_…`; none: only stop.
        attempt: Option<String>,
    },
    /// A diff.
    LoadDiff(DiffKey),
    /// All environments, and which of them the current folder is a clone for.
    LoadEnvironments,
    /// Whether a diff would apply here.
    Preflight(DiffKey),
    /// Apply a diff here.
    Apply {
        /// Which; its repository is the one that the folder is a clone of.
        key: DiffKey,
        /// Leave conflict markers where it does not fit.
        merge: bool,
    },
    /// Stop a task.
    Cancel {
        /// `task_…`.
        task: String,
    },
    /// Something that is sent: `draft` names it, and stays the same when it is sent again.
    Send {
        /// The same text for the same recipient.
        draft: u64,
        /// What.
        said: Said,
    },
    /// The end.
    Quit,
}

/// What a person has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A new task.
    Submit {
        /// The environment's id.
        environment: String,
        /// What is to be done.
        prompt: String,
        /// How many attempts.
        attempts: u32,
    },
    /// One turn more.
    FollowUp {
        /// `task_…`.
        task: String,
        /// The attempt that it goes on from.
        attempt: Option<u32>,
        /// What is to be done.
        prompt: String,
        /// How many attempts.
        attempts: u32,
    },
    /// An answer to a question.
    Answer {
        /// `task_…`.
        task: String,
        /// The attempt that asks.
        attempt: u32,
        /// The answer.
        text: String,
    },
}

/// Names a diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffKey {
    /// `task_…`.
    pub task: String,
    /// The turn's number.
    pub turn: u32,
    /// The attempt's number.
    pub attempt: u32,
    /// The repository's name; the first when absent.
    pub repository: Option<String>,
}

/// What came of an effect.
#[derive(Debug)]
pub enum Answer {
    /// A page of tasks.
    Tasks {
        /// The list that it is for.
        list: u64,
        /// Where it begins.
        cursor: Option<String>,
        /// The page.
        page: Result<Page<TaskSummary>, Trouble>,
    },
    /// A task.
    Task {
        /// Which.
        task: String,
        /// The task.
        result: Result<Box<Task>, Trouble>,
    },
    /// The next lines of a log.
    Log {
        /// Of which attempt.
        attempt: String,
        /// Lines.
        lines: Vec<String>,
    },
    /// The server is away; following goes on.
    LogAway {
        /// Of which attempt.
        attempt: String,
    },
    /// Following a log ended.
    LogEnded {
        /// Of which attempt.
        attempt: String,
        /// Why, if not because the attempt ended.
        trouble: Option<Trouble>,
    },
    /// A diff.
    Diff {
        /// Which.
        key: DiffKey,
        /// The patch.
        result: Result<Vec<u8>, Trouble>,
    },
    /// The environments.
    Environments(Result<Vec<EnvironmentRow>, Trouble>),
    /// What applying would do.
    Preflight {
        /// Of which diff.
        key: DiffKey,
        /// What.
        result: Result<ApplyPlan, Trouble>,
    },
    /// What applying did.
    Applied {
        /// Of which diff.
        key: DiffKey,
        /// What.
        result: Result<Applied, Trouble>,
    },
    /// A task was asked to stop.
    Cancelled(Result<Box<Task>, Trouble>),
    /// Something was sent.
    Sent {
        /// What.
        draft: u64,
        /// The task as it is now.
        result: Result<Box<Task>, Trouble>,
    },
}

/// Why something did not work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// What happened.
    pub message: String,
    /// Its parts.
    pub details: Vec<String>,
    /// What to do.
    pub hint: Option<String>,
}

/// What applying a diff would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplyPlan {
    /// The top of the repository that it is applied to.
    pub folder: String,
    /// The repository's name, where the task has several.
    pub repository: Option<String>,
    /// The files that would change.
    pub files: Vec<String>,
    /// Where it does not fit, and why.
    pub conflicts: Vec<String>,
    /// What is left out: the diffs of other repositories.
    pub skipped: Vec<String>,
}

/// What applying a diff did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The files that changed.
    pub files: Vec<String>,
    /// Those with conflict markers.
    pub conflicted: Vec<String>,
}

/// An environment as it stands in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvironmentRow {
    /// `env_…`.
    pub id: String,
    /// What people call it.
    pub label: String,
    /// Where its repository is.
    pub repository: String,
    /// Whether the current folder is a clone of that.
    pub is_here: bool,
}
