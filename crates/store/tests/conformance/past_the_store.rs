//! The database without the store, to do what the store does not.

use outwork_domain::WorkspaceId;
use sqlx::{Connection, Executor};

use crate::bed::{Place, at};

/// There is one workspace for now, so the second is put in by hand.
pub(crate) async fn add_workspace(place: &Place, workspace: WorkspaceId) {
    let created_at = at(1).as_millis();
    let insert = format!("INSERT INTO workspaces VALUES ('{workspace}', 'other', {created_at})");
    execute(place, insert).await.expect("the workspace is new");
}

/// Runs a statement past the store, on a connection of its own.
pub(crate) async fn execute(place: &Place, sql: String) -> Result<u64, sqlx::Error> {
    let sql = sqlx::AssertSqlSafe(sql);
    match place {
        Place::Sqlite(path) => {
            let options = sqlx::sqlite::SqliteConnectOptions::new()
                .filename(path)
                .foreign_keys(true);
            let mut conn = sqlx::SqliteConnection::connect_with(&options).await?;
            let done = conn.execute(sql).await;
            conn.close().await?;
            Ok(done?.rows_affected())
        }
        Place::Postgres(url) => {
            let mut conn = sqlx::PgConnection::connect(url).await?;
            let done = conn.execute(sql).await;
            conn.close().await?;
            Ok(done?.rows_affected())
        }
    }
}
