//! Which model a workspace uses.

use outwork_domain::WorkspaceId;

use crate::error::StoreError;
use crate::prices_json;
use crate::record::ModelRecord;
use crate::sql::{Conn, count, id, values};
use crate::store::{Store, Tx, Write};

impl Store {
    /// Sets the model of the workspace.
    pub async fn set_model(
        &self,
        workspace: WorkspaceId,
        model: ModelRecord,
    ) -> Result<(), StoreError> {
        self.write(SetModel { workspace, model }).await
    }

    /// Forgets the model of the workspace; no error if it has none.
    pub async fn delete_model(&self, workspace: WorkspaceId) -> Result<(), StoreError> {
        self.write(DeleteModel { workspace }).await
    }

    /// The model of the workspace.
    pub async fn model(&self, workspace: WorkspaceId) -> Result<Option<ModelRecord>, StoreError> {
        Ok(self.of_workspace(workspace).await?.model.clone())
    }
}

struct SetModel {
    workspace: WorkspaceId,
    model: ModelRecord,
}

impl Write for SetModel {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const UPSERT: &str = "INSERT INTO models (workspace_id, base_url, name, sealed_key, \
             context_window, updated_at, prices) VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (workspace_id) DO UPDATE SET base_url = excluded.base_url, \
             name = excluded.name, sealed_key = excluded.sealed_key, \
             context_window = excluded.context_window, updated_at = excluded.updated_at, \
             prices = excluded.prices";
        let ModelRecord {
            base_url,
            name,
            sealed_key,
            context_window,
            prices,
            updated_at,
        } = &self.model;
        let values = values![
            id(self.workspace),
            base_url,
            name,
            sealed_key.clone(),
            count(*context_window),
            *updated_at,
            prices.as_ref().map(prices_json::to_json)
        ];
        tx.execute(UPSERT, values).await?;
        Ok(())
    }
}

struct DeleteModel {
    workspace: WorkspaceId,
}

impl Write for DeleteModel {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const DELETE: &str = "DELETE FROM models WHERE workspace_id = $1";
        tx.execute(DELETE, values![id(self.workspace)]).await?;
        Ok(())
    }
}

pub(crate) async fn load(
    conn: &mut Conn<'_>,
    workspace: WorkspaceId,
) -> Result<Option<ModelRecord>, StoreError> {
    const SELECT: &str = "SELECT base_url, name, sealed_key, context_window, updated_at, \
         prices FROM models WHERE workspace_id = $1";
    let Some(row) = conn.row(SELECT, values![id(workspace)]).await? else {
        return Ok(None);
    };
    Ok(Some(ModelRecord {
        base_url: row.text("base_url")?,
        name: row.text("name")?,
        sealed_key: row.opt_bytes("sealed_key")?,
        context_window: row.number("context_window")?,
        prices: prices_json::read(&row)?,
        updated_at: row.time("updated_at")?,
    }))
}
