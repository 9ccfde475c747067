//! Limits that a process met: what is told of them, and whether it ended by one.

use std::time::Duration;

use outwork_agents::{FailureClass, TurnOutcome};
use outwork_api::event::EventBody;
use outwork_domain::Failure;
use outwork_sandbox::{Consequence, LimitHit};
use tokio::time::Instant;

use crate::attempt::limit;

/// That are told one by one; a program can run into one as often as it likes.
const TOLD: u32 = 20;
/// Who fails this soon after something was refused for a limit, failed by it: such limits are told at least every second.
const REFUSAL_COUNTS_FOR: Duration = Duration::from_millis(1500);

#[derive(Default)]
pub(super) struct LimitsMet {
    /// What ran at the last one: it may have ended by now.
    running: Option<String>,
    /// What was refused last, and when that was told.
    refused: Option<(LimitHit, Instant)>,
    told: u32,
}

impl LimitsMet {
    /// What the log is to say; nothing of what ends the process, which is its failure, nor of one too many.
    pub(super) fn meet(&mut self, mut hit: LimitHit, running: Option<String>) -> Option<EventBody> {
        self.running = running;
        if hit.consequence == Consequence::Refused {
            // Once all are gone nobody can be named: it is the same as a moment ago.
            let before = self.refused.take().and_then(|(hit, _)| hit.command);
            hit.command = hit.command.or(before);
            self.refused = Some((hit.clone(), Instant::now()));
        }
        if hit.consequence == Consequence::SandboxKilled || self.told >= TOLD {
            return None;
        }
        self.told += 1;
        Some(EventBody::LimitHit {
            limit: limit::name(hit.kind).to_owned(),
            message: limit::sentence(&hit, self.running.as_deref()),
        })
    }

    /// The limit that a process ended by, if it did: `hit`, or what it was refused just before it gave up.
    pub(super) fn ended_by(
        &mut self,
        hit: Option<LimitHit>,
        outcome: &TurnOutcome,
        running: Option<String>,
    ) -> Option<Failure> {
        let hit = hit.or_else(|| self.refused_before(outcome))?;
        let running = running.or_else(|| self.running.take());
        Some(limit::failure(&hit, running.as_deref()))
    }

    fn refused_before(&mut self, outcome: &TurnOutcome) -> Option<LimitHit> {
        let gave_up = matches!(
            outcome,
            TurnOutcome::Failed {
                class: FailureClass::CommandFailed { .. } | FailureClass::AgentCrashed,
                ..
            }
        );
        let (hit, at) = self.refused.take()?;
        (gave_up && at.elapsed() < REFUSAL_COUNTS_FOR).then_some(hit)
    }
}
