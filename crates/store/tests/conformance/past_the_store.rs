//! The database without the store, to do what the store does not.

use sqlx::{Connection, Executor};

use crate::bed::Place;

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
