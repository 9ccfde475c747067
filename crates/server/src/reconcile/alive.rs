//! Notes that a server runs, and notices when none did. That time does not count against a lease: a healthy worker must not lose its
//! attempt because it could not reach us, whether the server was down, was stopped, or could not use its database.

use std::sync::Arc;
use std::time::Duration;

use outwork_domain::Timestamp;
use outwork_store::{Store, StoreError};

use crate::config::Clock;
use crate::plane::Plane;

const LONGEST: Duration = Duration::from_secs(5);
/// A shorter gap may be a slow disk.
const SHORTEST_GAP: Duration = Duration::from_millis(500);

/// How often it is noted: a gap that is not noticed leaves most of a lease.
pub(super) fn every(lease: Duration) -> Duration {
    (lease / 6).min(LONGEST)
}

/// Comes before anything is reaped, at the start and ever after. Gives the time up to which workers could be heard: what follows in the same
/// pass must not look at the clock again, because the database may have stood still meanwhile.
pub(crate) async fn pass(plane: &Plane) -> Result<Timestamp, StoreError> {
    let every = every(plane.limits.lease);
    let now = plane.now();
    let away = plane
        .store
        .last_alive()
        .await?
        .map_or(every, |last| now.since(last));
    if away > (2 * every).max(SHORTEST_GAP) {
        plane.store.extend_leases(away, now).await?;
        tracing::info!(
            away_ms = u64::try_from(away.as_millis()).unwrap_or(u64::MAX),
            "no server could work for a while; leases were extended by that time"
        );
    } else if away >= every {
        plane.store.mark_alive(now).await?;
    }
    Ok(now)
}

/// A clock that does not begin before a server was last alive: what was queued or leased then would wait until the clock is there again.
pub(crate) async fn never_back(
    clock: Arc<dyn Clock>,
    store: &Store,
) -> Result<Arc<dyn Clock>, StoreError> {
    let started_at = clock.now();
    let ahead = store
        .last_alive()
        .await?
        .map_or(Duration::ZERO, |last| last.since(started_at));
    if ahead.is_zero() {
        return Ok(clock);
    }
    tracing::warn!(
        behind_seconds = ahead.as_secs(),
        "this machine's clock is behind the server's own records; times are shown ahead until it has caught up"
    );
    Ok(Arc::new(Ahead {
        clock,
        started_at,
        ahead,
    }))
}

/// Ahead of another clock at first, and a tenth slower until they agree.
struct Ahead {
    clock: Arc<dyn Clock>,
    started_at: Timestamp,
    ahead: Duration,
}

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        now + self.ahead.saturating_sub(now.since(self.started_at) / 10)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    struct Wall(AtomicI64);

    impl Clock for Wall {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.load(Ordering::SeqCst))
        }
    }

    #[test]
    fn a_clock_that_is_ahead_goes_slower_until_the_other_has_caught_up() {
        let wall = Arc::new(Wall(AtomicI64::new(1_000_000)));
        let ahead = Ahead {
            clock: Arc::clone(&wall) as Arc<dyn Clock>,
            started_at: wall.now(),
            ahead: Duration::from_secs(60),
        };
        let at = |wall_ms| {
            wall.0.store(wall_ms, Ordering::SeqCst);
            ahead.now().as_millis()
        };
        assert_eq!(at(1_000_000), 1_060_000);
        assert_eq!(at(1_010_000), 1_069_000);
        assert_eq!(at(1_600_000), 1_600_000);
        assert_eq!(at(1_700_000), 1_700_000);
    }
}
