//! What an agent has begun and not ended.

use std::collections::HashMap;

use outwork_agents::ItemId;

/// That are remembered; an agent can begin any number.
const REMEMBERED: usize = 1000;
/// Of a command's line.
const LINE_BYTES: usize = 200;

#[derive(Default)]
pub(super) struct OpenCommands {
    /// Their lines, and when they came.
    open: HashMap<ItemId, (u64, String)>,
    begun: u64,
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
        self.open.remove(item);
    }

    pub(super) fn are_none(&self) -> bool {
        self.open.is_empty()
    }

    /// The line that what happens now is put down to.
    pub(super) fn newest(&self) -> Option<String> {
        let newest = self.open.values().max_by_key(|(begun, _)| *begun);
        newest.map(|(_, line)| line.clone())
    }
}
