//! What a verb's error means for trying again.

use std::time::Duration;

use outwork_api::problem::Code;
use outwork_api::worker::WorkerError;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server is away or cannot serve now: the same again, later.
    Again,
    /// The server refuses this worker; an operator may change that.
    Refused,
    /// The worker's token was revoked, for good.
    Revoked,
    /// The server does not know this worker.
    Unknown,
    /// The claim is not ours any more.
    Stale,
    /// The attempt has ended; there is nothing more to do for it.
    Ended,
    /// Something before it is missing at the server.
    OutOfOrder,
    /// The server will never accept this.
    Rejected,
}

/// What to do about the error.
pub fn verdict(error: &WorkerError) -> Verdict {
    let problem = match error {
        WorkerError::Unreachable(_) => return Verdict::Again,
        WorkerError::Problem(problem) => problem,
    };
    let is = |code| problem.is(code);
    if is(Code::StaleLease) {
        Verdict::Stale
    } else if is(Code::AttemptEnded) {
        Verdict::Ended
    } else if is(Code::OutOfOrder) {
        Verdict::OutOfOrder
    } else if is(Code::TokenRevoked) {
        Verdict::Revoked
    } else if is(Code::Unauthorized) || is(Code::Forbidden) {
        Verdict::Refused
    } else if is(Code::NotFound) {
        Verdict::Unknown
    } else if problem.status >= 500 || matches!(problem.status, 408 | 425 | 429) {
        Verdict::Again
    } else {
        Verdict::Rejected
    }
}

/// Waiting times that double up to a few seconds.
#[derive(Debug)]
pub struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Backoff {
    /// The next waiting time.
    #[expect(
        clippy::should_implement_trait,
        reason = "it has no end, and nobody iterates"
    )]
    pub fn next(&mut self) -> Duration {
        let now = self.0;
        self.0 = (now * 2).min(LONGEST);
        now
    }
}

#[cfg(test)]
mod tests {
    use outwork_api::Problem;

    use super::*;

    #[test]
    fn a_server_in_trouble_is_asked_again_and_a_refusal_is_not() {
        let of = |code| verdict(&WorkerError::Problem(Problem::new(code, "")));
        assert_eq!(of(Code::Internal), Verdict::Again);
        assert_eq!(of(Code::Unavailable), Verdict::Again);
        assert_eq!(of(Code::InsufficientStorage), Verdict::Again);
        assert_eq!(of(Code::Unauthorized), Verdict::Refused);
        assert_eq!(of(Code::TokenRevoked), Verdict::Revoked);
        assert_eq!(of(Code::StaleLease), Verdict::Stale);
        assert_eq!(of(Code::AttemptEnded), Verdict::Ended);
        assert_eq!(of(Code::TooLarge), Verdict::Rejected);
        assert_eq!(
            verdict(&WorkerError::Unreachable("gone".into())),
            Verdict::Again
        );
    }

    #[test]
    fn waiting_grows_to_a_limit() {
        let mut backoff = Backoff::default();
        let times: Vec<_> = (0..8).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(times, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    }
}
