//! What must be true when everything has ended: the logs, the results, and what people see.

use outwork_api::worker::Outcome;
use outwork_domain::{Attempt, AttemptId, Epoch, ObjectKey, State, TaskId};
use serde_json::Value;

use super::{Kept, Observer, Seen};
use crate::cluster::Cluster;

struct Logged {
    epoch: i64,
    body: Value,
}

impl Observer {
    /// Looks at everything that was stored.
    pub async fn check_ending(&self, cluster: &Cluster) -> Kept {
        for (id, seen) in &self.attempts {
            let log = self.log(cluster, *id, seen).await?;
            self.check_states(seen, &log)?;
            self.check_said(seen, &log)?;
            self.check_result(cluster, *id, seen).await?;
        }
        for task in self.tasks.keys() {
            self.check_shown(cluster, *task).await?;
        }
        Ok(())
    }

    async fn log(
        &self,
        cluster: &Cluster,
        id: AttemptId,
        seen: &Seen,
    ) -> Result<Vec<Logged>, super::Violation> {
        let rows = cluster.store.events(cluster.workspace(), id, 0, u32::MAX);
        let rows = rows.await.expect("the database works");
        let mut log = Vec::new();
        let mut epoch = Epoch::ZERO;
        for (number, row) in (1..).zip(rows) {
            if row.seq != number || row.epoch < epoch {
                let detail = format!("{}: {row:?} is number {number}", seen.name);
                return self.broken("a log is in order and without gaps", detail);
            }
            epoch = row.epoch;
            log.push(Logged {
                epoch: row.epoch.get(),
                body: serde_json::from_str(&row.json).expect("the store keeps JSON"),
            });
        }
        Ok(log)
    }

    /// The log tells each change of state once, and nothing after the last.
    fn check_states(&self, seen: &Seen, log: &[Logged]) -> Kept {
        let states: Vec<_> = log
            .iter()
            .filter_map(|event| event.body["state"].as_str())
            .collect();
        let claims = states.iter().filter(|state| **state == "leased").count();
        let last = log.last().and_then(|event| event.body["state"].as_str());
        let is_told = last == Some(seen.attempt.state.as_str());
        if claims == seen.claims.len() && is_told {
            return Ok(());
        }
        let detail = format!("{}, {} claims: {states:?}", seen.name, seen.claims.len());
        self.broken(
            "a log tells each change of state, and ends with the last",
            detail,
        )
    }

    /// What was acknowledged is there, once, in the order in which it was said.
    fn check_said(&self, seen: &Seen, log: &[Logged]) -> Kept {
        for claim in &seen.claims {
            let epoch = claim.epoch.get();
            let logged: Vec<_> = log
                .iter()
                .filter(|event| event.epoch == epoch && event.body["type"] == "message")
                .map(|event| event.body["text"].as_str().unwrap_or_default())
                .collect();
            let sent = seen.said.range((epoch, 0)..=(epoch, i64::MAX));
            let sent: Vec<_> = sent.map(|(_, text)| text.as_str()).collect();
            let said: Vec<_> = (1..=logged.len())
                .map(|number| number.to_string())
                .collect();
            let acknowledged = seen.acknowledged.get(&epoch).copied().unwrap_or(0);
            let last = match &seen.finished {
                Some((by, finish)) if *by == claim.epoch => finish.last_seq,
                Some(_) | None => acknowledged,
            };
            let length = i64::try_from(logged.len()).expect("short");
            if logged != sent || logged != said || length != acknowledged || length != last {
                let detail = format!(
                    "{} {epoch}: {logged:?} is logged, {sent:?} was taken, {acknowledged} acknowledged, {last} finished with",
                    seen.name
                );
                let promise = "what is acknowledged is logged once and in order";
                return self.broken(promise, detail);
            }
        }
        Ok(())
    }

    async fn check_result(&self, cluster: &Cluster, id: AttemptId, seen: &Seen) -> Kept {
        let record = cluster.store.attempt(cluster.workspace(), id).await;
        let record = record
            .expect("the database works")
            .expect("nothing is deleted");
        if record.attempt != seen.attempt {
            let detail = format!("{}: {:?}", seen.name, record.attempt.state);
            return self.broken("nothing changes unseen", detail);
        }
        if seen.is_cancelled && !matches!(seen.attempt.state, State::Cancelled { .. }) {
            let detail = format!("{} is {}", seen.name, seen.attempt.state.as_str());
            return self.broken("what was cancelled is never shown otherwise", detail);
        }
        let by = record.result.as_ref().map(|result| result.epoch);
        if by != seen.finished.as_ref().map(|(epoch, _)| *epoch) {
            let detail = format!("{}: a result of {by:?}", seen.name);
            return self.broken("a result is that of the claim that finished", detail);
        }
        let Some((epoch, finish)) = &seen.finished else {
            return match seen.attempt.state {
                State::Succeeded { .. } => {
                    self.broken("only a worker says that it succeeded", seen.name.clone())
                }
                _ => Ok(()),
            };
        };
        if !is_outcome(&seen.attempt, &finish.outcome, seen.is_cancelled) {
            let detail = format!("{}: {:?}", seen.name, seen.attempt.state);
            return self.broken("an attempt ends as its worker said", detail);
        }
        let made = format!("what {id}/{} made", epoch.get()).into_bytes();
        let kept = cluster.object(&ObjectKey::diff(id, *epoch)).await;
        if kept.as_ref() != Some(&made) || seen.uploaded.get(&epoch.get()) != Some(&made) {
            let detail = format!("{}: {kept:?}", seen.name);
            return self.broken("a result is that of the claim that finished", detail);
        }
        Ok(())
    }

    async fn check_shown(&self, cluster: &Cluster, task: TaskId) -> Kept {
        let record = cluster.store.task(cluster.workspace(), task).await;
        let record = record
            .expect("the database works")
            .expect("nothing is deleted");
        let attempts = record.turns.iter().flat_map(|turn| &turn.attempts);
        let is_whole = attempts
            .map(|attempt| &attempt.attempt)
            .eq(self.tasks[&task]
                .iter()
                .map(|id| &self.attempts[id].attempt));
        if !is_whole {
            return self.broken("nothing changes unseen", task.to_string());
        }
        self.check_task(task)
    }
}

fn is_outcome(attempt: &Attempt, outcome: &Outcome, is_cancelled: bool) -> bool {
    match (&attempt.state, outcome) {
        (State::Cancelled { .. }, _) => is_cancelled,
        (State::Succeeded { .. }, Outcome::Succeeded {}) => true,
        // Asked and not answered in time.
        (State::Failed { .. }, Outcome::Failed { .. } | Outcome::AwaitingInput { .. }) => true,
        (_, _) => false,
    }
}
