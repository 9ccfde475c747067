//! Usage, summed up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use outwork_api::task::Tokens;
use outwork_api::usage::UsageSum;
use outwork_domain::TaskId;
use outwork_domain::cost::{Amount, Cost, Currency};
use outwork_store::UsedAttempt;

use crate::view::attempt::{used, wire_cost};

/// Sums as they grow.
#[derive(Default)]
pub(super) struct Sum {
    tasks: BTreeSet<TaskId>,
    attempts: u64,
    tokens: outwork_store::Tokens,
    /// By currency, and whether it was more.
    costs: BTreeMap<Currency, (Amount, bool)>,
    unknown_cost_attempts: u64,
    held: Duration,
}

impl Sum {
    pub(super) fn add(&mut self, it: &UsedAttempt) {
        self.tasks.insert(it.task_id);
        self.attempts += 1;
        self.held += it.held;
        if let Some(tokens) = &it.tokens {
            let outwork_store::Tokens {
                input,
                cached_input,
                output,
                reasoning,
                uncounted_calls,
            } = tokens;
            let all = &mut self.tokens;
            for (sum, more) in [
                (&mut all.input, input),
                (&mut all.cached_input, cached_input),
                (&mut all.output, output),
                (&mut all.reasoning, reasoning),
                (&mut all.uncounted_calls, uncounted_calls),
            ] {
                *sum = sum.saturating_add(*more);
            }
        }
        match cost(it) {
            Some(cost) => {
                let (amount, is_more) = self.costs.entry(cost.currency).or_default();
                *amount = amount.plus(cost.amount);
                *is_more |= cost.is_lower_bound;
            }
            None if uses_model(it) => self.unknown_cost_attempts += 1,
            None => {}
        }
    }

    pub(super) fn wire(self) -> UsageSum {
        let Self {
            tasks,
            attempts,
            tokens,
            costs,
            unknown_cost_attempts,
            held,
        } = self;
        let outwork_store::Tokens {
            input,
            cached_input,
            output,
            reasoning,
            uncounted_calls,
        } = tokens;
        let costs = costs.into_iter().map(|(currency, (amount, is_more))| {
            wire_cost(Cost {
                currency,
                amount,
                is_lower_bound: is_more || unknown_cost_attempts > 0,
            })
        });
        let mut costs: Vec<_> = costs.collect();
        let cost = match costs.len() {
            1 => costs.pop(),
            _ => None,
        };
        UsageSum {
            tasks: tasks.len() as u64,
            attempts,
            tokens: Tokens {
                input,
                cached_input,
                output,
                reasoning,
                uncounted_calls,
            },
            cost,
            costs,
            unknown_cost_attempts,
            sandbox_seconds: held.as_secs(),
        }
    }
}

fn cost(it: &UsedAttempt) -> Option<Cost> {
    it.prices?.cost(used(it.tokens?, it.epoch))
}

/// Whether it may have cost something of which nobody knows: a worker had it, and its agent asks a model or somebody counted.
fn uses_model(it: &UsedAttempt) -> bool {
    let counted = it
        .tokens
        .is_some_and(|tokens| tokens != outwork_store::Tokens::default());
    it.was_claimed && (counted || it.agent != "command")
}
