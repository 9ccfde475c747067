//! Which of a task's turns is seen.

use outwork_api::task::Turn;

use super::OpenTask;
use crate::event::Effect;

impl OpenTask {
    /// The turn that is seen.
    pub fn turn(&self) -> Option<&Turn> {
        let turns = &self.task.as_ref()?.turns;
        let older = || turns.iter().find(|turn| Some(turn.number) == self.older);
        older().or(turns.last())
    }

    /// How many turns there are.
    pub fn turn_total(&self) -> usize {
        self.task.as_ref().map_or(0, |task| task.turns.len())
    }

    /// Whether the turn that is seen is the newest.
    pub fn is_newest(&self) -> bool {
        let newest = self.task.as_ref().and_then(|task| task.turns.last());
        newest.map(|turn| turn.number) == self.turn().map(|turn| turn.number)
    }

    /// Goes to the turn before or after this one.
    pub fn step_turn(&mut self, is_forward: bool, columns: usize) -> Vec<Effect> {
        let turns = self.task.iter().flat_map(|task| &task.turns);
        let seen = self.turn().map(|turn| turn.number);
        let mut turns = turns.map(|turn| Some(turn.number));
        let found = match is_forward {
            true => turns.find(|number| *number > seen),
            false => turns.rfind(|number| *number < seen),
        };
        match found {
            Some(number) => self.see_turn(number, columns),
            None => Vec::new(),
        }
    }

    /// Shows that turn; the newest if it is none.
    pub fn see_turn(&mut self, number: Option<u32>, columns: usize) -> Vec<Effect> {
        self.older = number;
        self.older = self.older.filter(|_| !self.is_newest());
        (self.attempt, self.repository) = (0, 0);
        self.tops = [0; 4];
        self.wrap(columns);
        self.settle(columns)
    }
}
