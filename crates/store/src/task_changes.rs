//! Which tasks changed, and when: for who follows all of a workspace.

use outwork_domain::{TaskId, Timestamp, WorkspaceId};

use crate::error::StoreError;
use crate::sql::{Row, Sql, id, in_json, json_array, values};
use crate::store::Store;

impl Store {
    /// When those of `tasks` that are the workspace's changed last, oldest first.
    pub async fn task_changes(
        &self,
        workspace: WorkspaceId,
        tasks: &[TaskId],
    ) -> Result<Vec<(TaskId, Timestamp)>, StoreError> {
        const SELECT: Sql = in_json!(
            "SELECT id, updated_at FROM tasks WHERE workspace_id = $1 AND id",
            "$2",
            "ORDER BY updated_at, id"
        );
        let values = values![id(workspace), json_array(tasks.iter())];
        let rows = self.read().await?.rows(SELECT, values).await?;
        rows.iter().map(read).collect()
    }

    /// The tasks that changed last at `since` or later, oldest first, at most `limit`.
    pub async fn task_changes_since(
        &self,
        workspace: WorkspaceId,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<(TaskId, Timestamp)>, StoreError> {
        const SELECT: &str = "SELECT id, updated_at FROM tasks \
             WHERE workspace_id = $1 AND updated_at >= $2 ORDER BY updated_at, id LIMIT $3";
        let values = values![id(workspace), since, limit];
        let rows = self.read().await?.rows(SELECT, values).await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &Row) -> Result<(TaskId, Timestamp), StoreError> {
    Ok((row.parsed("id")?, row.time("updated_at")?))
}
