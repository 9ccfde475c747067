//! A second workspace. The store makes only the first one, so this one is written behind its back.

use outwork_domain::WorkspaceId;
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;

use super::Database;

pub async fn make(database: &Database, directory: &TempDir, workspace: WorkspaceId) {
    assert!(
        matches!(database, Database::Sqlite),
        "only the tests on SQLite have two workspaces"
    );
    let path = directory.path().join("outwork.db");
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", path.display()))
        .await
        .expect("it opens");
    sqlx::query("INSERT INTO workspaces (id, name, created_at) VALUES ($1, 'second', 0) ON CONFLICT (id) DO NOTHING")
        .bind(workspace.to_string())
        .execute(&mut connection)
        .await
        .expect("a second workspace");
    connection.close().await.expect("it closes");
}
