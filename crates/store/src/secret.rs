//! Secrets of environments, sealed by the caller: the store cannot read them.

use std::collections::HashMap;

use outwork_domain::environment::SecretName;
use outwork_domain::{EnvironmentId, Timestamp, WorkspaceId};

use crate::error::StoreError;
use crate::record::{SealedSecret, SecretChange};
use crate::sql::{Conn, Sql, id, in_json, json_array, values};
use crate::store::Tx;

/// The names of each environment's secrets, sorted.
pub(crate) async fn names(
    conn: &mut Conn<'_>,
    environments: impl Iterator<Item = EnvironmentId>,
) -> Result<HashMap<EnvironmentId, Vec<SecretName>>, StoreError> {
    const SELECT: Sql = in_json!(
        "SELECT environment_id, name, version, updated_at FROM environment_secrets \
         WHERE environment_id",
        "$1",
        "ORDER BY environment_id, name"
    );
    let ids = json_array(environments);
    let mut names: HashMap<_, Vec<_>> = HashMap::new();
    for row in conn.rows(SELECT, values![ids]).await? {
        names
            .entry(row.parsed("environment_id")?)
            .or_default()
            .push(SecretName {
                name: row.text("name")?,
                version: row.int("version")?,
                updated_at: row.time("updated_at")?,
            });
    }
    Ok(names)
}

/// The secrets of an environment with their sealed values, by name.
pub(crate) async fn sealed(
    conn: &mut Conn<'_>,
    environment: EnvironmentId,
) -> Result<Vec<SealedSecret>, StoreError> {
    const SELECT: &str = "SELECT name, version, sealed FROM environment_secrets \
         WHERE environment_id = $1 ORDER BY name";
    let rows = conn.rows(SELECT, values![id(environment)]).await?;
    rows.iter()
        .map(|row| {
            Ok(SealedSecret {
                name: row.text("name")?,
                version: row.int("version")?,
                sealed: row.bytes("sealed")?,
            })
        })
        .collect()
}

/// Makes the changes to an environment that the transaction holds.
pub(crate) async fn change(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    environment: EnvironmentId,
    changes: &[SecretChange],
    now: Timestamp,
) -> Result<(), StoreError> {
    const REMOVE: &str = "DELETE FROM environment_secrets WHERE environment_id = $1 AND name = $2";
    const SET: &str = "INSERT INTO environment_secrets \
         (environment_id, name, version, sealed, updated_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (environment_id, name) DO UPDATE SET version = excluded.version, \
         sealed = excluded.sealed, updated_at = excluded.updated_at";
    let mut version = None;
    for change in changes {
        match change {
            SecretChange::Remove { name } => {
                tx.execute(REMOVE, values![id(environment), name]).await?;
            }
            SecretChange::Set { name, sealed } => {
                let version = match version {
                    Some(version) => version,
                    None => *version.insert(next_version(tx, workspace, now).await?),
                };
                let values = values![id(environment), name, version, sealed.clone(), now];
                tx.execute(SET, values).await?;
            }
        }
    }
    Ok(())
}

/// A version that no secret of the workspace ever had. A snapshot on some worker's disk is found by
/// it in place of the value, so it must differ also after a secret was removed, in another
/// environment, and after a backup was restored: hence it is not below the time.
async fn next_version(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    now: Timestamp,
) -> Result<i64, StoreError> {
    const RAISE: &str = "UPDATE workspaces SET secret_version = CASE \
         WHEN secret_version < $2 THEN $2 ELSE secret_version + 1 END \
         WHERE id = $1 RETURNING secret_version";
    tx.row(RAISE, values![id(workspace), now])
        .await?
        .ok_or(StoreError::NotFound)?
        .int("secret_version")
}
