//! What an agent has begun and not ended.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use outwork_agents::ItemId;

/// That are remembered; an agent can begin any number.
const REMEMBERED: usize = 1000;
/// Of a command's line.
const LINE_BYTES: usize = 200;
/// What ended a command can be told after the agent has told of its end, by another way.
const JUST_NOW: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct OpenCommands {
    /// Their lines, and when they came.
    open: HashMap<ItemId, (u64, String)>,
    begun: u64,
    closed_last: Option<(Instant, String)>,
}

impl OpenCommands {
    pub(super) fn open(&mut self, item: &ItemId, line: &str) {
        if self.open.len() < REMEMBERED {
            self.begun += 1;
            let line = line[..line.floor_char_boundary(LINE_BYTES)].to_owned();
            self.open.insert(item.clone(), (self.begun, line));
        }
    }

    pub(super) fn close(&mut self, item: &ItemId) {
        if let Some((_, line)) = self.open.remove(item) {
            self.closed_last = Some((Instant::now(), line));
        }
    }

    pub(super) fn are_none(&self) -> bool {
        self.open.is_empty()
    }

    /// The line that what happens now is put down to.
    pub(super) fn newest(&self) -> Option<String> {
        let newest = self.open.values().max_by_key(|(begun, _)| *begun);
        let newest = newest.map(|(_, line)| line);
        let just_ended = self
            .closed_last
            .as_ref()
            .filter(|(at, _)| at.elapsed() < JUST_NOW);
        newest.or(just_ended.map(|(_, line)| line)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_is_put_down_to_what_runs_or_has_just_ended() {
        let mut commands = OpenCommands::default();
        assert_eq!(commands.newest(), None);
        let (first, second) = (ItemId("1".to_owned()), ItemId("2".to_owned()));
        commands.open(&first, "npm ci");
        commands.open(&second, "npm test");
        assert_eq!(commands.newest().as_deref(), Some("npm test"));
        commands.close(&second);
        assert_eq!(commands.newest().as_deref(), Some("npm ci"));
        commands.close(&first);
        assert!(commands.are_none());
        assert_eq!(commands.newest().as_deref(), Some("npm ci"));
        let long_ago = Instant::now().checked_sub(JUST_NOW).unwrap();
        commands.closed_last = Some((long_ago, "npm ci".to_owned()));
        assert_eq!(commands.newest(), None);
    }
}
