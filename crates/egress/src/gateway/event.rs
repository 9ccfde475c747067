//! What the one who watches a gateway is told.

use std::time::Duration;

use super::endpoint::Endpoint;
use super::refusal::Refusal;
use super::retry::RetryReason;
use super::upstream::UpstreamErrorKind;
use super::usage::Usage;

/// Per request: `Started`, then perhaps `Retried`, `FirstByte` and `UpstreamError`,
/// then `Finished`. A request that is refused on arrival is only `Refused`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayEvent {
    /// `n` counts the forwarded requests of this gateway, from 1.
    Started {
        n: u64,
        endpoint: Endpoint,
    },
    /// It is sent again after `wait`; the agent has seen nothing yet.
    Retried {
        n: u64,
        reason: RetryReason,
        wait: Duration,
    },
    /// The head of the answer came, `after` the start.
    FirstByte {
        n: u64,
        status: u16,
        after: Duration,
    },
    Finished {
        n: u64,
        /// What the agent got; `None` if it got no answer.
        status: Option<u16>,
        duration: Duration,
        tokens: Tokens,
        ending: Ending,
    },
    Refused {
        reason: Refusal,
    },
    UpstreamError {
        n: u64,
        kind: UpstreamErrorKind,
    },
    /// A call was refused or cut because the budget is used up. It comes once, with
    /// the first of them, and is never dropped.
    BudgetExceeded(Spending),
}

/// What is known of the tokens used, beside the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spending {
    pub max_tokens: u64,
    /// As the model's endpoint counted: input, cached input included, and output.
    pub counted: u64,
    /// For calls that nobody counted, and for those under way: from their sizes.
    pub estimated: u64,
}

/// What a request cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// As the endpoint said at the end of its answer.
    Counted(Usage),
    /// It may have cost something: the endpoint did not say, or the answer broke off.
    Unknown,
    /// An endpoint without tokens, or no successful answer.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The whole answer was passed on, or one of our own was given.
    Complete,
    /// The agent left first.
    ClientGone,
    /// The endpoint broke off inside its answer, or went over a limit.
    Broken(UpstreamErrorKind),
    /// It was cut: the budget is used up.
    OverBudget,
    /// The gateway was stopped.
    Stopped,
}

/// Sums over the life of a gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Forwarded; the finished ones are `counted + unknown + without_tokens`.
    pub started: u64,
    pub refused: u64,
    /// Requests sent again.
    pub retried: u64,
    /// The sum over the counted requests.
    pub usage: Usage,
    /// Requests in `usage`.
    pub counted: u64,
    /// Requests that may have cost tokens nobody counted.
    pub unknown: u64,
    /// What those may have cost, from their sizes. Only the budget is charged with
    /// it: it is no count.
    pub unknown_estimate: u64,
    pub without_tokens: u64,
    /// A call was refused or cut for it.
    pub over_budget: bool,
    /// Events that found the channel full.
    pub events_dropped: u64,
}
