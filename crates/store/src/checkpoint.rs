//! What an attempt had done by its last checkpoint: kept beside the result until the attempt ends, and then its result if its worker
//! handed in none.

use outwork_domain::{AttemptId, Command, Desired, Epoch, ObjectKey, Timestamp, WorkspaceId};
use serde::{Deserialize, Serialize};

use crate::attempt_row::AttemptRow;
use crate::backup::NamedObject;
use crate::error::StoreError;
use crate::record::{AttemptResult, DiffStat, FurtherDiff, HandedIn, StoredDiff, Touched};
use crate::sql::{Conn, Row, id, values};
use crate::store::{Store, Tx, Write};
use crate::{path, transition};

impl Store {
    /// Keeps what the claim has done so far, in place of the checkpoint before; only its diffs and its session count. Renews the
    /// lease. Answers what is wanted.
    pub async fn checkpoint(
        &self,
        workspace: WorkspaceId,
        attempt: AttemptId,
        result: impl Into<HandedIn>,
        now: Timestamp,
    ) -> Result<Desired, StoreError> {
        let HandedIn { result, touched } = result.into();
        self.write(Checkpoint {
            workspace,
            attempt,
            result,
            touched,
            now,
        })
        .await
    }

    /// How many checkpoints that claim has made.
    pub async fn checkpoints(&self, attempt: AttemptId, epoch: Epoch) -> Result<u32, StoreError> {
        const SELECT: &str = "SELECT number FROM checkpoints WHERE attempt_id = $1 AND epoch = $2";
        let values = values![id(attempt), epoch.get()];
        let row = self.read().await?.row(SELECT, values).await?;
        row.map_or(Ok(0), |row| row.number("number"))
    }
}

struct Checkpoint {
    workspace: WorkspaceId,
    attempt: AttemptId,
    result: AttemptResult,
    touched: Vec<Touched>,
    now: Timestamp,
}

impl Write for Checkpoint {
    type Output = Desired;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Desired, StoreError> {
        // A claim that has none yet begins anew with 1.
        const UPSERT: &str = "INSERT INTO checkpoints (attempt_id, epoch, number, result) \
             VALUES ($1, $2, 1, $3) ON CONFLICT (attempt_id) DO UPDATE SET \
             number = CASE checkpoints.epoch WHEN excluded.epoch THEN checkpoints.number + 1 ELSE 1 END, \
             epoch = excluded.epoch, result = excluded.result";
        let epoch = self.result.epoch;
        let row = transition::load(tx, self.workspace, self.attempt).await?;
        let mut next = transition::apply(&row, Command::Renew { epoch }, self.now)?;
        next.row.has_checkpoint = true;
        let row = transition::write(tx, next, self.now).await?;
        let saved = serde_json::to_string(&Saved::from(&self.result)).expect("texts and numbers");
        tx.execute(UPSERT, values![id(self.attempt), epoch.get(), saved])
            .await?;
        let of = (row.attempt.task_id, row.attempt.turn_id);
        path::write_touched(tx, self.attempt, of, &self.touched, self.now).await?;
        Ok(row.attempt.desired)
    }
}

/// The last checkpoint, which stays.
pub(crate) async fn load(
    tx: &mut Tx<'_>,
    row: &AttemptRow,
) -> Result<Option<AttemptResult>, StoreError> {
    const LOAD: &str = "SELECT epoch, result FROM checkpoints WHERE attempt_id = $1";
    if !row.has_checkpoint {
        return Ok(None);
    }
    tx.row(LOAD, values![id(row.attempt.id)])
        .await?
        .map(read)
        .transpose()
}

/// The last checkpoint, which is gone then; the row is not written.
pub(crate) async fn take(
    tx: &mut Tx<'_>,
    row: &mut AttemptRow,
) -> Result<Option<AttemptResult>, StoreError> {
    const TAKE: &str = "DELETE FROM checkpoints WHERE attempt_id = $1 RETURNING epoch, result";
    if !std::mem::take(&mut row.has_checkpoint) {
        return Ok(None);
    }
    tx.row(TAKE, values![id(row.attempt.id)])
        .await?
        .map(read)
        .transpose()
}

fn read(row: Row) -> Result<AttemptResult, StoreError> {
    let saved: Saved = serde_json::from_str(&row.text("result")?)
        .map_err(|_| StoreError::corrupt("checkpoint"))?;
    Ok(saved.into_result(Epoch::new(row.int("epoch")?)))
}

/// The objects that checkpoints name.
pub(crate) async fn named(conn: &mut Conn<'_>) -> Result<Vec<NamedObject>, StoreError> {
    let mut found = Vec::new();
    for row in conn
        .rows("SELECT result FROM checkpoints", values![])
        .await?
    {
        let saved: Saved = serde_json::from_str(&row.text("result")?)
            .map_err(|_| StoreError::corrupt("checkpoint"))?;
        let Saved {
            diff,
            further,
            session,
        } = saved;
        let diffs = diff
            .into_iter()
            .chain(further.into_iter().map(|(_, diff)| diff));
        found.extend(diffs.map(|diff| NamedObject {
            key: ObjectKey::from_stored(diff.key),
            size_bytes: Some(diff.size_bytes),
        }));
        found.extend(session.map(|key| NamedObject {
            key: ObjectKey::from_stored(key),
            size_bytes: None,
        }));
    }
    Ok(found)
}

/// The JSON in `checkpoints.result`.
#[derive(Serialize, Deserialize)]
struct Saved {
    diff: Option<SavedDiff>,
    further: Vec<(String, SavedDiff)>,
    session: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct SavedDiff {
    key: String,
    files_changed: u64,
    lines_added: u64,
    lines_removed: u64,
    size_bytes: u64,
}

impl From<&AttemptResult> for Saved {
    fn from(result: &AttemptResult) -> Self {
        let further = result.further_diffs.iter();
        Self {
            diff: result.diff.as_ref().map(SavedDiff::from),
            further: further
                .map(|FurtherDiff { repository, diff }| (repository.clone(), diff.into()))
                .collect(),
            session: result.session.as_ref().map(|key| key.as_str().to_owned()),
        }
    }
}

impl Saved {
    fn into_result(self, epoch: Epoch) -> AttemptResult {
        let further = |(repository, diff): (String, SavedDiff)| FurtherDiff {
            repository,
            diff: diff.into(),
        };
        AttemptResult {
            epoch,
            diff: self.diff.map(StoredDiff::from),
            further_diffs: self.further.into_iter().map(further).collect(),
            session: self.session.map(ObjectKey::from_stored),
            message: None,
            tokens: None,
            evidence: Default::default(),
        }
    }
}

impl From<&StoredDiff> for SavedDiff {
    fn from(diff: &StoredDiff) -> Self {
        let StoredDiff {
            key,
            stat:
                DiffStat {
                    files_changed,
                    lines_added,
                    lines_removed,
                },
            size_bytes,
        } = diff;
        Self {
            key: key.as_str().to_owned(),
            files_changed: *files_changed,
            lines_added: *lines_added,
            lines_removed: *lines_removed,
            size_bytes: *size_bytes,
        }
    }
}

impl From<SavedDiff> for StoredDiff {
    fn from(saved: SavedDiff) -> Self {
        let SavedDiff {
            key,
            files_changed,
            lines_added,
            lines_removed,
            size_bytes,
        } = saved;
        Self {
            key: ObjectKey::from_stored(key),
            stat: DiffStat {
                files_changed,
                lines_added,
                lines_removed,
            },
            size_bytes,
        }
    }
}
