//! The tokens that the agent of one gateway may use.

use super::event::Spending;

/// All calls of a gateway share one. Without a limit it only adds up.
#[derive(Debug, Default)]
pub(super) struct Budget {
    max_tokens: Option<u64>,
    counted: u64,
    /// For calls that ended uncounted.
    estimated: u64,
    /// What the calls under way have used at least.
    open: u64,
}

impl Budget {
    pub(super) fn new(max_tokens: Option<u64>) -> Self {
        Self {
            max_tokens,
            ..Self::default()
        }
    }

    /// What a call may use in all that is under way with `own` so far; `None`
    /// without a limit.
    pub(super) fn room(&self, own: u64) -> Option<u64> {
        let others = self.spent().saturating_sub(own);
        self.max_tokens.map(|max| max.saturating_sub(others))
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.max_tokens.is_some_and(|max| self.spent() >= max)
    }

    /// A call under way has used `now` at least, where it had used `before`.
    pub(super) fn under_way(&mut self, before: u64, now: u64) {
        self.open = self.open.saturating_sub(before).saturating_add(now);
    }

    pub(super) fn counted(&mut self, tokens: u64) {
        self.counted = self.counted.saturating_add(tokens);
    }

    pub(super) fn estimated(&mut self, tokens: u64) {
        self.estimated = self.estimated.saturating_add(tokens);
    }

    /// `None` without a limit.
    pub(super) fn spending(&self) -> Option<Spending> {
        self.max_tokens.map(|max_tokens| Spending {
            max_tokens,
            counted: self.counted,
            estimated: self.estimated.saturating_add(self.open),
        })
    }

    fn spent(&self) -> u64 {
        self.counted
            .saturating_add(self.estimated)
            .saturating_add(self.open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_the_room_that_the_others_leave() {
        let mut budget = Budget::new(Some(100));
        budget.counted(30);
        budget.estimated(10);
        budget.under_way(0, 20);
        budget.under_way(0, 15);
        assert_eq!(budget.room(20), Some(45));
        budget.under_way(20, 45);
        assert!(budget.is_used_up());
        let spending = Spending {
            max_tokens: 100,
            counted: 30,
            estimated: 70,
        };
        assert_eq!(budget.spending(), Some(spending));
        budget.under_way(45, 0);
        budget.counted(44);
        assert!(!budget.is_used_up(), "99 of 100");
    }

    #[test]
    fn without_a_limit_nothing_is_used_up() {
        let mut budget = Budget::new(None);
        budget.counted(u64::MAX);
        budget.under_way(0, u64::MAX);
        assert!(!budget.is_used_up());
        assert_eq!((budget.room(0), budget.spending()), (None, None));
    }
}
