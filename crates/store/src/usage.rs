//! What attempts used that ended within a time.

use std::collections::HashMap;
use std::time::Duration;

use outwork_domain::{AttemptId, Epoch, Step, Timestamp, WorkspaceId};

use crate::error::StoreError;
use crate::prices_json;
use crate::record::UsedAttempt;
use crate::result_row::tokens_from_json;
use crate::sql::{Conn, Row, Sql, id, in_json, json_array, values};
use crate::store::Store;

/// How many are read at once.
const PAGE: u32 = 2_000;

impl Store {
    /// What attempts used that ended at `from` or later and before `to`, in the order of their ends: those after `after`, at most 2000.
    pub async fn used_attempts(
        &self,
        workspace: WorkspaceId,
        (from, to): (Timestamp, Timestamp),
        after: Option<(Timestamp, AttemptId)>,
    ) -> Result<Vec<UsedAttempt>, StoreError> {
        const SELECT: &str = "SELECT a.id, a.task_id, a.ended_at, a.epoch, t.environment_id, e.label, coalesce(a.agent, e.agent) AS agent, u.created_by, \
             p.name, r.epoch AS r_epoch, r.tokens, r.prices FROM attempts a JOIN tasks t ON t.id = a.task_id \
             JOIN environments e ON e.id = t.environment_id JOIN turns u ON u.id = a.turn_id \
             JOIN principals p ON p.id = u.created_by LEFT JOIN results r ON r.attempt_id = a.id \
             WHERE a.workspace_id = $1 AND a.ended_at IS NOT NULL AND a.ended_at >= $2 AND a.ended_at < $3 \
             AND (a.ended_at, a.id) > ($4, $5) ORDER BY a.ended_at, a.id LIMIT $6";
        let (after_at, after_id) = match after {
            Some((at, attempt)) => (at.as_millis(), attempt.to_string()),
            None => (i64::MIN, String::new()),
        };
        let values = values![id(workspace), from, to, after_at, after_id, PAGE];
        let mut snapshot = self.read().await?;
        let mut conn = snapshot.conn();
        let rows = conn.rows(SELECT, values).await?;
        let mut used = Vec::with_capacity(rows.len());
        for row in &rows {
            used.push(read(row)?);
        }
        let held = held(&mut conn, used.iter().map(|used| used.attempt_id)).await?;
        for used in &mut used {
            used.held = held.get(&used.attempt_id).copied().unwrap_or_default();
        }
        Ok(used)
    }
}

fn read(row: &Row) -> Result<UsedAttempt, StoreError> {
    let tokens = row.opt_str("tokens")?.map(tokens_from_json).transpose()?;
    Ok(UsedAttempt {
        attempt_id: row.parsed("id")?,
        task_id: row.parsed("task_id")?,
        environment_id: row.parsed("environment_id")?,
        environment_label: row.text("label")?,
        agent: row.text("agent")?,
        principal_id: row.parsed("created_by")?,
        principal_name: row.text("name")?,
        ended_at: row.time("ended_at")?,
        was_claimed: row.int("epoch")? > 0,
        epoch: Epoch::new(row.opt_int("r_epoch")?.unwrap_or(0)),
        tokens,
        prices: prices_json::read(row)?,
        held: Duration::ZERO,
    })
}

/// How long workers held the attempts, all in all: by what their logs say.
async fn held(
    conn: &mut Conn<'_>,
    attempts: impl Iterator<Item = AttemptId>,
) -> Result<HashMap<AttemptId, Duration>, StoreError> {
    const SELECT: Sql = in_json!(
        "SELECT attempt_id, at, body FROM events WHERE kind = 'state' AND attempt_id",
        "$1",
        "ORDER BY attempt_id, seq"
    );
    let mut held: HashMap<AttemptId, Duration> = HashMap::new();
    let mut since: Option<(AttemptId, Timestamp)> = None;
    for row in conn.rows(SELECT, values![json_array(attempts)]).await? {
        let attempt = row.parsed("attempt_id")?;
        let at = row.time("at")?;
        if let Some((of, since)) = since
            && of == attempt
        {
            *held.entry(attempt).or_default() += at.since(since);
        }
        let body: serde_json::Value =
            serde_json::from_str(row.str("body")?).map_err(|_| StoreError::corrupt("body"))?;
        let step = body["state"].as_str().and_then(Step::parse);
        since = step.map(|_| (attempt, at));
    }
    Ok(held)
}
