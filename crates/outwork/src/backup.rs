//! `outwork backup`: a copy of a data directory that a server may be using.
//!
//! The database is copied as it is at one moment; then every object that the copy names, which exist before their rows and
//! are not removed. What came later is not in it. All is written into `PATH.partial`, flushed, and given its name last, so
//! that what is at `PATH` is whole.

mod files;
mod manifest;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use outwork_store::{CheckpointId, NamedObject, Store};

use crate::failure::{Failure, FailureExt, HintExt};
use crate::{say, system};

pub(crate) use files::{Partial, check_digest, copy};
pub(crate) use manifest::{FileDigest, Manifest};

/// The database, in a data directory and in a backup.
pub(crate) const DATABASE: &str = "outwork.sqlite";
pub(crate) const OBJECTS: &str = "objects";
pub(crate) const SECRET_KEY: &str = "secret.key";

/// Back up a data directory, also while its server runs
///
/// The backup is a directory: the database as it is at one moment, every diff and session that it names,
/// and a list of them with digests. Whoever has it can read all tasks. It holds neither the tokens nor
/// the key that opens sealed secrets: keep DATA_DIR/secret.key in another place, because without it
/// secrets, credentials and model keys are lost.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  outwork backup /backups/outwork-monday
  outwork restore /backups/outwork-monday --data-dir /srv/outwork-restored

With --database or --objects s3://… the database's and the bucket's own backups are used: docs/backup.md.")]
pub(crate) struct BackupArgs {
    /// Where the backup is made; nothing may be there
    #[arg(value_name = "DIR")]
    path: PathBuf,
    /// The data directory of the server
    #[arg(long, value_name = "DIR", env = "OUTWORK_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Put the key that opens sealed secrets into the backup, too: whoever has the backup has them all
    #[arg(long)]
    include_secret_key: bool,
    /// Print what was backed up as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: BackupArgs) -> Result<(), Failure> {
    let BackupArgs {
        path,
        data_dir,
        include_secret_key,
        json,
    } = args;
    let data = match data_dir {
        Some(dir) => dir,
        None => system::default_data_dir()?,
    };
    let live = data.join(DATABASE);
    if !live.is_file() {
        return Err(Failure::new(format!("there is no database at {}", live.display()))
            .with_hint("Name the server's data directory with --data-dir. A PostgreSQL is backed up with pg_dump: docs/backup.md."));
    }
    let partial = Partial::begin(&path)?;
    let manifest = write(&data, &live, partial.path(), include_secret_key).await?;
    partial.finish()?;
    told(&path, &manifest, json);
    Ok(())
}

async fn write(
    data: &Path,
    live: &Path,
    to: &Path,
    include_secret_key: bool,
) -> Result<Manifest, Failure> {
    let copied = to.join(DATABASE);
    copy_database(live, &copied).await?;
    let store = Store::open_sqlite(&copied)
        .await
        .failure("the copy of the database cannot be opened")?;
    let unread = "the copy of the database cannot be read";
    let named = store.named_objects().await.failure(unread)?;
    let mut objects = Vec::with_capacity(named.len());
    for object in named {
        objects.push((copy_object(data, to, &object)?, object));
    }
    let moved = moved_checkpoints(&store, live).await?;
    if !moved.is_empty() {
        store.forget_checkpoints(moved).await.failure(unread)?;
        let still = store.named_objects().await.failure(unread)?;
        let still: BTreeSet<_> = still.into_iter().map(|object| object.key).collect();
        objects.retain(|(_, object)| still.contains(&object.key));
    }
    for (digest, object) in &objects {
        fits(digest, object)?;
    }
    let counts = store.counts().await.failure(unread)?;
    settle(store, &copied).await?;
    if include_secret_key {
        copy(&data.join(SECRET_KEY), &to.join(SECRET_KEY)).hint(
            "If the server has its key elsewhere (--secret-key-file), back that file up, and leave out --include-secret-key.",
        )?;
    }
    let manifest = Manifest {
        outwork_backup: manifest::VERSION,
        made_by: env!("CARGO_PKG_VERSION").to_owned(),
        made_at_ms: system::now().as_millis(),
        schema: Store::sqlite_schema_known(),
        tasks: counts.tasks,
        ended_attempts: counts.ended,
        has_secret_key: include_secret_key,
        database: files::flushed(to, DATABASE)?,
        objects: objects.into_iter().map(|(digest, _)| digest).collect(),
    };
    manifest.write(to)?;
    Ok(manifest)
}

/// Closes the store and leaves its one file.
pub(crate) async fn settle(store: Store, database: &Path) -> Result<(), Failure> {
    store.close().await;
    outwork_store::settle_sqlite(database)
        .await
        .failure(format!("{} cannot be written", database.display()))
}

async fn copy_database(live: &Path, copied: &Path) -> Result<(), Failure> {
    outwork_store::copy_sqlite(live, copied)
        .await
        .failure(format!("{} cannot be copied", live.display()))
        .hint("See that the disk of the backup has space.")?;
    let found = outwork_store::sqlite_schema(copied)
        .await
        .failure("the copy of the database cannot be read")?;
    let known = Store::sqlite_schema_known();
    if found != known {
        return Err(Failure::new(format!(
            "the database has schema {found}, and this version of Outwork has {known}"
        ))
        .with_hint("Back up with the version that the server runs."));
    }
    undamaged(copied).await
}

/// Refuses a database in which SQLite finds something wrong.
pub(crate) async fn undamaged(database: &Path) -> Result<(), Failure> {
    let damage = outwork_store::sqlite_damage(database)
        .await
        .failure(format!("{} cannot be checked", database.display()))?;
    match damage.first() {
        None => Ok(()),
        Some(first) => Err(Failure::new(format!(
            "the database is damaged ({} faults; {first})",
            damage.len()
        ))
        .with_hint("Restore an earlier backup.")),
    }
}

fn copy_object(data: &Path, to: &Path, object: &NamedObject) -> Result<FileDigest, Failure> {
    let key = object.key.as_str();
    let from = data.join(OBJECTS).join(key);
    let target = to.join(OBJECTS).join(key);
    let digest = copy(&from, &target).hint(
        "A task names it. If the server keeps its objects in a bucket (--objects), see docs/backup.md; else it is damage: restore the object from an earlier backup.",
    )?;
    Ok(FileDigest {
        path: key.to_owned(),
        ..digest
    })
}

/// A diff must be as long as its row says.
pub(crate) fn fits(digest: &FileDigest, object: &NamedObject) -> Result<(), Failure> {
    match object.size_bytes {
        Some(size) if size != digest.size_bytes => Err(Failure::new(format!(
            "the object {} has {} bytes, and its task says {size}",
            digest.path, digest.size_bytes
        ))
        .with_hint("It is damaged: restore it from an earlier backup.")),
        Some(_) | None => Ok(()),
    }
}

/// Those whose claim has gone on since: what they name may be another one's by now. They are a help, not a result: a claim
/// that is run again makes its own.
async fn moved_checkpoints(store: &Store, live: &Path) -> Result<Vec<CheckpointId>, Failure> {
    let copied = store
        .kept_checkpoints()
        .await
        .failure("the copy of the database cannot be read")?;
    if copied.is_empty() {
        return Ok(copied);
    }
    let now = outwork_store::sqlite_checkpoints(live)
        .await
        .failure(format!("{} cannot be read", live.display()))?;
    let now: BTreeSet<_> = now.into_iter().collect();
    let moved = copied.into_iter().filter(|one| !now.contains(one));
    Ok(moved.collect())
}

fn told(path: &Path, manifest: &Manifest, json: bool) {
    let objects = manifest.objects.len();
    let bytes = manifest.bytes();
    if json {
        let told = serde_json::json!({"path": path, "tasks": manifest.tasks, "objects": objects,
            "size_bytes": bytes, "has_secret_key": manifest.has_secret_key});
        say::line(told);
        return;
    }
    say::line(format_args!(
        "Backed up {} tasks and {objects} objects ({} MiB) to {}.",
        manifest.tasks,
        bytes >> 20,
        path.display()
    ));
    if !manifest.has_secret_key {
        say::line("The secret key is not in it: keep a copy of secret.key in another place.");
    }
}

/// The directory that holds `path`.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Makes the directories on the way to `path`.
pub(crate) fn make_parent(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    let directory = parent(path);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .failure(format!("{} cannot be made", directory.display()))
}
