//! Which changes somebody has seen. What is marked are the changes of a file, whichever attempt has them.

use outwork_domain::{PrincipalId, TaskId, Timestamp};

use crate::error::StoreError;
use crate::sql::{id, values};
use crate::store::{Store, Tx, Write};

/// The most that one person marks in one task.
const MOST: usize = 10_000;

/// The changes of a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileChanges {
    /// The repository's name.
    pub repository: String,
    /// SHA-256 of what the diff says of the file.
    pub patch: [u8; 32],
}

impl Store {
    /// What somebody has seen of a task, and when.
    pub async fn viewed(
        &self,
        task: TaskId,
        principal: PrincipalId,
    ) -> Result<Vec<(FileChanges, Timestamp)>, StoreError> {
        const SELECT: &str = "SELECT repository, patch, viewed_at FROM viewed \
             WHERE task_id = $1 AND principal_id = $2";
        let values = values![id(task), id(principal)];
        let rows = self.read().await?.rows(SELECT, values).await?;
        let mut viewed = Vec::with_capacity(rows.len());
        for row in rows {
            let patch = row.bytes("patch")?;
            let changes = FileChanges {
                repository: row.text("repository")?,
                patch: patch.try_into().map_err(|_| StoreError::corrupt("patch"))?,
            };
            viewed.push((changes, row.time("viewed_at")?));
        }
        Ok(viewed)
    }

    /// Marks changes as seen, or as not seen. Errors: [`StoreError::TooMany`].
    pub async fn mark_viewed(
        &self,
        task: TaskId,
        principal: PrincipalId,
        changes: FileChanges,
        viewed: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.write(Mark {
            task,
            principal,
            changes,
            viewed,
        })
        .await
    }
}

struct Mark {
    task: TaskId,
    principal: PrincipalId,
    changes: FileChanges,
    viewed: Option<Timestamp>,
}

impl Write for Mark {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const DELETE: &str = "DELETE FROM viewed \
             WHERE task_id = $1 AND principal_id = $2 AND repository = $3 AND patch = $4";
        const COUNT: &str =
            "SELECT count(*) AS count FROM viewed WHERE task_id = $1 AND principal_id = $2";
        const INSERT: &str = "INSERT INTO viewed (task_id, principal_id, repository, patch, viewed_at) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (task_id, principal_id, repository, patch) DO NOTHING";
        let FileChanges { repository, patch } = &self.changes;
        let (task, principal) = (id(self.task), id(self.principal));
        let Some(at) = self.viewed else {
            let values = values![task, principal, repository, *patch];
            tx.execute(DELETE, values).await?;
            return Ok(());
        };
        let row = tx.row(COUNT, values![task.clone(), principal.clone()]);
        let count = row
            .await?
            .map_or(Ok(0), |row| row.number::<usize>("count"))?;
        if count >= MOST {
            return Err(StoreError::TooMany { most: MOST });
        }
        let values = values![task, principal, repository, *patch, at];
        tx.execute(INSERT, values).await?;
        Ok(())
    }
}
