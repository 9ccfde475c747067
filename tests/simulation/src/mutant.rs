//! Planted bugs. Each stands between the network and a server (or in a worker's own loop), so that what ships has no switch for
//! it: a missing fence, for one, is a stale request that is put into the name of the claim that holds.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use outwork_api::worker::{
    Claim, Desired as Wished, Finish, Heartbeat, HeartbeatAnswer, WorkerApi,
};
use outwork_domain::{Attempt, AttemptId, State};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, SqliteConnection};

use crate::message::{Answer, Reply, Request};
use crate::observer::Observer;

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A heartbeat renews whatever claim holds.
    UnfencedRenew,
    /// A step is taken from any claim.
    UnfencedAdvance,
    /// Events are taken from any claim.
    UnfencedAppend,
    /// Results are taken from any claim.
    UnfencedUpload,
    /// The end is taken from any claim.
    UnfencedFinish,
    /// Any claim gives back.
    UnfencedRelease,
    /// What goes back to the queue counts its claims from the beginning.
    EpochReset,
    /// The end of one attempt ends another.
    FinishesAnother,
    /// An attempt that has ended can end once more.
    FinishesEnded,
    /// A worker that has to end renews nothing more.
    SilentDrain,
    /// A worker does not stop for a claim that is lost.
    DeafWorker,
}

impl Mutant {
    /// Every bug.
    pub const ALL: [Self; 11] = [
        Self::UnfencedRenew,
        Self::UnfencedAdvance,
        Self::UnfencedAppend,
        Self::UnfencedUpload,
        Self::UnfencedFinish,
        Self::UnfencedRelease,
        Self::EpochReset,
        Self::FinishesAnother,
        Self::FinishesEnded,
        Self::SilentDrain,
        Self::DeafWorker,
    ];

    /// Its name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnfencedRenew => "unfenced-renew",
            Self::UnfencedAdvance => "unfenced-advance",
            Self::UnfencedAppend => "unfenced-append",
            Self::UnfencedUpload => "unfenced-upload",
            Self::UnfencedFinish => "unfenced-finish",
            Self::UnfencedRelease => "unfenced-release",
            Self::EpochReset => "epoch-reset",
            Self::FinishesAnother => "finishes-another",
            Self::FinishesEnded => "finishes-ended",
            Self::SilentDrain => "silent-drain",
            Self::DeafWorker => "deaf-worker",
        }
    }

    /// The bug of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mutant| mutant.as_str() == name)
    }

    /// Does a request as a server with that bug would.
    pub async fn perform(
        self,
        request: &Request,
        api: &dyn WorkerApi,
        observer: &Observer,
        database: &Path,
    ) -> Answer {
        let claim = request.claim().and_then(|(attempt, epoch)| {
            let attempt = observer.attempt(attempt.parse().ok()?)?;
            Some((attempt, epoch))
        });
        match (self, request, claim) {
            (Self::UnfencedRenew, Request::Heartbeat(heartbeat), _) => {
                renew_any(heartbeat, api, observer).await
            }
            (Self::UnfencedAdvance, Request::Advance(..), Some((attempt, epoch)))
            | (Self::UnfencedAppend, Request::Append(..), Some((attempt, epoch)))
            | (Self::UnfencedUpload, Request::Upload(..), Some((attempt, epoch)))
            | (Self::UnfencedRelease, Request::Release(..), Some((attempt, epoch)))
                if is_stale(attempt, epoch) =>
            {
                let request = request.with_epoch(attempt.epoch.get());
                request.perform(api).await
            }
            (Self::UnfencedFinish, Request::Finish(_, finish), Some((attempt, epoch)))
                if is_stale(attempt, epoch) =>
            {
                finish_as(attempt, finish).perform(api).await
            }
            (Self::FinishesAnother, Request::Finish(_, finish), Some((attempt, _))) => {
                let another = observer.attempts().find(|other| {
                    other.id != attempt.id && matches!(other.state, State::Held { .. })
                });
                match another {
                    Some(another) => finish_as(another, finish).perform(api).await,
                    None => request.perform(api).await,
                }
            }
            (Self::FinishesEnded, Request::Finish(..), Some((attempt, epoch)))
                if attempt.state.is_final() && attempt.epoch.get() == epoch =>
            {
                execute(database, reopen(attempt.id)).await;
                request.perform(api).await
            }
            (_, _, _) => request.perform(api).await,
        }
    }

    /// What the bug does to an attempt that was just changed; whether it did anything.
    pub async fn spoil(self, attempt: &Attempt, database: &Path) -> bool {
        let is_queued = matches!(attempt.state, State::Queued { .. });
        if self != Self::EpochReset || !is_queued || attempt.epoch.get() == 0 {
            return false;
        }
        let reset = format!(
            "UPDATE attempts SET epoch = 0, worker_id = NULL WHERE id = '{}'",
            attempt.id
        );
        execute(database, reset).await;
        true
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn is_stale(attempt: &Attempt, epoch: i64) -> bool {
    matches!(attempt.state, State::Held { .. }) && attempt.epoch.get() != epoch
}

/// The same end, of the claim that holds `attempt`.
fn finish_as(attempt: &Attempt, finish: &Finish) -> Request {
    let finish = Finish {
        epoch: attempt.epoch.get(),
        diffs: Vec::new(),
        last_seq: 0,
        ..finish.clone()
    };
    Request::Finish(attempt.id.to_string(), finish)
}

/// Renews the lease of whoever holds what is named.
async fn renew_any(heartbeat: &Heartbeat, api: &dyn WorkerApi, observer: &Observer) -> Answer {
    let answer = Request::Heartbeat(heartbeat.clone()).perform(api).await?;
    let Reply::Heartbeat(HeartbeatAnswer {
        mut leases,
        reset_snapshots,
        orders,
    }) = answer
    else {
        return Ok(answer);
    };
    for lease in &mut leases {
        let attempt = lease
            .attempt
            .parse()
            .ok()
            .and_then(|id| observer.attempt(id));
        let Some(attempt) = attempt.filter(|attempt| is_stale(attempt, lease.epoch)) else {
            continue;
        };
        if let State::Held { lease: held, .. } = attempt.state {
            let claim = Claim {
                attempt: lease.attempt.clone(),
                epoch: attempt.epoch.get(),
                message_seq: 0,
            };
            let renewal = Heartbeat {
                worker: held.worker.to_string(),
                leases: vec![claim],
                ..Heartbeat::default()
            };
            api.heartbeat(renewal).await?;
            lease.desired = Wished::Run;
        }
    }
    Ok(Reply::Heartbeat(HeartbeatAnswer {
        leases,
        reset_snapshots,
        orders,
    }))
}

/// As if the attempt were still held by its last claim.
fn reopen(attempt: AttemptId) -> String {
    format!(
        "UPDATE attempts SET state = 'held', step = 'collecting', lease_worker_id = worker_id, \
         lease_epoch = epoch, lease_until = ended_at + 60000, deadline_at = ended_at + 60000, \
         due_at = ended_at + 60000, ended_at = NULL, failure_code = NULL, failure_message = NULL, \
         failure_hint = NULL WHERE id = '{attempt}'"
    )
}

async fn execute(database: &Path, sql: String) {
    let options = SqliteConnectOptions::new()
        .filename(database)
        .busy_timeout(Duration::from_secs(5));
    let connection = SqliteConnection::connect_with(&options).await;
    let mut connection = connection.expect("the database opens");
    let done = connection.execute(AssertSqlSafe(sql)).await;
    done.expect("the bug is planted");
    connection.close().await.expect("the database closes");
}
