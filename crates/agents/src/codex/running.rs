//! Commands between their start and their end.
//!
//! Codex begins to report a command's output only some 200 ms after its start; what was written before comes with the
//! whole output at the end, and nowhere if the turn is interrupted. (Seen with 0.169.0.)

/// Codex keeps 1 MiB of a command's output; more need not be remembered to find what is missing.
const SEEN_MAX_BYTES: usize = 1024 * 1024;
/// A command that is not remembered repeats nothing and ends without a warning; only its first output may be lost.
const MAX_COMMANDS: usize = 256;

#[derive(Debug, Default)]
pub(super) struct RunningCommands(Vec<RunningCommand>);

#[derive(Debug)]
struct RunningCommand {
    id: String,
    seen: Seen,
}

#[derive(Debug)]
enum Seen {
    Text(String),
    TooMuch,
}

/// What of the whole output was not reported yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreported<'a> {
    Nothing,
    All(&'a str),
    /// Belongs before everything that was reported.
    Beginning(&'a str),
}

impl RunningCommands {
    pub(super) fn started(&mut self, id: &str) {
        if self.0.len() < MAX_COMMANDS {
            self.0.push(RunningCommand {
                id: id.to_owned(),
                seen: Seen::Text(String::new()),
            });
        }
    }

    pub(super) fn output(&mut self, id: &str, text: &str) {
        let Some(command) = self.0.iter_mut().find(|command| command.id == id) else {
            return;
        };
        match &mut command.seen {
            Seen::Text(seen) if seen.len() + text.len() <= SEEN_MAX_BYTES => seen.push_str(text),
            Seen::Text(_) | Seen::TooMuch => command.seen = Seen::TooMuch,
        }
    }

    pub(super) fn finished<'a>(&mut self, id: &str, whole: &'a str) -> Unreported<'a> {
        let Some(at) = self.0.iter().position(|command| command.id == id) else {
            return Unreported::All(whole);
        };
        match self.0.remove(at).seen {
            Seen::TooMuch => Unreported::Nothing,
            Seen::Text(seen) if seen.is_empty() => Unreported::All(whole),
            Seen::Text(seen) => match whole.strip_suffix(&seen) {
                Some("") | None => Unreported::Nothing,
                Some(beginning) => Unreported::Beginning(beginning),
            },
        }
    }

    /// The ids of the commands that never ended, in the order they were started.
    pub(super) fn abandon(&mut self) -> Vec<String> {
        std::mem::take(&mut self.0)
            .into_iter()
            .map(|command| command.id)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(reported: &[&str], whole: &'static str) -> Unreported<'static> {
        let mut running = RunningCommands::default();
        running.started("other");
        running.started("a");
        for text in reported {
            running.output("a", text);
        }
        let unreported = running.finished("a", whole);
        assert_eq!(running.abandon(), ["other"]);
        unreported
    }

    #[test]
    fn only_what_is_missing_is_told_at_the_end() {
        assert_eq!(after(&[], "x\ny\n"), Unreported::All("x\ny\n"));
        assert_eq!(after(&["y", "\n"], "x\ny\n"), Unreported::Beginning("x\n"));
        assert_eq!(after(&["x\n", "y\n"], "x\ny\n"), Unreported::Nothing);
        assert_eq!(after(&["x\n", "y\n"], "x\n[cut]"), Unreported::Nothing);
    }

    #[test]
    fn a_flood_is_not_remembered() {
        let flood = "x".repeat(SEEN_MAX_BYTES);
        assert_eq!(after(&[&flood, "y"], "zy"), Unreported::Nothing);
    }
}
