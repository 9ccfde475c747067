//! Objects that no row names: what lost claims handed in, and checkpoints that a result or a later one replaced.

use std::time::Duration;

use outwork_domain::{AttemptId, ObjectKey, Timestamp};

use crate::error::StoreError;
use crate::sql::{Sql, id, in_json, json_array, values};
use crate::store::{Store, Tx, Write};

/// From the end of an attempt: an upload of a claim that is stale meanwhile may still be under way.
pub const GRACE: Duration = Duration::from_secs(60 * 60);

/// An attempt that has ended and may have such objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collectable {
    /// Whose objects.
    pub attempt: AttemptId,
    /// Those of them to be kept.
    pub named: Vec<ObjectKey>,
}

impl Store {
    /// At most `limit` attempts that ended [`GRACE`] ago, and that [`Store::collected`] has not been told of.
    pub async fn collectable(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Collectable>, StoreError> {
        const DUE: &str =
            "SELECT attempt_id FROM collections WHERE due_at <= $1 ORDER BY due_at LIMIT $2";
        const NAMED: Sql = in_json!(
            "SELECT attempt_id, diff_key, session_key FROM (\
             SELECT attempt_id, diff_key, session_key FROM results \
             UNION ALL SELECT attempt_id, diff_key, NULL FROM result_diffs) named \
             WHERE attempt_id",
            "$1",
            ""
        );
        let rows = self.read().await?.rows(DUE, values![now, limit]).await?;
        let mut due = Vec::with_capacity(rows.len());
        for row in &rows {
            due.push(Collectable {
                attempt: row.parsed("attempt_id")?,
                named: Vec::new(),
            });
        }
        if due.is_empty() {
            return Ok(due);
        }
        let attempts = json_array(due.iter().map(|one| one.attempt));
        for row in self.read().await?.rows(NAMED, values![attempts]).await? {
            let attempt = row.parsed("attempt_id")?;
            let keys = [row.opt_text("diff_key")?, row.opt_text("session_key")?];
            let keys = keys.into_iter().flatten().map(ObjectKey::from_stored);
            if let Some(one) = due.iter_mut().find(|one| one.attempt == attempt) {
                one.named.extend(keys);
            }
        }
        Ok(due)
    }

    /// The attempt has no object any more that no row names.
    pub async fn collected(&self, attempt: AttemptId) -> Result<(), StoreError> {
        self.write(Collected { attempt }).await
    }
}

struct Collected {
    attempt: AttemptId,
}

impl Write for Collected {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const DELETE: &str = "DELETE FROM collections WHERE attempt_id = $1";
        tx.execute(DELETE, values![id(self.attempt)]).await?;
        Ok(())
    }
}

/// The attempt ends, and not as simply as that its first claim handed in the one result.
pub(crate) async fn plan(
    tx: &mut Tx<'_>,
    attempt: AttemptId,
    now: Timestamp,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO collections (attempt_id, due_at) VALUES ($1, $2) \
         ON CONFLICT (attempt_id) DO NOTHING";
    let due_at = now + GRACE;
    tx.later(INSERT, values![id(attempt), due_at]).await?;
    Ok(())
}
