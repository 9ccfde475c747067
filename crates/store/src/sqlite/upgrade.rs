//! Which schema a database has, and a copy of it before it gets another one.

use std::fs::{File, OpenOptions, remove_file, rename};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sqlx::sqlite::SqliteConnection;

use super::MIGRATIONS;
use crate::error::OpenError;

/// The highest number of a schema that this version knows.
pub(crate) fn known() -> i64 {
    let numbers = MIGRATIONS.iter().map(|migration| migration.version);
    numbers.max().unwrap_or(0)
}

/// The number of the schema; 0 for an empty database.
pub(crate) async fn schema(conn: &mut SqliteConnection) -> Result<i64, OpenError> {
    const THERE: &str = "SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";
    const NEWEST: &str = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations";
    let there: i64 = sqlx::query_scalar(THERE)
        .fetch_one(&mut *conn)
        .await
        .map_err(OpenError::connect)?;
    if there == 0 {
        return Ok(0);
    }
    let newest = sqlx::query_scalar(NEWEST).fetch_one(conn).await;
    newest.map_err(OpenError::connect)
}

/// Keeps what an older version made, as it is, in `FILE.before-NUMBER` beside it: there is no way back from a migration, and
/// that is what the older version starts from again.
pub(super) async fn keep_before(conn: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let (found, known) = (schema(conn).await?, known());
    // What is newer is refused after this.
    if found == 0 || found > known || !is_behind(conn).await? {
        return Ok(());
    }
    let beside = |end: &str| {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".before-{known:04}{end}"));
        path.with_file_name(name)
    };
    let (begun, kept) = (beside(".part"), beside(""));
    let failed = |source| OpenError::File {
        path: kept.clone(),
        source,
    };
    match remove_file(&begun) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    vacuum_into(conn, &begun).await?;
    let file = File::open(&begun).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    rename(&begun, &kept).map_err(failed)?;
    tracing::info!(
        kept = %kept.display(),
        "the database is brought from schema {found} to {known}; as it was, it is kept"
    );
    Ok(())
}

/// Whether a migration is missing.
async fn is_behind(conn: &mut SqliteConnection) -> Result<bool, OpenError> {
    const APPLIED: &str = "SELECT version FROM _sqlx_migrations";
    let applied: Vec<i64> = sqlx::query_scalar(APPLIED)
        .fetch_all(conn)
        .await
        .map_err(OpenError::connect)?;
    let mut known = MIGRATIONS.iter();
    Ok(known.any(|migration| !applied.contains(&migration.version)))
}

/// Writes a copy of the database to `to`, for its owner only; nothing may be there.
pub(crate) async fn vacuum_into(conn: &mut SqliteConnection, to: &Path) -> Result<(), OpenError> {
    // SQLite writes into an empty file that is there, and keeps its mode.
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to);
    let failed = |source| OpenError::File {
        path: to.to_owned(),
        source,
    };
    made.map_err(failed)?;
    let name = to.to_str().ok_or_else(|| {
        let text = "its name is not UTF-8";
        failed(io::Error::new(io::ErrorKind::InvalidInput, text))
    })?;
    let copied = sqlx::query("VACUUM INTO ?1").bind(name).execute(conn);
    copied.await.map(drop).map_err(OpenError::connect)
}
