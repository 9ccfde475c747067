//! How things stand out: by colour if that is wanted, and always by something else too.

use ratatui::style::{Color, Modifier, Style};

use crate::open_task::Mark;
use crate::patch::Kind;
use crate::syntax::Token;
use crate::task_row::Status;

/// Whether there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// The terminal's own sixteen.
    Coloured,
    /// These, and behind lines of a diff any others.
    TrueColour,
    /// None: bold, dim and reversed only.
    Plain,
}

impl Theme {
    fn fg(self, color: Color) -> Style {
        match self {
            Self::Coloured | Self::TrueColour => Style::new().fg(color),
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

    pub(crate) fn mark(self, mark: Mark) -> Style {
        match mark {
            Mark::Text => self.title(),
            Mark::Heading => self.bold(),
            Mark::Dim => self.dim(),
            Mark::Asks => self.attention(),
            Mark::Trouble => self.trouble(),
            Mark::Status(status) => self.status(status),
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

    /// All of a line of a diff, behind its text.
    pub(crate) fn line(self, kind: Kind) -> Style {
        // With the text's colour: the terminal's own may be as dark as this.
        match (self, kind) {
            (Self::TrueColour, Kind::Added) => ON_ADDED,
            (Self::TrueColour, Kind::Removed) => ON_REMOVED,
            _ => Style::new(),
        }
    }

    /// A word of code in a line of a diff. What stands there plainly is as green or red as the line's sign.
    pub(crate) fn code(self, kind: Kind, token: Token) -> Style {
        let has_changed = matches!(kind, Kind::Added | Kind::Removed);
        let style = match self {
            Self::Plain => return Style::new(),
            Self::TrueColour if has_changed => self.line(kind),
            Self::TrueColour | Self::Coloured => self.patch(kind),
        };
        let [many, few] = match token {
            Token::Text => return style,
            Token::Keyword => [KEYWORD, Color::Magenta],
            Token::Type => [TYPE, Color::Cyan],
            Token::Function => [FUNCTION, Color::Blue],
            Token::Key => [TYPE, Color::Cyan],
            Token::String => [STRING, Color::Yellow],
            Token::Number => [NUMBER, Color::Cyan],
            Token::Comment => [COMMENT, Color::Reset],
        };
        match (self, token) {
            (Self::TrueColour, _) if has_changed => style.fg(many),
            // Not another colour: it is still to be seen whether it came in or went.
            (_, Token::Comment) => style.add_modifier(Modifier::DIM),
            _ => style.fg(few),
        }
    }
}

// Behind lines, and light enough upon them.
const ON_ADDED: Style = Style::new()
    .bg(Color::Rgb(16, 54, 32))
    .fg(Color::Rgb(214, 236, 218));
const ON_REMOVED: Style = Style::new()
    .bg(Color::Rgb(70, 26, 30))
    .fg(Color::Rgb(244, 216, 216));
const KEYWORD: Color = Color::Rgb(224, 164, 248);
const TYPE: Color = Color::Rgb(130, 214, 222);
const FUNCTION: Color = Color::Rgb(150, 196, 255);
const STRING: Color = Color::Rgb(240, 210, 130);
const NUMBER: Color = Color::Rgb(248, 176, 130);
const COMMENT: Color = Color::Rgb(168, 178, 172);
