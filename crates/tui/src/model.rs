//! All that the picker knows.

use outwork_domain::Timestamp;

use crate::event::{Effect, EnvironmentRow, Trouble};
use crate::open_task::OpenTask;
use crate::overlay::{Composer, Overlay};
use crate::plain::plain;
use crate::task_list::TaskList;
use crate::theme::Theme;

/// Something to know, in one line at the bottom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub text: String,
    pub is_trouble: bool,
}

/// The environments.
#[derive(Debug, Default)]
pub(crate) struct Environments {
    pub rows: Vec<EnvironmentRow>,
    pub is_loading: bool,
    pub trouble: Option<String>,
}

/// The picker. [`crate::draw`] shows it.
#[derive(Debug)]
pub struct Model {
    pub(crate) theme: Theme,
    /// The server's address, fit to be shown.
    pub(crate) server: String,
    pub(crate) now: Timestamp,
    pub(crate) columns: u16,
    pub(crate) rows: u16,
    pub(crate) tasks: TaskList,
    pub(crate) open: Option<OpenTask>,
    pub(crate) overlays: Vec<Overlay>,
    /// What was written and not sent: it is there again when somebody comes back.
    pub(crate) put_aside: Option<Composer>,
    pub(crate) environments: Environments,
    /// Whether somebody chose an environment, so that the folder does not.
    pub(crate) has_chosen: bool,
    pub(crate) notice: Option<Notice>,
    /// Why the newest request brought nothing; gone with the next one that does.
    pub(crate) trouble: Option<String>,
    pub(crate) drafts: u64,
    pub(crate) effects: Vec<Effect>,
}

impl Model {
    /// On a screen of `size` (columns, rows), with what is to be done first.
    pub fn new(
        theme: Theme,
        server: &str,
        size: (u16, u16),
        now: Timestamp,
    ) -> (Self, Vec<Effect>) {
        let mut model = Self {
            theme,
            server: plain(server),
            now,
            columns: size.0,
            rows: size.1,
            tasks: TaskList::new(0, None),
            open: None,
            overlays: Vec::new(),
            put_aside: None,
            environments: Environments::default(),
            has_chosen: false,
            notice: None,
            trouble: None,
            drafts: 0,
            effects: Vec::new(),
        };
        model.refresh(true);
        model.load_environments();
        let effects = std::mem::take(&mut model.effects);
        (model, effects)
    }

    /// The label of the environment that the list is limited to.
    pub(crate) fn environment(&self) -> Option<&EnvironmentRow> {
        let id = self.tasks.environment()?;
        self.environments.rows.iter().find(|row| row.id == id)
    }

    /// How many rows of tasks are seen.
    pub(crate) fn list_height(&self) -> usize {
        // Title, column headers, notice, keys.
        usize::from(self.rows).saturating_sub(4).max(1)
    }

    /// How many rows of an open task are seen.
    pub(crate) fn page_height(&self) -> usize {
        // Title, tabs, notice, keys.
        usize::from(self.rows).saturating_sub(4).max(1)
    }

    /// How many columns text is wrapped to.
    pub(crate) fn page_columns(&self) -> usize {
        usize::from(self.columns).saturating_sub(1).max(1)
    }

    pub(crate) fn say(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice {
            text: plain(&text.into()),
            is_trouble: false,
        });
    }

    pub(crate) fn complain(&mut self, trouble: &Trouble) {
        self.notice = Some(Notice {
            text: sentence(trouble),
            is_trouble: true,
        });
    }

    /// Asks for what is seen and due.
    pub(crate) fn refresh(&mut self, is_urgent: bool) {
        match &mut self.open {
            Some(open) => {
                if open.is_due(self.now) {
                    let task = open.id.clone();
                    self.effects.push(Effect::LoadTask { task });
                }
            }
            None => {
                let height = self.list_height();
                let wants = self.tasks.wants(self.now, height, is_urgent);
                self.effects.extend(wants);
            }
        }
    }

    pub(crate) fn load_environments(&mut self) {
        if !self.environments.is_loading {
            self.environments.is_loading = true;
            self.effects.push(Effect::LoadEnvironments);
        }
    }
}

/// In one line, with what to do.
pub(crate) fn sentence(trouble: &Trouble) -> String {
    let Trouble {
        message,
        details,
        hint,
    } = trouble;
    let mut text = plain(message);
    for more in details.iter().take(1).chain(hint) {
        text = format!("{text}; {}", plain(more));
    }
    text
}
