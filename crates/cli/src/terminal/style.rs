//! Colours, if they are wanted.

use crate::args::Color;
use crate::config::Variables;

/// How a piece of text stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Cyan,
}

/// Whether one stream gets escape codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    is_coloured: bool,
}

impl Style {
    pub const PLAIN: Self = Self { is_coloured: false };

    /// The flag decides; else `NO_COLOR`, `CLICOLOR_FORCE`, `CLICOLOR`, `TERM`; else the stream.
    pub fn choose(color: Color, variables: &Variables, is_terminal: bool) -> Self {
        let is_set = |name| variables.text(name).is_some_and(|value| !value.is_empty());
        let is_on = |name| is_set(name) && variables.text(name).as_deref() != Some("0");
        let is_coloured = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto if is_set("NO_COLOR") => false,
            Color::Auto if is_on("CLICOLOR_FORCE") => true,
            Color::Auto if variables.text("CLICOLOR").as_deref() == Some("0") => false,
            Color::Auto => is_terminal && variables.text("TERM").as_deref() != Some("dumb"),
        };
        Self { is_coloured }
    }

    pub fn is_coloured(self) -> bool {
        self.is_coloured
    }

    pub fn paint(self, paint: Paint, text: &str) -> String {
        if !self.is_coloured || text.is_empty() {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Bold => "1",
            Paint::Dim => "2",
            Paint::Red => "31",
            Paint::Green => "32",
            Paint::Yellow => "33",
            Paint::Cyan => "36",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_then_the_variables_then_the_stream() {
        type Case<'a> = (Color, &'a [(&'a str, &'a str)], bool, bool);
        let cases: [Case<'_>; 9] = [
            (Color::Auto, &[], true, true),
            (Color::Auto, &[], false, false),
            (Color::Auto, &[("NO_COLOR", "1")], true, false),
            (Color::Auto, &[("NO_COLOR", "")], true, true),
            (Color::Auto, &[("CLICOLOR", "0")], true, false),
            (Color::Auto, &[("CLICOLOR_FORCE", "1")], false, true),
            (Color::Auto, &[("TERM", "dumb")], true, false),
            (Color::Always, &[("NO_COLOR", "1")], false, true),
            (Color::Never, &[("CLICOLOR_FORCE", "1")], true, false),
        ];
        for (color, variables, is_terminal, expected) in cases {
            let style = Style::choose(color, &Variables::from_texts(variables), is_terminal);
            assert_eq!(
                style.is_coloured, expected,
                "{color:?} {variables:?} {is_terminal}"
            );
        }
    }
}
