//! How things stand out: by colour if that is wanted, and always by something else too.

use ratatui::style::{Color, Modifier, Style};

use crate::patch::Kind;
use crate::task_row::Status;

/// Whether there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// The terminal's own sixteen.
    Coloured,
    /// None: bold, dim and reversed only.
    Plain,
}

impl Theme {
    fn fg(self, color: Color) -> Style {
        match self {
            Self::Coloured => Style::new().fg(color),
            Self::Plain => Style::new(),
        }
    }

    pub(crate) fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(crate) fn title(self) -> Style {
        Style::new()
    }

    pub(crate) fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(crate) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub(crate) fn key(self) -> Style {
        self.fg(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    pub(crate) fn trouble(self) -> Style {
        self.fg(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub(crate) fn good(self) -> Style {
        self.fg(Color::Green)
    }

    pub(crate) fn attention(self) -> Style {
        self.fg(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    pub(crate) fn status(self, status: Status) -> Style {
        match status {
            Status::Pending | Status::Unknown => self.dim(),
            Status::Running => self.fg(Color::Cyan),
            Status::NeedsInput => self.attention(),
            Status::Completed => self.good(),
            Status::Failed => self.fg(Color::Red),
        }
    }

    pub(crate) fn patch(self, kind: Kind) -> Style {
        match kind {
            Kind::Header => self.bold(),
            Kind::Hunk => self.fg(Color::Cyan),
            Kind::Added => self.good(),
            Kind::Removed => self.fg(Color::Red),
            Kind::Context => Style::new(),
        }
    }
}
